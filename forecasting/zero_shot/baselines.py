"""The baselines that stand beside a zero-shot model: naive forecasts, and methods of statistics where there is time."""

from collections.abc import Sequence

from ..data import SeriesData
from ..data.steps import season_length
from ..evaluation.origins import Origin
from ..evaluation.statistical import STATISTICS, SeasonalNaive, Statistical
from ..forecasts.forecaster import Forecaster
from .seasons import periods_of

LARGEST_FOR_STATISTICS = 20_000
"""Values of all series times cutoffs, up to which methods of statistics are fitted unasked: about half a minute.

7 series of 4,000 hours from three cutoffs, 84,000 values, took AutoETS and AutoTheta 59 s of one core.
"""
NAIVE = "seasonal naive"


def baselines(
    data: SeriesData, origins: Sequence[Origin], statistics: bool | None = None
) -> tuple[dict[str, Forecaster], list[str]]:
    """Choose the baselines to stand beside a model, and say which are left out.

    Args:
        data: the series.
        origins: the cutoffs that they are to forecast from.
        statistics: whether to fit AutoETS and AutoTheta; None does where there are few enough values.
    """
    # Weeks and years that MASE does not count in, where a series has two of them.
    longest = max(item.length for item in data.items)
    periods = [one for one in periods_of(data.freq) if season_length(data.freq) < one <= longest // 2]
    chosen = _naive(periods)
    values = sum(item.values.size for origin in origins for item in origin.past.items)
    if statistics or (statistics is None and values <= LARGEST_FOR_STATISTICS):
        return chosen | _of_statistics(), []
    if statistics is None:
        left = " and ".join(STATISTICS)
        return chosen, [
            f"{left} left out: {values:,} values would take a minute or more; ask for them with --statistics"
        ]
    return chosen, []


def every_baseline(freq: str | None) -> dict[str, Forecaster]:
    """Return all that `baselines` can choose for series of a frequency, by name."""
    return _naive(periods_of(freq)) | _of_statistics()


def _naive(periods: Sequence[int]) -> dict[str, Forecaster]:
    longer: dict[str, Forecaster] = {f"{NAIVE} {period}": SeasonalNaive(period) for period in periods}
    return {NAIVE: SeasonalNaive(), **longer}


def _of_statistics() -> dict[str, Forecaster]:
    return {name: Statistical(name) for name in STATISTICS}
