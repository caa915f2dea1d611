"""The rows of trials in a file of JSON lines, found again so that what is there need not be run twice."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.jsonl import read_rows

ROWS = "trials.jsonl"

# What makes two rows the same run; all else is its outcome.
IDENTITY = ("kind", "task", "model", "seed", "lr", "settings", "test_lengths")


def trial_rows(path: Path | str) -> list[dict[str, Any]]:
    """Read a file of trials; see `titans_seq.jsonl.read_rows`.

    Raises:
        UserError: if there is none, or a row lacks what a trial's has.
    """
    rows = read_rows(path)
    if not rows:
        raise UserError(f"{path}: no results there yet: run a trial first")
    for number, row in enumerate(rows, start=1):
        if missing := [name for name in IDENTITY if name not in row]:
            raise UserError(f"{path}, line {number}: not the row of a trial, which has {', '.join(missing)}: delete it")
    return rows


def find_row(rows: Iterable[Mapping[str, Any]], identity: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the last row of the same run, or None.

    Args:
        rows: as read.
        identity: the values of `IDENTITY`, as they come back from JSON.
    """
    found = None
    for row in rows:
        if all(name in row and row[name] == identity[name] for name in IDENTITY):
            found = row
    return found
