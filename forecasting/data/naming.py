"""The columns of a forecast, called as in the file that was read."""

import pandas as pd

from .series import SeriesData

TARGET = "target"
"""What the column that names the forecast column is called, where ids have columns of their own."""


def own_names(forecast: pd.DataFrame, data: SeriesData) -> pd.DataFrame:
    """Give a forecast the identifier columns and the time column of the table that its series came from.

    A name that another column of the forecast has ("mean", "0.1", "series", with several channels "target") is not
    taken: identifiers then stand together in `series`.

    Args:
        forecast: columns `series` and `time`, and others.
        data: the series that were forecast.

    Example:
        >>> from forecasting.data import from_frame
        >>> rows = {"shop": ["007", "008"], "day": ["2024-01-01"] * 2, "sold": [1.0, 2.0]}
        >>> from forecasting.data import FrameOptions
        >>> data = from_frame(pd.DataFrame(rows), FrameOptions(id="shop", freq="D"))
        >>> own_names(pd.DataFrame({"series": ["007"], "time": [1], "mean": [2.0]}), data).columns.tolist()
        ['shop', 'day', 'mean']
    """
    taken = set(forecast.columns) - {"series", "time"}
    named = forecast
    if len(data.time_columns) == 1 and data.time_columns[0] not in {*taken, *data.id_columns, "series", TARGET}:
        named = named.rename(columns={"time": data.time_columns[0]})
    several = len(data.channels) > 1
    used = {*taken, *named.columns, *([TARGET] if several else [])} - {"series"}
    if not data.id_columns or set(data.id_columns) & used or len(set(data.id_columns)) != len(data.id_columns):
        return named
    parts = {
        f"{item.name}/{channel}" if several else item.name: (*item.ids, channel)
        for item in data.items
        for channel in data.channels
    }
    rows = [parts[name] for name in named["series"]]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(data.id_columns)}
    if several:
        columns[TARGET] = [row[-1] for row in rows]
    return pd.concat([pd.DataFrame(columns, index=named.index), named.drop(columns="series")], axis=1)


def describe_renamed(named: pd.DataFrame, data: SeriesData) -> list[str]:
    """Say which columns of the data have another name in a forecast, as its own has theirs.

    Args:
        named: what `own_names` made of the forecast.
        data: the series that were forecast.

    Example:
        >>> from forecasting.data import FrameOptions, from_frame
        >>> rows = {"shop": ["a", "b"], "mean": ["2024-01-01"] * 2, "sold": [1.0, 2.0]}
        >>> data = from_frame(pd.DataFrame(rows), FrameOptions(id="shop", time="mean", freq="D"))
        >>> describe_renamed(own_names(pd.DataFrame({"series": ["a"], "time": [1], "mean": [2.0]}), data), data)
        ['mean of the data is called time in the forecast, whose own columns keep their names']
    """
    parts = {"series": data.id_columns, "time": data.time_columns if len(data.time_columns) == 1 else ()}
    return [
        f"{' and '.join(names)} of the data {'is' if len(names) == 1 else 'are'} called {own} in the forecast, whose "
        "own columns keep their names"
        for own, names in parts.items()
        if names and own not in names and own in named.columns
    ]


def series_names(data: SeriesData) -> list[list[str]]:
    """Return what a forecast calls the channels of each item: the column of wide data, the id of long data.

    Items with several channels each are called id/column.
    """
    if data.layout == "wide":
        return [list(data.channels)]
    if len(data.channels) == 1:
        return [[item.name] for item in data.items]
    return [[f"{item.name}/{channel}" for channel in data.channels] for item in data.items]
