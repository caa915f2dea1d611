"""Several networks as one: the mean of their quantiles, in a folder, and trained on."""

import numpy as np
import pytest
import torch

from forecasting.zero_shot.finetuning import fine_tune
from forecasting.zero_shot.forecaster import ZeroShotForecaster
from forecasting.zero_shot.inference import forecast_quantiles
from forecasting.zero_shot.model import ZeroShotModel
from forecasting.zero_shot.network import EnsembleConfig, ZeroShotConfig, ZeroShotEnsemble
from forecasting.zero_shot.pretraining import new_network
from forecasting.zero_shot.saving import load_network, save_network
from forecasting.zero_shot.settings import FineTuningConfig

SERIES = [np.sin(np.arange(40.0)), np.arange(9.0)]
PERIODS = [(6, 1), (1, 1)]


@pytest.fixture(scope="module")
def ensemble() -> ZeroShotEnsemble:
    """Two unlike networks."""
    members = [new_network(ZeroShotConfig(width=width, layers=1, code=4), seed=width).eval() for width in (8, 12)]
    both = ZeroShotEnsemble(EnsembleConfig(tuple(member.config for member in members)))
    for own, member in zip(both.members, members, strict=True):
        own.load_state_dict(member.state_dict())
    return both.eval()


def test_it_forecasts_the_mean_of_its_members_quantiles(ensemble) -> None:
    alone = [forecast_quantiles(member, SERIES, 5, PERIODS) for member in ensemble.members]
    assert abs(alone[0] - alone[1]).max() > 1e-3
    np.testing.assert_allclose(forecast_quantiles(ensemble, SERIES, 5, PERIODS), np.mean(alone, 0), rtol=1e-5)


def test_it_survives_folders(ensemble, tmp_path) -> None:
    save_network(tmp_path / "network", ensemble, "card")
    ZeroShotModel(ZeroShotForecaster(ensemble)).save(tmp_path / "model")
    expected = forecast_quantiles(ensemble, SERIES, 5, PERIODS)
    for loaded in (load_network(tmp_path / "network"), ZeroShotModel.load(tmp_path / "model").forecaster.network):
        assert loaded.config == ensemble.config
        np.testing.assert_array_equal(forecast_quantiles(loaded, SERIES, 5, PERIODS), expected)


def test_all_members_are_trained_on(ensemble) -> None:
    trained, _ = fine_tune(ensemble, SERIES, PERIODS, 4, FineTuningConfig(steps=2, tokens=60))
    assert trained.config == ensemble.config
    before = ensemble.state_dict()
    for member in ("members.0.", "members.1."):
        assert not torch.equal(trained.state_dict()[f"{member}out.weight"], before[f"{member}out.weight"])


@pytest.mark.parametrize("members", [(), (ZeroShotConfig(), ZeroShotConfig(tokens=32))])
def test_members_that_are_unlike_or_missing_are_refused(members) -> None:
    with pytest.raises(ValueError, match="alike in patches, tokens and output"):
        EnsembleConfig(members)
