"""Results as lines of JSON in one file: added whole, and found again."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.files import naming


def append_row(path: Path | str, row: Mapping[str, Any]) -> None:
    """Add one line of JSON to a file, whole or not at all; several processes may share the file.

    Where the last line has no end, as some editors leave it, it gets one.

    Raises:
        OSError: if it cannot be written; the file is then as it was.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     append_row(f"{folder}/rows.jsonl", {"seed": 0})
        ...     append_row(f"{folder}/rows.jsonl", {"seed": 1})
        ...     read_rows(f"{folder}/rows.jsonl")
        [{'seed': 0}, {'seed': 1}]
    """
    append_line(path, json.dumps(row, allow_nan=False))


def append_line(path: Path | str, text: str) -> None:
    """Add one line of text (UTF-8) to a file; see `append_row`."""
    line = (text + "\n").encode()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        # One call to the system keeps the lines of concurrent writers apart.
        with naming(path):
            written = os.write(descriptor, line)
        if written != len(line):
            os.ftruncate(descriptor, size)
            raise OSError(f"could not write a whole row to {path}: is the disk full?")
    finally:
        os.close(descriptor)


def read_rows(path: Path | str) -> list[dict[str, Any]]:
    """Read the rows of such a file; none if there is no file.

    Raises:
        UserError: if a line is not a JSON object; the message names it.
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
