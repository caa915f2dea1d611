"""The arrays of one item, as windows are cut from them."""

from dataclasses import dataclass, field

import numpy as np

from titans_seq.errors import UserError


def _no_columns() -> np.ndarray:
    return np.zeros((0, 0), dtype=np.float32)


def _no_numbers() -> np.ndarray:
    return np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class ItemArrays:
    """The arrays of one item: one series, or the aligned channels of a wide file.

    Args:
        values: [T, V], NaN where missing, already scaled.
        known: [T + E, F], E >= 0 further rows known beyond the end; without columns when there are none.
        past: [T, P]; without columns when there are none.
        start_step: absolute step number of row 0.
        name: used in error messages.
        static: [S], what holds for the whole series.

    Raises:
        UserError: a value is infinite, or a covariate is missing or infinite.
        ValueError: the arrays are not two-dimensional or their lengths do not fit together.

    Example:
        >>> ItemArrays(np.array([[1.0], [np.nan], [3.0]]), name="sales").start_step
        0
    """

    values: np.ndarray
    known: np.ndarray = field(default_factory=_no_columns)
    past: np.ndarray = field(default_factory=_no_columns)
    start_step: int = 0
    name: str = "series"
    static: np.ndarray = field(default_factory=_no_numbers)

    def __post_init__(self) -> None:
        for label, array in (("values", self.values), ("known", self.known), ("past", self.past)):
            if array.ndim != 2:
                raise ValueError(f"{label} of {self.name!r} must be [rows, columns], got shape {array.shape}")
        rows = len(self.values)
        if self.known.shape[1] and len(self.known) < rows:
            raise ValueError(f"known of {self.name!r} has {len(self.known)} rows, values has {rows}")
        if self.past.shape[1] and len(self.past) != rows:
            raise ValueError(f"past of {self.name!r} has {len(self.past)} rows, values has {rows}")
        _refuse(self.name, "value", np.isinf(self.values), "is infinite; correct it, or leave it empty (missing)")
        for label, array in (("known covariate", self.known), ("past covariate", self.past)):
            _refuse(self.name, label, ~np.isfinite(array), "is missing or infinite; fill it or drop the column")


def _refuse(name: str, label: str, bad: np.ndarray, message: str) -> None:
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise UserError(f"{name}: {label} in column {column + 1}, data row {row + 1} (counted from 1) {message}")
