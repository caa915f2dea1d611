"""Time zones: which one offsets from UTC are of, and local times in one."""

import datetime as dt
import zoneinfo
from functools import lru_cache

import numpy as np
import pandas as pd

from titans_seq.errors import UserError

_FIRST = (
    *("Europe/Berlin", "Europe/London", "Europe/Athens", "Europe/Moscow", "America/New_York", "America/Chicago"),
    *("America/Denver", "America/Los_Angeles", "America/Anchorage", "America/Halifax", "America/St_Johns"),
    *("America/Sao_Paulo", "America/Santiago", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland"),
    *("Asia/Jerusalem", "Asia/Tehran", "Africa/Cairo"),
)
"""Zones that many share their clock with, tried before the others."""
ABBREVIATED = {
    **{"WET": 0, "WEST": 60, "BST": 60, "CET": 60, "MEZ": 60, "CEST": 120, "MESZ": 120, "EET": 120, "EEST": 180},
    **{"EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420, "MDT": -360, "PST": -480, "PDT": -420},
    **{"MSK": 180, "IST": 330, "HKT": 480, "SGT": 480, "JST": 540, "KST": 540, "AEST": 600, "AEDT": 660},
}
"""Minutes ahead of UTC of the short names of zones, in the meaning that most have in mind."""


def zone_of_offsets(times: np.ndarray, offsets: np.ndarray) -> str | None:
    """Return the zone whose clock is so far ahead of UTC at these times.

    Args:
        times: in UTC, datetime64[us] [N].
        offsets: minutes ahead of UTC, int64 [N].

    Returns:
        "UTC", a fixed offset such as "UTC+05:30", or where the offset changes the name of a zone with the same
        changes; None if there is none.

    Example:
        >>> times = np.array(["2024-01-01", "2024-07-01"], "M8[us]")
        >>> zone_of_offsets(times, np.array([60, 120])), zone_of_offsets(times, np.array([330, 330]))
        ('Europe/Berlin', 'UTC+05:30')
    """
    if (offsets == offsets[0]).all():
        return fixed_zone(int(offsets[0]))
    # The times next to each change tell zones apart; some more tell them from zones that change on other days.
    order = np.argsort(times, kind="stable")
    changes = np.flatnonzero(np.diff(offsets[order]))
    spread = np.linspace(0, len(order) - 1, 60).astype(int)
    asked = order[np.unique(np.concatenate([changes, changes + 1, spread]))]
    known = asked[times[asked] < np.datetime64("2037-01-01")]  # Programs disagree on the rules of later years.
    asked = known if len(known) else asked
    stamps = [dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=int(t)) for t in _micros(times[asked])]
    wanted = [dt.timedelta(minutes=int(minutes)) for minutes in offsets[asked]]
    for name in (*_FIRST, *_all_zones()):
        zone = zoneinfo.ZoneInfo(name)
        if all(stamp.astimezone(zone).utcoffset() == offset for stamp, offset in zip(stamps, wanted, strict=True)):
            return name
    return None


def fixed_zone(minutes: int) -> str:
    """Return the name of a zone that is always so far ahead of UTC."""
    if minutes == 0:
        return "UTC"
    sign, ahead = "+" if minutes > 0 else "-", abs(minutes)
    return f"UTC{sign}{ahead // 60:02}:{ahead % 60:02}"


def midnight_zone(index: pd.DatetimeIndex) -> str | None:
    """Return the zone whose midnights times in UTC are, where its clock is changed between them; else None.

    Example:
        >>> index = pd.DatetimeIndex(["2024-03-30 23:00", "2024-03-31 22:00"]).tz_localize("UTC")
        >>> midnight_zone(index), midnight_zone(index[:1])
        ('Europe/Berlin', None)
    """
    if str(index.tz) != "UTC" or not 2 <= len(np.unique(_clock(index))) <= 3:
        return None
    for name in _FIRST:
        if not _clock(index.tz_convert(name)).any():
            return name
    return None


def check_zone(name: str) -> str:
    """Return the name, where there is such a zone.

    Raises:
        UserError: if there is none.
    """
    try:
        pd.Timestamp(0).tz_localize(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, KeyError, OSError, TypeError) as error:
        raise UserError(
            f"unknown time zone {name!r}: give a name such as Europe/Berlin, America/New_York, UTC or UTC+05:30"
        ) from error
    return name


def localize(times: pd.DatetimeIndex, zone: str) -> tuple[pd.DatetimeIndex, pd.DatetimeIndex]:
    """Clock times in a zone, for the first and for the second time that a clock shows them; NaT where it never does.

    A midnight that does not exist is the beginning of its day.

    Example:
        >>> first, second = localize(pd.DatetimeIndex(["2024-10-27 02:30"]), "Europe/Berlin")
        >>> str(first[0]), str(second[0])
        ('2024-10-27 02:30:00+02:00', '2024-10-27 02:30:00+01:00')
    """
    midnight = times.to_numpy() == times.to_numpy().astype("datetime64[D]")
    both = []
    for summer in (True, False):
        which = np.full(len(times), summer)
        strict = times.tz_localize(zone, ambiguous=which, nonexistent="NaT")
        moved = times.tz_localize(zone, ambiguous=which, nonexistent="shift_forward")
        both.append(pd.DatetimeIndex(strict.where(~midnight, moved)))
    return both[0], both[1]


def _clock(index: pd.DatetimeIndex) -> np.ndarray:
    """Microseconds after midnight, as the clocks of the zone show them."""
    return _micros(index.tz_localize(None).to_numpy()) % (86_400 * 10**6)


@lru_cache(maxsize=1)
def _all_zones() -> tuple[str, ...]:
    return tuple(sorted(name for name in zoneinfo.available_timezones() if "/" in name))


def _micros(times: np.ndarray) -> np.ndarray:
    return times.astype("datetime64[us]").astype(np.int64)
