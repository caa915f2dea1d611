"""Running a trained network: parameters, means and quantiles, on the scale of the network and of the data."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from titans_seq.errors import UserError

from ..data import SeriesData
from ..forecasts.forecaster import DEFAULT_LEVELS, Forecast, cut_at_zero
from ..forecasts.quantiles import level_name
from ..forecasts.tables import forecast_frame
from ..network.batch import WindowBatch
from ..network.outputs import Point, Quantiles
from ..network.simba_network import SimbaNetwork, build_network
from ..settings.config import ForecastConfig
from ..windows.arrays import ItemArrays
from ..windows.cutting import Windows
from ..windows.preparation import Scaling, calendar_width, prepare
from ..windows.scaling import Scaler


@dataclass(frozen=True, eq=False)
class Trained:
    """A trained network with what it takes to feed it.

    Attributes:
        config: the settings it was trained with.
        network: in evaluation mode.
        scaling: of the numbers it has learnt on.
        until: for each series, by `series_key`, the number (see `step_number`) of the last step that it was
            trained or validated on.
    """

    config: ForecastConfig
    network: SimbaNetwork
    scaling: Scaling
    until: dict[str, int]

    def prepare(self, data: SeriesData, scalers: Sequence[Scaler]) -> list[ItemArrays]:
        """Return the items of `data`, scaled, with the calendar where the model has one."""
        return prepare(data, self.scaling, scalers, self.config.calendar, self.config.horizon)


def new_network(data: SeriesData, config: ForecastConfig, static: int) -> SimbaNetwork:
    """Return the untrained network that a config and the widths of data ask for.

    Args:
        data: the series.
        config: all settings.
        static: numbers that the static columns make.

    Raises:
        UserError: if the config's parts do not fit together.
    """
    calendar = calendar_width(data) if config.calendar else 0
    try:
        return build_network(
            config.network,
            config.output,
            channels=len(data.channels),
            context=config.context,
            horizon=config.horizon,
            known=calendar + len(data.known_names),
            past=len(data.past_names),
            static=static,
            seed=config.seed,
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"the network cannot be built as configured: {error}") from error


def trained_levels(config: ForecastConfig) -> tuple[float, ...]:
    """Return the quantile levels a model gives unasked: those it was trained for, none for a point forecast.

    Example:
        >>> from forecasting.network.outputs import StudentT
        >>> [len(trained_levels(ForecastConfig(8, 4, output=output))) for output in (Point(), StudentT())]
        [0, 9]
    """
    match config.output:
        case Point():
            return ()
        case Quantiles(levels):
            return levels
        case _:
            return DEFAULT_LEVELS


def check_levels(config: ForecastConfig, levels: Sequence[float] | None) -> tuple[float, ...]:
    """Return the levels asked for, or those given unasked.

    Raises:
        UserError: for a level that the model cannot give.
    """
    if levels is None:
        return trained_levels(config)
    asked = tuple(sorted(set(levels)))
    low, high = 0.0, 1.0
    if isinstance(config.output, Point) and asked:
        raise UserError("the model forecasts a point, which has no quantiles: train with quantiles or student-t")
    if isinstance(config.output, Quantiles):
        low, high = config.output.levels[0], config.output.levels[-1]
        if any(not low <= level <= high for level in asked):
            raise UserError(
                f"quantile levels must lie between those trained for, {level_name(low)} and {level_name(high)}, got "
                f"{', '.join(map(level_name, asked))}: ask for others, or train with more levels"
            )
    if any(not 0 < level < 1 for level in asked):
        raise UserError(f"quantile levels must lie strictly between 0 and 1, got {list(asked)}")
    return asked


def run(trained: Trained, batch: WindowBatch, levels: Sequence[float]) -> tuple[Tensor, Tensor]:
    """Return mean [B, H, V] and quantiles [B, H, V, Q] of a batch, on its scale and the CPU.

    Raises:
        UserError: if the network gives numbers that are not finite.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = trained.network.to(device).eval()
    with torch.no_grad():
        parameters = network(batch.to(device))
        mean = network.output.mean(parameters)
        quantiles = network.output.quantiles(parameters, levels) if levels else mean.new_zeros(*mean.shape, 0)
    if not (torch.isfinite(mean).all() and torch.isfinite(quantiles).all()):
        raise UserError("the network gave a forecast that is not finite: look for extreme values in the data")
    return mean.cpu(), quantiles.cpu()


def channel_numbers(windows: Windows, scalers: Sequence[Scaler]) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of every item's channels, float64 [N, V] each, to be indexed by `windows.item`."""
    mean = torch.tensor([scaler.mean for scaler in scalers], dtype=torch.float64)
    std = torch.tensor([scaler.std for scaler in scalers], dtype=torch.float64)
    return mean.reshape(-1, windows.channels), std.reshape(-1, windows.channels)


def predict_windows(
    trained: Trained, windows: Windows, scalers: Sequence[Scaler], levels: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Forecast every window on the scale of the data.

    Returns:
        Mean, float64 [N, H, V], and quantiles, float64 [N, H, V, Q].
    """
    centre, spread = channel_numbers(windows, scalers)
    means, quantiles = [], []
    for index in torch.arange(len(windows)).split(trained.config.batch_size):
        mean, quantile = run(trained, windows.batch(index), levels)
        item = windows.item[index]
        scale, level = spread[item][:, None], centre[item][:, None]
        means.append(mean.double() * scale + level)
        quantiles.append(quantile.double() * scale[..., None] + level[..., None])
    return torch.cat(means).numpy(), torch.cat(quantiles).numpy()


def forecast_future(
    trained: Trained, data: SeriesData, levels: Sequence[float], non_negative: bool | None = None
) -> pd.DataFrame:
    """Forecast the horizon after the last row of every item.

    Args:
        trained: the network.
        data: the series, with the future rows of known covariates.
        levels: of the quantiles.
        non_negative: whether to cut forecasts off at 0; None does so for series of counts.

    Returns:
        Columns `series`, `time`, `mean` and one a level, in the order of the series.

    Raises:
        UserError: if known covariates end before the horizon.
    """
    horizon = trained.config.horizon
    scalers = trained.scaling.of(data, [item.length for item in data.items])
    recent = data.tail(trained.config.context)
    ends = [item.length for item in recent.items]
    windows = Windows(
        trained.prepare(recent, scalers),
        trained.config.context,
        horizon,
        first=ends,
        last=[end + 1 for end in ends],
    )
    mean, quantiles = predict_windows(trained, windows, scalers, levels)
    return forecast_frame(data, cut_at_zero(Forecast(mean, quantiles, tuple(levels)), data, non_negative))
