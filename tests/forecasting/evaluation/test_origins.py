"""Forecasts from past cutoffs: which forecaster is best, and in which order quantiles stand."""

from typing import get_args

import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, from_frame
from forecasting.data.options import Holes
from forecasting.evaluation.best import choose_best
from forecasting.evaluation.ensemble import Ensemble
from forecasting.evaluation.origins import compare, cut_origins
from forecasting.evaluation.statistical import SeasonalNaive
from forecasting.zero_shot.baselines import baselines, choices
from forecasting.zero_shot.cutoffs import past_origins
from titans_seq.errors import UserError

WEEKS = from_frame(
    pd.DataFrame({"day": pd.date_range("2024-01-01", periods=56, freq="D"), "sold": np.tile(np.arange(1.0, 8), 8)})
)


def test_a_perfect_forecaster_is_best_and_can_be_had() -> None:
    others = {"seasonal naive": SeasonalNaive()}
    comparison = compare(cut_origins(WEEKS, 7, windows=2), {"model": SeasonalNaive(2), **others}, 7)
    assert comparison.scores["seasonal naive"].quantile_loss == 0.0
    assert comparison.best() == "seasonal naive"
    assert "100.0% less error than model" in comparison.verdict("model")
    assert choose_best(SeasonalNaive(2), WEEKS, 7, others=dict(others)).name == "seasonal naive"


def test_levels_are_put_in_order_and_checked() -> None:
    rising = from_frame(pd.DataFrame({"sold": np.arange(30.0) ** 1.1}))
    both = Ensemble.equal(SeasonalNaive(), SeasonalNaive(3)).forecast(rising, 1, (0.9, 0.1))
    assert both.levels == (0.1, 0.9)
    assert both.quantiles[0, 0, 0, 0] < both.quantiles[0, 0, 0, 1]
    with pytest.raises(UserError, match=r"must lie between 0 and 1, got 1\.5"):
        SeasonalNaive().forecast(rising, 1, (0.5, 1.5))


def test_no_more_series_are_looked_at_than_asked() -> None:
    frame = pd.DataFrame({f"s{number}": np.arange(20.0) for number in range(9)}).melt(var_name="id", value_name="y")
    frame["t"] = np.tile(np.arange(20), 9)
    data = from_frame(frame, FrameOptions(id="id", time="t"))
    assert len(past_origins(data, 2, series=5)[0].items) == 5


@pytest.mark.parametrize("wrong", [{"season": 0}, {"season": -3}, {"windows": 0}, {"step": 0}])
def test_numbers_that_are_too_small_are_refused(wrong) -> None:
    with pytest.raises(UserError, match=f"{next(iter(wrong))} must be at least 1, got"):
        cut_origins(WEEKS, 7, **wrong)


def test_the_season_given_is_that_of_the_baselines() -> None:
    origins = cut_origins(WEEKS, 7, windows=2, season=14)
    chosen, notes = baselines(WEEKS, origins, statistics=True, season=14)
    assert notes == []
    assert {name: one.season for name, one in chosen.items()} == {  # pyright: ignore[reportAttributeAccessIssue]
        "seasonal naive": 14,
        "AutoETS": 14,
        "AutoTheta": 14,
    }
    _, notes = baselines(WEEKS, origins, statistics=False, season=42)  # of 42 and 49 rows
    assert notes == ["where no season of 42 steps lies before a cutoff, the last value is repeated"]
    with pytest.raises(UserError, match="a season of 49 steps is no shorter than .* of 49 rows at most: give"):
        baselines(WEEKS, origins, season=49)


@pytest.mark.parametrize(("days", "horizon", "longer"), [(60, 7, []), (800, 7, [365]), (800, 500, [])])
def test_baselines_to_choose_from_have_a_season_of_their_own(days, horizon, longer) -> None:
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=days, freq="D"), "sold": np.arange(float(days))})
    names = [name for name in choices(from_frame(frame), horizon) if name.startswith("seasonal naive")]
    assert names == ["seasonal naive", *(f"seasonal naive {period}" for period in longer)]


@pytest.mark.parametrize("holes", [how for how in get_args(Holes) if how != "refuse"])
def test_what_comes_after_a_cutoff_is_not_seen_through_a_hole(holes) -> None:
    numbers = np.random.default_rng(0).normal(size=(30, 3))
    frame = pd.DataFrame(dict(zip(("sold", "lost", "rain"), numbers.T, strict=True))).assign(t=np.arange(30))
    frame.loc[[4, 21], "rain"], frame.loc[[10, 19], "lost"] = np.nan, np.nan
    options = FrameOptions(time="t", target=("sold", "lost"), past=("rain",), holes=holes)
    gone = [5, 6, 11, 14, 15, 20]
    data = from_frame(frame.drop(index=gone), options)
    assert data.items[0].inserted.nonzero()[0].tolist() == gone
    for back, origin in enumerate(reversed(cut_origins(data, 2, windows=20, step=1))):
        cutoff = 28 - back
        changed = frame.copy()
        changed.loc[cutoff:, ["sold", "lost", "rain"]] += 500.0
        other = cut_origins(from_frame(changed.drop(index=gone), options), 2, windows=20, step=1)[-1 - back]
        one, two = origin.past.items[0], other.past.items[0]
        assert one.length == cutoff
        np.testing.assert_array_equal(one.values, two.values)
        np.testing.assert_array_equal(one.past, two.past)
        # What never was does not count as having come true.
        came = frame[["sold", "lost"]].to_numpy(copy=True)
        came[gone] = np.nan
        np.testing.assert_array_equal(origin.actual[0], came[cutoff : cutoff + 2])
