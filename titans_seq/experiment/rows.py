"""Rows of results, one JSON object a line: found again, so that what has a row need not run twice."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from titans_seq.experiment.provenance import checkout_commit, machine, now, versions_of
from titans_seq.jsonl import append_row, read_rows

Row = Mapping[str, Any]


def agrees(then: Any, now: Any) -> bool:
    """Say whether all that a stored value says holds now; today's may have fields that came later.

    Example:
        >>> agrees({"lr": 1e-3}, {"lr": 1e-3, "schedule": "cosine"}), agrees({"lr": 1e-3}, {"lr": 2e-3})
        (True, False)
    """
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        return all(name in now and agrees(value, now[name]) for name, value in then.items())
    if isinstance(then, (list, tuple)) and isinstance(now, (list, tuple)):
        return len(then) == len(now) and all(map(agrees, then, now))
    return then == now


def find_row(rows: Iterable[Row], identity: Row) -> Row | None:
    """Return the last row of the same run, or None.

    Args:
        rows: as read.
        identity: the values that tell runs apart, as they come back from JSON; a row lacks none of them.

    Example:
        >>> find_row([{"seed": 0, "score": 0.5}, {"seed": 1, "score": 0.7}], {"seed": 1})
        {'seed': 1, 'score': 0.7}
    """
    found = None
    for row in rows:
        if all(name in row and agrees(row[name], value) for name, value in identity.items()):
            found = row
    return found


def row_of(path: Path, identity: Row, measure: Callable[[], Mapping[str, Any]]) -> Row:
    """Return the row of a run, and measure and add it if it has none.

    Args:
        path: JSON Lines; made if need be.
        identity: see `find_row`.
        measure: returns the rest of the row.

    Raises:
        UserError: if the file holds something else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = Path(folder, "rows.jsonl")
        ...     first = row_of(rows, {"seed": 0}, lambda: {"score": 0.5})
        ...     row_of(rows, {"seed": 0}, lambda: {"score": 0.7})["score"]
        0.5
    """
    found = find_row(read_rows(path), identity)
    if found is None:
        found = {**identity, **measure()}
        append_row(path, found)
    return found


def made_by(packages: Iterable[str], *folders: str) -> dict[str, Any]:
    """Return what a row says of how it came about: machine, versions, commit and time.

    Args:
        packages: distributions whose versions matter.
        folders: the checkout's folders whose changes matter.

    Example:
        >>> list(made_by(["torch"]))
        ['machine', 'versions', 'commit', 'date']
    """
    return {
        "machine": machine(),
        "versions": versions_of(*packages),
        "commit": checkout_commit(*folders),
        "date": now(),
    }
