"""Results as lines of JSON in one file: added whole, found again, so that what is there need not be run twice."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError

ROWS = "trials.jsonl"

# What makes two rows the same run; all else is its outcome.
IDENTITY = ("kind", "task", "model", "seed", "lr", "settings", "test_lengths")


def append_row(path: Path | str, row: Mapping[str, Any]) -> None:
    """Add one line of JSON to a file, whole or not at all; several processes may share the file.

    Raises:
        OSError: if it cannot be written; the file is then as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     append_row(f"{folder}/rows.jsonl", {"seed": 0})
        ...     read_rows(f"{folder}/rows.jsonl")
        [{'seed': 0}]
    """
    line = (json.dumps(row, allow_nan=False) + "\n").encode()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        # One call to the system keeps the lines of concurrent writers apart.
        if os.write(descriptor, line) != len(line):
            os.ftruncate(descriptor, size)
            raise OSError(f"could not write a whole row to {path}: is the disk full?")
    finally:
        os.close(descriptor)


def read_rows(path: Path | str) -> list[dict[str, Any]]:
    """Read the rows of a file; none if there is no file.

    Raises:
        UserError: if a line is not a row of a trial; the message names it.
    """
    source = Path(path)
    if not source.exists():
        return []
    rows = []
    for number, line in enumerate(source.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{source}, line {number}: not JSON ({error}): mend or delete the line") from error
        if not isinstance(row, dict):
            raise UserError(f"{source}, line {number}: not a JSON object: mend or delete the line")
        rows.append(row)
    return rows


def trial_rows(path: Path | str) -> list[dict[str, Any]]:
    """Read a file of trials; see `read_rows`.

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
