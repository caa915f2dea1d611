"""Features of the context: exact on series whose right answers are known, and blind to what is not known."""

import numpy as np
import pytest
import torch

from forecasting.zero_shot.features import BASES, describe, seasonal_error
from forecasting.zero_shot.seasons import found_period


def features(values, periods=(1, 1), horizon=4):
    y = torch.tensor(np.atleast_2d(values), dtype=torch.float64)
    observed = y.isfinite()
    return describe(torch.nan_to_num(y), observed, torch.tensor([periods] * len(y)), horizon)


def base(found, name):
    values = found.bases[..., BASES.index(name)].double()
    return (values * found.scale + found.level).numpy()


def test_the_bases_are_the_simple_forecasts_they_are_called() -> None:
    found = features([1.0, 2.0, 3.0, 11.0, 12.0, 13.0], (3, 1))
    np.testing.assert_allclose(base(found, "season"), [[11, 12, 13, 11]], rtol=1e-5)
    np.testing.assert_allclose(base(found, "last"), [[13] * 4], rtol=1e-5)
    np.testing.assert_allclose(base(found, "level"), [[9.75] * 4], rtol=1e-5)  # of four steps, as the season is shorter


def test_a_line_goes_on_as_its_drift() -> None:
    found = features(np.arange(20.0), (1, 1))
    np.testing.assert_allclose(base(found, "drift"), [[20, 21, 22, 23]], rtol=1e-5)


def test_the_profile_of_a_pure_season_is_that_season() -> None:
    pattern = np.array([0.0, 3.0, -1.0, -2.0])
    found = features(np.tile(pattern, 10), (4, 1))
    np.testing.assert_allclose(base(found, "profile"), [pattern], atol=1e-6)
    assert found.noise.item() == 0


def test_a_period_longer_than_the_context_is_not_used() -> None:
    assert features(np.arange(10.0), (12, 365)).periods.tolist() == [[1, 1]]
    assert features(np.arange(30.0), (7, 365)).periods.tolist() == [[7, 7]]


def test_the_noise_is_the_seasonal_error_over_the_scale() -> None:
    rng = np.random.default_rng(0)
    y = rng.normal(size=40)
    found = features(y, (4, 1))
    expected = np.abs(y[4:] - y[:-4]).mean() / found.scale.item()
    np.testing.assert_allclose(found.noise.item(), expected, rtol=1e-6)


def test_missing_values_count_nowhere() -> None:
    y = np.array([np.nan, np.nan, 5.0, 6.0, np.nan, 6.0, 5.0, 7.0])
    found = features(y)
    assert found.start.item() == 2
    assert found.channels[0, :8, 1].tolist() == [0, 0, 1, 1, 0, 1, 1, 1]
    assert (found.channels[0, [0, 1, 4], 0] == 0).all()
    # Only neighbours that are both observed make a pair: (5, 6), (6, 5), (5, 7).
    error = seasonal_error(
        torch.tensor(y)[None].nan_to_num(),
        torch.tensor(np.isfinite(y))[None],
        found.start,
        torch.ones(1, 1, dtype=torch.int64),
    )
    assert round(error.item(), 6) == round((1 + 1 + 2) / 3, 6)


def test_scale_and_level_take_out_units() -> None:
    y = np.random.default_rng(1).normal(size=30).cumsum()
    one, other = features(y, (7, 1)), features(1e6 * y + 5e7, (7, 1))
    torch.testing.assert_close(one.channels, other.channels, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(one.bases, other.bases, atol=1e-4, rtol=1e-4)


def test_a_constant_series_has_scale_one() -> None:
    found = features(np.full(9, 7.0))
    assert found.scale.item() == 1
    assert found.level.item() == 7
    assert found.bases.abs().max() == 0


@pytest.mark.parametrize("high", [1e7, -(2.0**40)])
def test_small_changes_of_a_high_level_are_described_as_by_themselves(high: float) -> None:
    y = np.tile([0.0, 3.0, -1.0, -2.0, 0.5], 8) / 1024  # which both levels hold without rounding
    alone, moved = features(y, (5, 1)), features(y + high, (5, 1))
    np.testing.assert_allclose(moved.scale, alone.scale, rtol=1e-6)
    np.testing.assert_allclose(moved.channels, alone.channels, atol=1e-5)
    assert found_period(y + high) == found_period(y) == 5


@pytest.mark.parametrize("value", [0.1, 1e12 / 3])
def test_a_constant_has_no_scale_of_its_own(value: float) -> None:
    found = features(np.full(30, value), (7, 1))
    assert (found.scale.item(), found.level.item(), found.noise.item()) == (1.0, value, 0.0)
    assert found_period(np.full(30, value)) == 1
