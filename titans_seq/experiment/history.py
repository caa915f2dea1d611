"""What a training came to, epoch by epoch or step by step: `log.jsonl` in its run folder."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.files import read_text, write_text
from titans_seq.jsonl import append_line

LOG = "log.jsonl"
"""Name of the log in a run folder."""

Row = Mapping[str, Any]
"""One line: `step`, and `epoch` (from 1) where there are epochs; numbers by name. What is not known is not there."""

_SHOWN = {
    "loss": "train loss",
    "validation_loss": "validation loss",
    "validation_mcc": "MCC",
    "validation_mse": "mse",
    "validation_mae": "mae",
    "perplexity": "perplexity",
    "bits_per_byte": "bits a byte",
}


@dataclass(frozen=True)
class History:
    """The rows of a training.

    Attributes:
        rows: in order.

    Example:
        >>> history = History(({"epoch": 1, "loss": 2.0, "best_epoch": 1}, {"epoch": 2, "loss": 1.0, "best_epoch": 2}))
        >>> history.best_epoch, history.best["loss"]
        (2, 1.0)
    """

    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path) -> "History":
        """Read a log; a last line that a killed process did not finish is left out, and a file that is absent is empty.

        Raises:
            UserError: naming file and line, if any other line is damaged.
        """
        lines = read_text(path).splitlines() if path.is_file() else []
        rows = []
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                if number < len(lines):
                    message = f"{path}, line {number}: damaged ({error}): restore the file or remove it"
                    raise UserError(message) from error
        return cls(tuple(rows))

    @property
    def epochs(self) -> tuple[Row, ...]:
        """The rows of whole epochs."""
        return tuple(row for row in self.rows if "epoch" in row)

    @property
    def validations(self) -> tuple[Row, ...]:
        """The rows that have a validation."""
        return tuple(row for row in self.rows if row.get("validation_loss") is not None)

    @property
    def last_step(self) -> int:
        """Number of the last step that a row is about; 0 without rows."""
        return max((row["step"] for row in self.rows), default=0)

    @property
    def best_epoch(self) -> int | None:
        """Number of the epoch whose weights are kept, from 1; None without epochs."""
        return self.epochs[-1]["best_epoch"] if self.epochs else None

    @property
    def best(self) -> Row:
        """The row of the weights that are kept: the best epoch's, or without epochs the last validation's.

        Without a validation it is the last row; without any row it is empty.
        """
        if self.epochs:
            return next(row for row in self.epochs if row["epoch"] == self.best_epoch)
        return (self.validations or self.rows or ({},))[-1]


def append(path: Path, row: Row) -> None:
    """Add a row to a log; a number that is not finite is left out.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     append(Path(folder, LOG), {"step": 10, "loss": 0.5, "gradient_norm": math.inf})
        ...     History.read(Path(folder, LOG)).rows
        ({'step': 10, 'loss': 0.5},)
    """
    append_line(path, _line(row))


def cut_after(path: Path, step: int) -> History:
    """Drop the rows after a step from a log, for a run that goes on from there; return what stays.

    Raises:
        UserError: if the log is damaged; see `History.read`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for step in (10, 20, 30):
        ...         append(Path(folder, LOG), {"step": step})
        ...     cut_after(Path(folder, LOG), 20).last_step
        20
    """
    kept = History(tuple(row for row in History.read(path).rows if row["step"] <= step))
    write_text(path, "".join(f"{_line(row)}\n" for row in kept.rows))
    return kept


def describe(row: Row, names: Iterable[str] = _SHOWN) -> str:
    """Write the main numbers of a row in words.

    Example:
        >>> describe({"epoch": 3, "loss": 0.5, "validation_mcc": 0.25})
        'train loss 0.5000, MCC 0.2500'
    """
    shown = (f"{_SHOWN[name]} {row[name]:.4f}" for name in names if row.get(name) is not None)
    rate = row.get("tokens_per_second")
    return ", ".join([*shown, *([] if rate is None else [f"{rate:,.0f} tokens/s"])])


def _line(row: Row) -> str:
    # JSON has no number that is not finite.
    known = {name: x for name, x in row.items() if not isinstance(x, float) or math.isfinite(x)}
    return json.dumps(known, allow_nan=False)
