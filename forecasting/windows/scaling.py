"""Standardisation of channels, fitted on training rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from titans_seq.errors import UserError


@dataclass(frozen=True)
class Scaler:
    """Mean and population standard deviation of every channel.

    Args:
        mean: V numbers.
        std: V positive numbers.

    Raises:
        ValueError: different lengths, a number that is not finite, or a deviation that is not positive.

    Example:
        >>> scaler = Scaler.fit(np.array([[1.0, 5.0], [3.0, 5.0], [np.nan, 5.0]]))
        >>> scaler
        Scaler(mean=(2.0, 5.0), std=(1.0, 1.0))
        >>> scaler.transform(np.array([[4.0, 6.0]])).tolist()
        [[2.0, 1.0]]
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std):
            raise ValueError(f"mean has {len(self.mean)} channels, std has {len(self.std)}")
        if not (np.isfinite(self.mean).all() and np.isfinite(self.std).all() and min(self.std, default=1.0) > 0):
            raise ValueError(f"mean must be finite and std finite and positive, got {self.mean} and {self.std}")

    @classmethod
    def fit(cls, values: np.ndarray, channels: Sequence[str] = ()) -> "Scaler":
        """Fit on the rows given, missing values left out; a constant channel gets the deviation 1.

        Args:
            values: [T, V], NaN where missing.
            channels: names for error messages.

        Raises:
            UserError: a channel has no observed value.
        """
        empty = np.isnan(values).all(axis=0)
        if empty.any():
            column = int(np.argmax(empty))
            name = repr(channels[column]) if channels else f"number {column + 1}"
            raise UserError(
                f"channel {name} has no observed value in the {len(values)} training rows; "
                "drop the channel or train on a span that has values"
            )
        wide = values.astype(np.float64)
        # Rounding gives a constant channel a deviation near 1e-17, so constancy is tested on the values.
        constant = np.nanmin(wide, axis=0) == np.nanmax(wide, axis=0)
        # In units near the largest value, so that no sum and no square leaves the range of numbers; powers of two, so
        # that nothing is rounded.
        unit = np.ldexp(1.0, np.frexp(np.nanmax(np.abs(wide), axis=0))[1])
        mean = np.where(constant, np.nanmin(wide, axis=0), np.nanmean(wide / unit, axis=0) * unit)
        std = np.where(constant, 1.0, np.nanstd(wide / unit, axis=0) * unit)
        # A spread too small for a number is none.
        std = np.where(std > 0, std, 1.0)
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Standardise `values` [..., V] (float64; NaN stays NaN).

        Raises:
            ValueError: if the last axis is not V long.
        """
        if values.shape[-1] != len(self.mean):
            raise ValueError(f"the scaler has {len(self.mean)} channels, the last axis of {values.shape} has not")
        return (values - np.array(self.mean)) / np.array(self.std)

    def to_dict(self) -> dict[str, list[float]]:
        """Return plain lists, for JSON."""
        return {"mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_dict(cls, numbers: dict[str, list[float]]) -> "Scaler":
        """Return the scaler that `to_dict` described (arrays serve as well as lists)."""
        mean, std = ([float(x) for x in numbers[key]] for key in ("mean", "std"))
        return cls(tuple(mean), tuple(std))
