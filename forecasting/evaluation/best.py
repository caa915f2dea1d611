"""Choose what forecasts series best: a model, a method of statistics, or their mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..data import SeriesData
from ..forecasts.forecaster import DEFAULT_LEVELS, Forecaster
from .ensemble import Ensemble
from .origins import Comparison, compare, cut_origins
from .statistical import STATISTICS, Statistical

WINDOWS = 3
"""Past cutoffs that the choice rests on, at most."""


@dataclass(frozen=True, eq=False)
class Choice:
    """What was chosen, and why.

    Attributes:
        name: in the comparison.
        forecaster: it.
        comparison: all candidates from past cutoffs.
    """

    name: str
    forecaster: Forecaster
    comparison: Comparison


def choose_best(
    model: Forecaster,
    data: SeriesData,
    horizon: int,
    levels: Sequence[float] = DEFAULT_LEVELS,
    *,
    others: dict[str, Forecaster] | None = None,
) -> Choice:
    """Choose among a model, baselines and the mean of it and methods of statistics, by forecasts from past cutoffs.

    Args:
        model: stands first; where all are equally good it is chosen.
        data: the series.
        horizon: H.
        levels: of the quantiles.
        others: baselines by name; None takes AutoETS and AutoTheta. One that cannot be had is left out. Those of them
            that are methods of statistics enter the mean.

    Raises:
        UserError: if the series are too short for a forecast from the past.
    """
    if others is None:
        others = {name: Statistical(name) for name in STATISTICS}
    shortest = min(item.length for item in data.items)
    windows = max(1, min(WINDOWS, shortest // (3 * horizon)))
    candidates: dict[str, Forecaster] = {"model": model, **others}
    averaged = [one for one in others.values() if isinstance(one, Statistical)]
    if averaged:
        candidates["mean of all"] = Ensemble.equal(model, *averaged)
    comparison = compare(cut_origins(data, horizon, windows=windows), candidates, horizon, levels)
    name = comparison.best()
    return Choice(name, candidates[name], comparison)
