"""Columns of pandas: the one of a name, and values of any kind as numbers."""

from typing import Any, cast

import numpy as np
import pandas as pd


def column_of(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return the column called `name`, of which there is one; pandas leaves open whether there are several."""
    return cast(pd.Series, frame[name])


def as_numbers(values: Any) -> np.ndarray:
    """Read values of any kind as float64, NaN for what is no number.

    Example:
        >>> as_numbers(["1e3", "x", 2]).tolist()
        [1000.0, nan, 2.0]
    """
    numbers: Any = pd.to_numeric(pd.Series(values), errors="coerce")
    return numbers.to_numpy(dtype=np.float64, na_value=np.nan)
