"""What will be forecast, in a few lines: for a user to see before a model is trained on it."""

from .calendars import MonthDays, Months, Ticks, Weekly, YearDays, calendar_of
from .covariates import calendar_features
from .frequency import period_of
from .series import SeriesData
from .steps import season_length
from .wording import counted, enumerate_some, show_time

_PERIODS = {
    "Y": ("year", "yearly"),
    "Q": ("quarter", "quarterly"),
    "M": ("month", "monthly"),
    "W": ("week", "weekly"),
    "B": ("day", "on some days of the week"),
    "D": ("day", "daily"),
    "h": ("hour", "hourly"),
    "min": ("minute", "by the minute"),
    "s": ("second", "by the second"),
}


def describe_series(data: SeriesData, calendar: bool = True) -> tuple[str, ...]:
    """Describe targets, ids, times, zone, frequency, season, covariates, static and unused columns, line by line.

    Args:
        data: the series.
        calendar: whether the model gets features of the calendar.

    Example:
        >>> import pandas as pd
        >>> from forecasting.data import from_frame
        >>> days = pd.date_range("2024-01-01", periods=9, freq="D").astype(str)
        >>> data = from_frame(pd.DataFrame({"day": days, "sold": range(9)}))
        >>> for line in describe_series(data):
        ...     print(line)
        targets      sold
        identifiers  none: one series
        times        day, 2024-01-01 to 2024-01-09
        time zone    none: clock times as the file has them
        frequency    D (daily)
        season       7 steps
        covariates   known ahead: the calendar (day_of_week, day_of_month, day_of_year)
        static       none
        not used     none
    """
    rows = {
        "targets": enumerate_some(data.channels),
        "identifiers": _identifiers(data),
        "times": _times(data),
        "time zone": _zone(data),
        "frequency": "none: steps without dates" if data.freq is None else f"{data.freq} ({_spoken(data.freq)})",
        "season": _season(data.freq),
        "covariates": _covariates(data, calendar),
        "static": _static(data),
        "not used": enumerate_some(data.unused) if data.unused else "none",
    }
    return tuple(f"{name:<12} {value}" for name, value in rows.items())


def _identifiers(data: SeriesData) -> str:
    if data.layout == "wide":
        return "none: one series" if len(data.channels) == 1 else "none: a series in each column"
    named = enumerate_some(data.id_columns) if data.id_columns else "names in the file"
    return f"{named}: {counted(len(data.items), 'series')} ({enumerate_some([item.name for item in data.items], 3)})"


def _times(data: SeriesData) -> str:
    first = min(item.index[0] for item in data.items)
    last = max(item.index[-1] for item in data.items)
    named = " and ".join(data.time_columns) or ("the rows" if data.freq is None else "a start and steps")
    return f"{named}, {show_time(first)} to {show_time(last)}"


def _zone(data: SeriesData) -> str:
    if data.freq is None:
        return "none"
    return data.zone or "none: clock times as the file has them"


def _spoken(freq: str) -> str:
    calendar = calendar_of(freq)
    match calendar:
        case Ticks(size) if calendar_of(period_of(freq)).size != size:
            return f"every {size // calendar_of(period_of(freq)).size} {_PERIODS[period_of(freq)][0]}s"
        case Months(size, day, None, False) if day not in (1, 31):
            return f"day {day} of each month" if size == 1 else f"day {day} of every {size} months"
        case MonthDays(_, days):
            return f"days {enumerate_some([str(day) for day in days])} of each month"
        case Weekly(_, slots, name):
            return "business days" if name == "B" else f"{counted(len(slots), 'step')} a week"
        case YearDays(_, days):
            return f"every {days} days from 1 January"
        case _:
            return _PERIODS[period_of(freq)][1]


def _season(freq: str | None) -> str:
    season = season_length(freq)
    return "none" if season == 1 else counted(season, "step")


def _static(data: SeriesData) -> str:
    parts = []
    for at, name in enumerate(data.static_names):
        labels = {item.static[at] for item in data.items if isinstance(item.static[at], str)}
        parts.append(f"{name} ({counted(len(labels), 'label') if labels else 'a number'})")
    return enumerate_some(parts) or "none"


def _covariates(data: SeriesData, calendar: bool) -> str:
    parts = []
    names = calendar_features(data.items[0].tail(1).index, data.freq)[1] if calendar else ()
    ahead = [*data.known_names, *([f"the calendar ({', '.join(names)})"] if names else [])]
    if ahead:
        parts.append(f"known ahead: {enumerate_some(ahead)}")
    if data.past_names:
        parts.append(f"known up to now: {enumerate_some(data.past_names)}")
    return "; ".join(parts) or "none"
