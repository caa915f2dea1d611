"""A forecaster before series, for `titans inspect`: a trained run, a fine-tuned one, or the pretrained weights."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from titans_seq.errors import UserError, choose
from titans_seq.experiment.record import read_config
from titans_seq.inspection.opened import Opened, Request
from titans_seq.models.saving import MODEL

from .data import FrameOptions, SeriesData, load_series
from .data.matching import read_like
from .data.naming import series_names
from .network.mixers import Reversed
from .network.tokens import PatchTokens, VariateTokens
from .runs.config import RunConfig
from .runs.fine_tuned import FineTuningRun, is_fine_tuned, open_fine_tuned, starting_model
from .runs.runs import open_run
from .windows.cutting import Windows
from .zero_shot.inference import HORIZON_TOKENS, forecast_quantiles, patch_for
from .zero_shot.model import ZeroShotModel
from .zero_shot.readings import reading_weights
from .zero_shot.storage import is_zero_shot


@dataclass(frozen=True, eq=False)
class _Series:
    """One series of a file.

    Attributes:
        name: of the series.
        data: its item alone.
        channel: its place among the item's channels.
    """

    name: str
    data: SeriesData
    channel: int

    @property
    def length(self) -> int:
        """Number of steps."""
        return self.data.items[0].length


def open_input(request: Request) -> Opened:
    """Open a forecaster and the latest steps of one series; the last horizon is held out where enough is left.

    Raises:
        UserError: if the run is not whole, the file is refused or too short, there is no series of that name, or the
            horizon does not fit.
    """
    run = request.run
    if not run.exists():
        return _zero_shot(starting_model(None, FrameOptions()), load_series(request.input), request)
    if is_fine_tuned(run):
        latest, model = read_config(run, FineTuningRun).latest, open_fine_tuned(run)
        assert model.context is not None
        return _zero_shot(model, read_like(request.input, model.context, latest.options, latest.table), request)
    if is_zero_shot(run) or is_zero_shot(run / MODEL):
        return _zero_shot(starting_model(str(run), FrameOptions()), load_series(request.input), request)
    return _trained(request)


def _zero_shot(model: ZeroShotModel, data: SeriesData, request: Request) -> Opened:
    series = _chosen(data, request)
    steps = request.horizon or model.horizon
    if steps is None or steps < 1:
        raise UserError("no horizon is given: add --horizon with the number of steps to forecast, at least 1")
    network = model.forecaster.network
    histories, readings = model.forecaster.histories(series.data, steps)
    values, mine = histories[series.channel], readings[series.channel]
    held = steps if series.length >= 3 * steps else 0
    history, truth = values[: len(values) - held][-request.tokens :], torch.from_numpy(values[len(values) - held :])
    if not np.isfinite(history).any():
        raise UserError(f"{series.name}: no value is observed in what is read: take more of it with --tokens")
    reading = mine[int(reading_weights(network, [history], steps, [mine])[0].argmax())]
    patch = patch_for(network.config, len(history), steps)
    if steps > patch * HORIZON_TOKENS:
        raise UserError(
            f"a horizon of {steps} steps takes several passes, and one is inspected: give --horizon up to "
            f"{patch * HORIZON_TOKENS}"
        )
    past = min(-(-len(history) // patch), network.config.tokens)
    return Opened(
        model=network,
        read=lambda: torch.from_numpy(forecast_quantiles(network, [history], steps, [reading])[0]),
        title=f"{request.input.name}, {series.name}, {steps} steps ahead",
        labels=[f"{place:+d}" for place in range(-past * patch, steps, patch)],
        loss=_loss(truth, lambda quantiles: quantiles[:, quantiles.shape[1] // 2]),
        loss_unit="units of the data, absolute error of the median",
        turned=_turned(network),
        notes=(*_held(held), f"a token is {patch} steps; those from +0 on are the future"),
    )


def _trained(request: Request) -> Opened:
    model, run = open_run(request.run), read_config(request.run, RunConfig)
    config, trained = model.config, model.trained
    if request.horizon not in (None, config.horizon):
        raise UserError(f"--horizon {request.horizon}: the run forecasts {config.horizon} steps: leave it out")
    series = _chosen(read_like(request.input, model.context, run.options, run.table), request)
    held = config.horizon if series.length >= config.context + config.horizon else 0
    end, scalers = series.length - held, trained.scaling.of(series.data, [series.length - held])
    items = trained.prepare(series.data, scalers)
    batch = Windows(items, config.context, config.horizon, first=[end], last=[end + 1]).batch(torch.arange(1))
    truth = batch.future[0, :, series.channel].masked_fill(~batch.future_observed[0, :, series.channel], np.nan)
    network = trained.network.eval()
    patched = isinstance(network.tokens, PatchTokens)
    return Opened(
        model=network,
        read=lambda: network.output.mean(network(batch)),
        title=f"{request.input.name}, {series.name}, {config.horizon} steps ahead",
        labels=_labels(network.tokens, series.data, config.context),
        row=series.channel if patched else 0,
        loss=_loss(truth, lambda mean: mean[0, :, series.channel]),
        loss_unit="standard deviations of the series, absolute error",
        turned=_turned(network),
        notes=_held(held),
    )


def _chosen(data: SeriesData, request: Request) -> _Series:
    places = [
        (name, item, channel)
        for item, names in zip(data.items, series_names(data), strict=True)
        for channel, name in enumerate(names)
    ]
    names = [name for name, _, _ in places]
    wanted = names[0] if request.part is None else choose(request.part, names, "series")
    name, item, channel = places[names.index(wanted)]
    return _Series(name, replace(data, items=(item,)), channel)


def _labels(tokens: PatchTokens | VariateTokens, data: SeriesData, context: int) -> list[str]:
    if isinstance(tokens, PatchTokens):
        return [f"{at * tokens.stride - context:+d}" for at in range(tokens.count)]
    channels = list(data.channels)
    return [*(f"covariate {at}" for at in range(1, tokens.count - len(channels) + 1)), *channels]


def _loss(truth: Tensor, of: Callable[[Tensor], Tensor]) -> Callable[[Tensor], float] | None:
    """Mean absolute error of what `of` takes from an output; None where nothing of the truth is known."""
    if not truth.isfinite().any():
        return None
    return lambda output: (of(output).cpu() - truth).abs().nanmean().item()


def _turned(network: nn.Module) -> tuple[str, ...]:
    return tuple(name for name, module in network.named_modules() if isinstance(module, Reversed))


def _held(steps: int) -> tuple[str, ...]:
    return (f"the last {steps:,} steps are held out, and forecast",) if steps else ()
