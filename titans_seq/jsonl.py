"""Results as lines of JSON in one file: added whole, and found again."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.files import naming
from titans_seq.locks import wait_for


def append_row(path: Path | str, row: Mapping[str, Any]) -> None:
    """Add one line of JSON to a file, whole or not at all; several processes may share the file.

    Where the last line has no end, as some editors leave it, it gets one. One that is not whole, as a process that was
    killed while it wrote leaves it, is removed, and standard error says so.

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
        # A line that another process is writing must not look like one that it never finished.
        wait_for(descriptor)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            last = os.pread(descriptor, size, 0).rpartition(b"\n")[2]
            if _is_torn(last):
                size -= len(last)
                os.ftruncate(descriptor, size)
                begins = last[:40].decode(errors="replace")
                print(f"note: {path}: the last line was not whole and is removed: {begins}...", file=sys.stderr)
            else:
                line = b"\n" + line
        with naming(path):
            written = os.write(descriptor, line)
        if written != len(line):
            os.ftruncate(descriptor, size)
            raise OSError(f"could not write a whole row to {path}: is the disk full?")
    finally:
        os.close(descriptor)


def read_rows(path: Path | str) -> list[dict[str, Any]]:
    """Read the rows of such a file; none if there is no file.

    A last line that a killed process did not finish is left out.

    Raises:
        UserError: if a line is not a JSON object; the message names it.
    """
    source = Path(path)
    if not source.exists():
        return []
    text = source.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    if lines and not text.endswith("\n") and _is_torn(lines[-1]):
        lines.pop()
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{source}, line {number}: not JSON ({error}): mend or delete the line") from error
        if not isinstance(row, dict):
            raise UserError(f"{source}, line {number}: not a JSON object: mend or delete the line")
        rows.append(row)
    return rows


def _is_torn(line: bytes | str) -> bool:
    """Whether a line without an end is the beginning of a row, and no more."""
    if line[:1] not in ("{", b"{"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return True
    return False
