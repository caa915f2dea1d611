"""The ends of series: rows without a value, which are the future; columns that died; series that end early."""

from dataclasses import replace

import numpy as np
import pandas as pd

from .assembling import SeriesRows
from .columns import Roles
from .series import Item
from .wording import counted, enumerate_some, show_time


def future_rows(rows: SeriesRows, roles: Roles) -> tuple[SeriesRows, list[str]]:
    """Leave out the rows after the last time at which any series has a value: they are what is to be forecast.

    Rows with known covariates are kept, as these are known there.

    Returns:
        The rows, and a note that says when the forecast begins.
    """
    if roles.known or not roles.time:
        return rows, []
    filled = ~np.isnan(rows.numbers[:, : len(roles.targets)]).all(axis=1)
    if filled.all() or not filled.any():
        return rows, []
    last = rows.index[filled].max()
    kept = np.asarray(rows.index <= last)
    if kept.all():
        return rows, []
    series = np.repeat(np.arange(len(rows.names)), np.diff(rows.ends))[kept]
    ends = np.searchsorted(series, np.arange(len(rows.names) + 1))
    if (np.diff(ends) == 0).any():
        return rows, []
    gone = int((~kept).sum())
    first = show_time(rows.index[~kept].min())
    note = (
        f"{counted(gone, 'row')} at the end {'has' if gone == 1 else 'have'} no value: the future, to be forecast from "
        f"{first} on"
    )
    return replace(
        rows,
        index=rows.index[kept],
        numbers=rows.numbers[kept],
        positions=rows.positions[kept],
        ends=ends,
        left_out=np.diff(rows.ends) - np.diff(ends),
    ), [note]


def describe_ends(items: tuple[Item, ...], roles: Roles) -> list[str]:
    """Notes on missing and single values, series that end before others, and known covariates that reach further."""
    notes = [*_on_missing(items, roles), *_on_single(items, roles), *_on_early(items)]
    ahead = max(item.future_rows for item in items)
    if ahead and roles.known:
        notes.append(f"known covariates reach {counted(ahead, 'step')} past the last value")
    return notes


def _called(item: Item, channel: int, roles: Roles) -> str:
    """What a note calls a channel of an item."""
    return roles.targets[channel] if len(roles.targets) > 1 and not roles.id else item.name


def _on_missing(items: tuple[Item, ...], roles: Roles) -> list[str]:
    missing = 0
    ended: list[tuple[str, int, object]] = []
    for item in items:
        gaps = np.isnan(item.values)
        missing += int(gaps.sum())
        for at in np.flatnonzero(gaps[-1]):
            run = int(np.argmin(gaps[::-1, at])) or len(gaps)
            ended.append((_called(item, int(at), roles), run, item.index[-run]))
    notes = [f"{counted(missing, 'value')} missing, to be masked"] if missing else []
    if ended:
        ended.sort(key=lambda one: -one[1])
        shown = enumerate_some(
            [f"{name!r} since {show_time(since)} ({counted(run, 'step')})" for name, run, since in ended], 4
        )
        others = "; a column known ahead is named with --known" if len(roles.targets) > 1 else ""
        notes.append(
            f"no value at the end, where others have one: {shown}. Their forecasts follow the last step all the same, "
            f"from older values{others}"
        )
    return notes


def _on_single(items: tuple[Item, ...], roles: Roles) -> list[str]:
    single = [
        _called(item, at, roles)
        for item in items
        for at, count in enumerate(np.isfinite(item.values).sum(0))
        if count == 1
    ]
    if not single:
        return []
    return [
        f"{counted(len(single), 'series')} with a single value, which does not show by how much it changes "
        f"({enumerate_some([repr(name) for name in single], 4)}): forecasts repeat it, with intervals of no width"
    ]


def _on_early(items: tuple[Item, ...]) -> list[str]:
    lasts = [item.index[-1] for item in items]
    latest = max(lasts)
    early = [last for last in lasts if last != latest]
    if not early or not isinstance(items[0].index, pd.DatetimeIndex):
        return []
    return [
        f"{counted(len(early), 'series')} of {len(items)} end before {show_time(latest)} (the first "
        f"{show_time(min(early))}): each forecast follows its own end"
    ]
