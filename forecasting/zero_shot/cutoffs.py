"""Past cutoffs of series, from which forecasts are made to see how far they are off."""

from dataclasses import replace

import numpy as np

from titans_seq.errors import UserError

from ..data import SeriesData
from ..evaluation.origins import Origin, cut_origins

MOST_SERIES = 500
"""Series that are looked at, at most, evenly chosen."""
MOST_WINDOWS = 5
"""Past cutoffs where there are values enough."""
SHARE_OF_PAST = 0.4
"""Share of the typical series that cutoffs reach back, at most."""


def past_origins(data: SeriesData, horizon: int, most: int = MOST_WINDOWS, series: int = MOST_SERIES) -> list[Origin]:
    """Cut past cutoffs one horizon apart, in the last 40% of the series.

    Args:
        data: the series.
        horizon: H.
        most: cutoffs, at most.
        series: of how many series, evenly chosen.

    Returns:
        The cutoffs, the earliest first; none where the series are too short.
    """
    items = data.items[:: -(-len(data.items) // series)]
    some = replace(data, items=items)
    typical = int(np.median([item.length for item in items]))
    windows = max(1, min(most, int(SHARE_OF_PAST * typical) // horizon))
    try:
        return cut_origins(some, horizon, windows=windows)
    except UserError:
        return []
