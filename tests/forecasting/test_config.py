from dataclasses import replace

import pytest

from forecasting.network.einfft import EinFFTConfig
from forecasting.network.mixers import BUILDERS
from forecasting.network.outputs import Point, Quantiles, StudentT
from forecasting.network.simba import MLPConfig
from forecasting.network.simba_network import NetworkConfig
from forecasting.network.tokens import PatchConfig, VariateConfig
from forecasting.settings.config import ForecastConfig
from titans_seq.config import from_yaml, to_yaml
from titans_seq.errors import UserError

NETWORKS = [
    *(NetworkConfig(mixer=mixer()) for mixer in BUILDERS),
    NetworkConfig(tokens=VariateConfig(), channel_mixer=MLPConfig(expansion=3)),
    NetworkConfig(tokens=PatchConfig(8, 4), channel_mixer=EinFFTConfig(axes="tokens")),
]
OUTPUTS = [Point("mae", 0.25), Quantiles((0.05, 0.5)), StudentT()]


@pytest.mark.parametrize("network", NETWORKS, ids=str)
def test_every_network_part_survives_a_file(network):
    config = ForecastConfig(context=8, horizon=2, network=network)
    assert from_yaml(to_yaml(config), ForecastConfig) == config


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_every_output_survives_a_file(output):
    config = ForecastConfig(context=8, horizon=2, output=output, batches_per_epoch=3, shares=(0.0, 0.5))
    assert from_yaml(to_yaml(config), ForecastConfig) == config


@pytest.mark.parametrize("name", ["context", "horizon", "batch_size", "batches_per_epoch"])
def test_counts_must_be_positive(name):
    with pytest.raises(UserError, match=f"{name} must be at least 1, got 0"):
        replace(ForecastConfig(8, 2), **{name: 0})


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.2), (0.3, 0.8)])
def test_shares_must_leave_rows_to_train_on(shares):
    with pytest.raises(UserError, match="shares must be two numbers.*together below 1"):
        ForecastConfig(8, 2, shares=shares)


def test_a_negative_seed_is_refused():
    with pytest.raises(UserError, match="seed must be in .0, 2..32., got -1"):
        ForecastConfig(8, 2, seed=-1)
