"""The century of years that are written with two digits."""

import datetime as dt

import numpy as np

_AHEAD = 10
"""Years after this one to which plans and what is known ahead reach, at most."""


def this_year() -> int:
    """Return the year that it is."""
    return dt.date.today().year


def full_years(short: np.ndarray) -> np.ndarray:
    """Years of a column that writes them with two digits, in the latest centuries that do not lie in the future.

    The years go on over the end of a century where that leaves the shortest gap.

    Args:
        short: from 0 to 99, at least one.

    Example:
        >>> full_years(np.array([68, 69, 73])).tolist(), full_years(np.array([99, 0, 1])).tolist()
        ([1968, 1969, 1973], [1999, 2000, 2001])
    """
    different = np.unique(short)
    gaps = np.diff(np.append(different, different[0] + 100))
    starts = different[(np.flatnonzero(gaps == gaps.max()) + 1) % len(different)]
    span, now = 100 - int(gaps.max()), this_year()
    begins = sorted(int(start) + century for start in starts for century in (1900, 2000))
    # Where the years could begin at several, they are history.
    ahead = _AHEAD if len(starts) == 1 else 0
    past = [begin for begin in begins if begin <= now + 1 and begin + span <= now + ahead]
    begin = past[-1] if past else begins[0]
    return begin + (short - begin) % 100


def with_full_years(times: np.ndarray) -> np.ndarray:
    """Return times read from years of two digits, datetime64[us] [N], in the years that these mean; NaT stays.

    Example:
        >>> with_full_years(np.array(["2049-01-31", "2060-02-29"], dtype="M8[us]")).astype("M8[D]").astype(str).tolist()
        ['1949-01-31', '1960-02-29']
    """
    known = ~np.isnat(times)
    if not known.any():
        return times
    months = times[known].astype("datetime64[M]")
    years = months.astype("datetime64[Y]").astype(np.int64) + 1970
    moved = times.copy()
    moved[known] = (months + 12 * (full_years(years % 100) - years)).astype(times.dtype) + (times[known] - months)
    return moved
