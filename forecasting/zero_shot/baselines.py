"""The baselines that stand beside a zero-shot model: naive forecasts, and methods of statistics where there is time."""

from collections.abc import Sequence

from titans_seq.errors import UserError

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
    data: SeriesData, origins: Sequence[Origin], statistics: bool | None = None, season: int | None = None
) -> tuple[dict[str, Forecaster], list[str]]:
    """Choose the baselines to stand beside a model, and say which are left out.

    Args:
        data: the series.
        origins: the cutoffs that they are to forecast from.
        statistics: whether to fit AutoETS and AutoTheta; None does where there are few enough values.
        season: steps of their season; None goes by the frequency.

    Raises:
        UserError: if no series has a season before a cutoff.
    """
    lengths = [item.length for origin in origins for item in origin.past.items]
    notes = []
    if season is not None and max(lengths) <= season:
        raise UserError(
            f"a season of {season:,} steps is no shorter than the past before any cutoff, of {max(lengths):,} rows at "
            "most: give a shorter --season, or leave it out"
        )
    if season is not None and min(lengths) <= season:
        notes.append(f"where no season of {season:,} steps lies before a cutoff, the last value is repeated")
    chosen = _naive(_longer_periods(data, max(lengths), season), season)
    values = sum(item.values.size for origin in origins for item in origin.past.items)
    if statistics or (statistics is None and values <= LARGEST_FOR_STATISTICS):
        return chosen | _of_statistics(season), notes
    if statistics is None:
        left = " and ".join(STATISTICS)
        notes.append(f"{left} left out: {values:,} values would take a minute or more; ask for them with --statistics")
    return chosen, notes


def choices(data: SeriesData, horizon: int) -> dict[str, Forecaster]:
    """Return all baselines that have a season of their own in series before the last horizon, by name."""
    past = max(item.length for item in data.items) - horizon
    return _naive(_longer_periods(data, past)) | _of_statistics()


def every_baseline(freq: str | None) -> dict[str, Forecaster]:
    """Return all that `baselines` can choose for series of a frequency, by name."""
    return _naive(_longer_than(season_length(freq), freq)) | _of_statistics()


def _longer_periods(data: SeriesData, past: int, season: int | None = None) -> list[int]:
    """Weeks and years beyond the season, where a series has two of them, and one before a cutoff."""
    longest = max(item.length for item in data.items)
    periods = _longer_than(season_length(data.freq) if season is None else season, data.freq)
    return [period for period in periods if period <= longest // 2 and period < past]


def _longer_than(season: int, freq: str | None) -> list[int]:
    return [period for period in periods_of(freq) if period > season]


def _naive(periods: Sequence[int], season: int | None = None) -> dict[str, Forecaster]:
    longer: dict[str, Forecaster] = {f"{NAIVE} {period}": SeasonalNaive(period) for period in periods}
    return {NAIVE: SeasonalNaive(season), **longer}


def _of_statistics(season: int | None = None) -> dict[str, Forecaster]:
    return {name: Statistical(name, season) for name in STATISTICS}
