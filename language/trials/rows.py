"""Read the rows of trials from a file of JSON lines."""

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

    Example:
        >>> trial_rows("no-such-run/trials.jsonl")
        Traceback (most recent call last):
        titans_seq.errors.UserError: no-such-run/trials.jsonl: no results there yet: run a trial first
    """
    rows = read_rows(path)
    if not rows:
        raise UserError(f"{path}: no results there yet: run a trial first")
    for number, row in enumerate(rows, start=1):
        if missing := [name for name in IDENTITY if name not in row]:
            raise UserError(f"{path}, line {number}: not the row of a trial, which has {', '.join(missing)}: delete it")
    return rows
