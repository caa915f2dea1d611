"""Forecasts from past cutoffs: which forecaster is best, and in which order quantiles stand."""

import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, from_frame
from forecasting.evaluation.best import choose_best
from forecasting.evaluation.ensemble import Ensemble
from forecasting.evaluation.origins import compare, cut_origins
from forecasting.evaluation.statistical import SeasonalNaive
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
