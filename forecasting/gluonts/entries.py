"""GluonTS entries to the windows the network reads: the same code before training and before predicting."""

from typing import Any

import numpy as np
import pandas as pd
from gluonts.core.component import validated
from gluonts.dataset.common import DataEntry
from gluonts.time_feature import TimeFeature, norm_freq_str, time_features_from_frequency_str
from gluonts.transform import MapTransformation
from pandas.tseries.frequencies import to_offset

from titans_seq.errors import UserError

from ..data.frequency import settle_frequency
from ..data.gluonts_io import refuse_not_finite, rows_of
from ..windows.arrays import ItemArrays
from ..windows.cutting import Windows

ARRAYS = "arrays"
"""The field that `EntryToArrays` adds: an `ItemArrays`."""

WINDOW_FIELDS = ["past", "observed", "known", "phase"]
"""The fields that `LastWindow` adds: the inputs of `GluonTSNetwork`."""


def calendar(freq: str) -> list[TimeFeature]:
    """Return the calendar features of dates that step by `freq`: functions of a period index, in [-0.5, 0.5].

    Raises:
        UserError: if GluonTS does not know the frequency.

    Example:
        >>> len(calendar("M")), len(calendar("15min"))
        (1, 5)
    """
    alias = settle_frequency(freq, pd.DatetimeIndex([]))
    try:
        return time_features_from_frequency_str(alias)
    except RuntimeError as error:
        raise UserError(
            f"GluonTS has no calendar for freq={freq!r}: give s, min, h, D, B, W, M, Q or Y, with or without "
            "a number before it, or set time_features=False"
        ) from error


class EntryToArrays(MapTransformation):
    """Check a GluonTS entry and add its series and covariates as `ItemArrays` in the field `arrays`.

    The absolute number of a step is the ordinal of its period, so that the same date has the same number in
    all series.

    Args:
        freq: frequency of all entries, as pandas and GluonTS write it.
        prediction_length: rows that covariates must have beyond the target when predicting.
        target_dim: channels; 1 for targets `[T]`, more for targets `[target_dim, T]`.
        num_feat_dynamic_real: rows of `feat_dynamic_real`, known for the future; 0 if there are none.
        time_features: add calendar features to the known covariates.

    Raises:
        UserError: while transforming, if an entry does not fit; the message names it.

    Example:
        >>> transformation = EntryToArrays(freq="M", prediction_length=2)
        >>> entry = {"start": pd.Period("1970-03", "M"), "target": np.array([1.0, np.nan, 3.0])}
        >>> arrays = transformation.map_transform(entry, is_train=False)["arrays"]
        >>> arrays.values.shape, arrays.known.shape, arrays.start_step
        ((3, 1), (5, 1), 2)
    """

    @validated()
    def __init__(
        self,
        freq: str,
        prediction_length: int,
        target_dim: int = 1,
        num_feat_dynamic_real: int = 0,
        time_features: bool = True,
    ) -> None:
        self.freq = freq
        self.prediction_length = prediction_length
        self.target_dim = target_dim
        self.num_feat_dynamic_real = num_feat_dynamic_real
        self.calendar = calendar(freq) if time_features else []
        self._step = _step(to_offset(settle_frequency(freq, pd.DatetimeIndex([]))))

    def map_transform(self, data: DataEntry, is_train: bool) -> DataEntry:
        """Add the arrays; while training the covariates end with the target."""
        name = f"series {data.get('item_id', 'without item_id')}"
        lacking = [field for field in ("start", "target") if data.get(field) is None]
        if lacking:
            raise UserError(f"{name}: it has no {lacking[0]}, only {sorted(data)}: add it, or leave the entry out")
        start = data["start"]
        if not isinstance(start, pd.Period) or _step(start.freq) != self._step:
            given = start.freqstr if isinstance(start, pd.Period) else f"{start!r}, which is no pandas Period"
            raise UserError(
                f"{name}: its start steps by {given}, the estimator by {self.freq}: give the estimator the "
                "freq of the data, or convert the data"
            )
        values = self._values(data["target"], name)
        rows = len(values) + (0 if is_train else self.prediction_length)
        known = [*self._calendar(start, rows), *self._covariates(data, name, rows)]
        data[ARRAYS] = ItemArrays(
            values=values,
            known=np.array(known, dtype=np.float32).reshape(len(known), rows).T,
            start_step=start.ordinal // start.freq.n,
            name=name,
        )
        return data

    def _values(self, target: Any, name: str) -> np.ndarray:
        rows, dimensions = rows_of(target, "target", name), np.ndim(target)
        expected = 1 if self.target_dim == 1 else 2
        if dimensions != expected or rows.shape[1] != self.target_dim:
            shape = "[T]" if expected == 1 else f"[{self.target_dim}, T]"
            raise UserError(
                f"{name}: expected a target {shape} for target_dim={self.target_dim}, got shape "
                f"{np.shape(target)}: set target_dim to the number of channels, or make each channel a series"
            )
        if not len(rows):
            raise UserError(f"{name}: its target is empty: leave the series out")
        return rows.astype(np.float32)

    def _calendar(self, start: pd.Period, rows: int) -> list[np.ndarray]:
        index = pd.period_range(start, periods=rows, freq=start.freq)
        return [np.asarray(feature(index)) for feature in self.calendar]

    def _covariates(self, data: DataEntry, name: str, rows: int) -> list[np.ndarray]:
        if not self.num_feat_dynamic_real:
            return []
        if data.get("feat_dynamic_real") is None:
            raise UserError(
                f"{name}: it has no feat_dynamic_real, expected {self.num_feat_dynamic_real} rows of it: add "
                "them, or set num_feat_dynamic_real=0"
            )
        features = rows_of(data["feat_dynamic_real"], "feat_dynamic_real", name)
        if features.shape[1] != self.num_feat_dynamic_real or len(features) < rows:
            raise UserError(
                f"{name}: expected a feat_dynamic_real of [{self.num_feat_dynamic_real}, {rows} or more], "
                f"got {list(features.T.shape)}: known covariates cover the target and, to predict, "
                f"{self.prediction_length} steps after it"
            )
        refuse_not_finite(features[:rows], "feat_dynamic_real", name)
        return list(features[:rows].T)


class LastWindow(MapTransformation):
    """Cut the window that ends with the series, left-padded if the series is short, to forecast what follows.

    Args:
        context_length: steps the network reads.
        prediction_length: steps it forecasts.

    Raises:
        UserError: while transforming, if a channel has no observed value in the window.

    Example:
        >>> entry = {"start": pd.Period("1970-03", "M"), "target": np.array([1.0, 2.0])}
        >>> entry = EntryToArrays(freq="M", prediction_length=2).map_transform(entry, is_train=False)
        >>> window = LastWindow(context_length=3, prediction_length=2).map_transform(entry, is_train=False)
        >>> window["past"].ravel().tolist(), window["observed"].ravel().tolist(), window["forecast_start"]
        ([0.0, 1.0, 2.0], [False, True, True], Period('1970-05', 'M'))
    """

    @validated()
    def __init__(self, context_length: int, prediction_length: int) -> None:
        self.context_length = context_length
        self.prediction_length = prediction_length

    def map_transform(self, data: DataEntry, is_train: bool) -> DataEntry:
        """Add the window's fields and `forecast_start`."""
        arrays: ItemArrays = data[ARRAYS]
        rows = len(arrays.values)
        windows = Windows([arrays], self.context_length, self.prediction_length, first=rows, last=rows + 1)
        window = windows.batch([0])
        silent = (~window.observed[0].any(dim=0)).nonzero().flatten().tolist()
        if silent:
            channel = f" of channel {silent[0]}" if arrays.values.shape[1] > 1 else ""
            raise UserError(
                f"{arrays.name}: all of the last {self.context_length} values{channel} are missing, so there "
                "is nothing to forecast from: leave the series out, fill it, or take a longer context_length"
            )
        for field in WINDOW_FIELDS:
            data[field] = np.asarray(getattr(window, field)[0])
        data["forecast_start"] = data["start"] + rows
        return data


def _step(offset: pd.offsets.BaseOffset) -> tuple[int, str]:
    """Number and name of a step, the same for dates at the start and at the end of a period."""
    return offset.n, norm_freq_str(offset.name)
