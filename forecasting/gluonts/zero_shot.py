"""`ZeroShotPredictor`: the pretrained forecaster as a GluonTS predictor, which needs no training."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from gluonts.core.component import validated
from gluonts.dataset.common import Dataset
from gluonts.model.forecast import QuantileForecast
from gluonts.model.predictor import RepresentablePredictor

from titans_seq.errors import UserError
from titans_seq.experiment.beginning import model_folder

from ..data.gluonts_io import from_gluonts
from ..data.series import Item
from ..data.wording import counted
from ..forecasts.forecaster import cut_at_zero
from ..zero_shot.forecaster import ZeroShotForecaster
from ..zero_shot.saving import load_network


class ZeroShotPredictor(RepresentablePredictor):
    """Forecast the entries of a GluonTS dataset at once.

    Missing values (NaN) are left open. `feat_dynamic_real`, which reaches over the steps to forecast, and
    `past_feat_dynamic_real` of one horizon before enter by a ridge regression on the past; other features are not used.
    Forecasts of counts (whole numbers of at least 0) are cut off at 0. It is saved and loaded as any predictor of
    GluonTS.

    Args:
        prediction_length: steps to forecast, at least 1.
        weights: run or model folder of `titans forecast pretrain`; None for the weights that come with the package.
        batch_size: entries that are read and forecast together, at least 1.

    Raises:
        UserError: if an argument is out of range, or, while predicting, an entry is refused.

    Example:
        >>> import pandas as pd
        >>> entry = {"start": pd.Period("2020-01", "M"), "target": np.arange(36.0), "item_id": "a"}
        >>> forecast = next(ZeroShotPredictor(prediction_length=12).predict([entry]))
        >>> forecast.start_date, forecast.quantile(0.9).shape, forecast.item_id
        (Period('2023-01', 'M'), (12,), 'a')
    """

    @validated()
    def __init__(self, prediction_length: int, weights: str | None = None, batch_size: int = 1024) -> None:
        for name, value in (("prediction_length", prediction_length), ("batch_size", batch_size)):
            if value < 1:
                raise UserError(f"{name} must be at least 1, got {value}")
        super().__init__(prediction_length=prediction_length)
        self.weights = weights
        self.batch_size = batch_size

    @cached_property
    def _forecaster(self) -> ZeroShotForecaster:
        if self.weights is None:
            return ZeroShotForecaster.shipped()
        return ZeroShotForecaster(load_network(model_folder(Path(self.weights))))

    def predict(self, dataset: Dataset, **_: Any) -> Iterator[QuantileForecast]:
        """Forecast every entry, in order.

        Args:
            dataset: entries with `start` and `target` (`[T]`, or `[V, T]` for several channels).

        Yields:
            Quantiles 0.1 to 0.9 and the mean.
        """
        left, count = iter(dataset), 0
        while entries := list(islice(left, self.batch_size)):
            names = _names(entries, count)
            data = from_gluonts(
                [{**entry, "item_id": name} for entry, name in zip(entries, names, strict=True)], first=count
            )
            for item in data.items if data.known_names else ():
                self._check_future(item)
            count += len(entries)
            forecast = cut_at_zero(self._forecaster.forecast(data, self.prediction_length), data)
            keys = ["mean", *map(str, forecast.levels)]
            arrays = np.concatenate((forecast.mean[:, None], np.moveaxis(forecast.quantiles, -1, 1)), 1)
            for entry, array in zip(entries, arrays, strict=True):
                yield QuantileForecast(
                    array[..., 0] if np.ndim(entry["target"]) == 1 else array,
                    start_date=entry["start"] + np.shape(entry["target"])[-1],
                    forecast_keys=keys,
                    item_id=entry.get("item_id"),
                    info=entry.get("info"),
                )

    def _check_future(self, item: Item) -> None:
        if item.future_rows < self.prediction_length:
            raise UserError(
                f"{item.name}: its feat_dynamic_real ends {counted(item.future_rows, 'step')} after its target, and "
                f"{self.prediction_length} are to be forecast: give it for those too, or shorten prediction_length"
            )


def _names(entries: Sequence[Mapping[str, Any]], first: int) -> list[str]:
    """What messages call the entries: their item_id, with their number where others share it or there is none."""
    ids = [entry.get("item_id") for entry in entries]
    seen = Counter(map(str, ids))
    return [
        f"entry {number}" if own is None else str(own) if seen[str(own)] == 1 else f"{own} (entry {number})"
        for number, own in enumerate(ids, first)
    ]
