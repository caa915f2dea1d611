"""One run of the long-horizon benchmark: train by the preset, score every window, return one row."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

import torch
from torch import Tensor

from titans_seq.config import to_dict
from titans_seq.experiment.overrides import override
from titans_seq.experiment.rows import made_by
from titans_seq.experiment.settings import Runtime
from titans_seq.progress import Progress

from ..evaluation.baselines import standard_baselines
from ..network.batch import WindowBatch
from ..network.simba_network import build_network
from ..settings.presets import Recipe, benchmark_recipe, with_mixer
from ..training.fitting import fit_network
from ..windows.cutting import WindowLoader, Windows
from .datasets import find_benchmark, load_benchmark
from .protocol import LongHorizonSplit, Predict, evaluate_windows, long_horizon_split, standard_context

PACKAGES = ("torch", "lightning", "numpy", "pandas")
VALIDATION_BATCH = 256

Scores = dict[str, dict[str, float]]
"""`mse` and `mae` by name of the baseline."""


class Identity(TypedDict):
    """What tells one run of the benchmark from another, besides its recipe."""

    dataset: str
    horizon: int
    context: int
    mixer: str
    seed: int


def run_benchmark(
    name: str,
    data_dir: Path | str | None,
    horizon: int,
    *,
    mixer: str = "memory",
    seed: int = 0,
    overrides: Mapping[str, Any] | None = None,
    baselines: Scores | None = None,
    cache_dir: Path | str | None = None,
    progress: Progress = "none",
) -> dict[str, Any]:
    """Train on a benchmark set as its recipe says, and score every validation and test window.

    The weights are chosen on validation; the test part is scored once, at the end.

    Args:
        name: of the set.
        data_dir: folder that holds it, see `datasets.load_benchmark`.
        horizon: H.
        mixer: one of `presets.MIXERS`.
        seed: of initial weights, order of windows and dropout.
        overrides: changes to the recipe, see `overrides.override`.
        baselines: test scores of the baselines from an earlier row of the same set and horizon, which spares
            fitting them again; None fits and scores them.
        cache_dir: folder for downloads; None forbids downloading.
        progress: what to show meanwhile.

    Returns:
        The row: plain numbers, strings, lists and dictionaries, ready for JSON.

    Raises:
        UserError: unknown set or mixer, absent data, or a horizon that leaves a part without windows.
    """
    recipe = benchmark_run_recipe(name, horizon, mixer, overrides)
    context = standard_context(name)
    data = load_benchmark(name, data_dir, cache_dir)
    split = long_horizon_split(name, data.values, context, horizon)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = build_network(
        recipe.network,
        recipe.output,
        channels=split.train.channels,
        context=context,
        horizon=horizon,
        seed=seed,
    )
    began, began_cpu = time.perf_counter(), time.process_time()
    history = fit_network(
        network,
        WindowLoader(
            split.train.to(device), recipe.batch_size, shuffle=True, seed=seed, limit=recipe.batches_per_epoch
        ),
        validation_loader(split.val.to(device), recipe.validation_windows),
        recipe.optimiser,
        seed=seed,
        runtime=Runtime(progress=progress),
    )
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    network.to(device).eval()

    def forecast(batch: WindowBatch) -> Tensor:
        return network.output.mean(network(batch.to(device)))

    validation = _mse_mae(forecast, split, "val")
    test = _mse_mae(forecast, split, "test")
    if baselines is None:
        baselines = score_baselines(split, find_benchmark(name).season)
    epochs = len(history.epochs)
    return {
        **Identity(dataset=name, horizon=horizon, context=context, mixer=mixer, seed=seed),
        "windows": {"train": len(split.train), "validation": len(split.val), "test": len(split.test)},
        "validation": validation,
        "test": test,
        "baselines": baselines,
        "epochs": epochs,
        "best_epoch": (history.best_epoch or 1) - 1,
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "seconds_per_epoch": round(seconds / epochs, 3),
        "cpu_seconds_per_epoch": round(cpu_seconds / epochs, 3),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "overrides": dict(overrides or {}),
        "config": to_dict(recipe),
        **made_by(PACKAGES, "forecasting", "titans_seq"),
    }


def benchmark_run_recipe(name: str, horizon: int, mixer: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe that `run_benchmark` follows.

    Example:
        >>> benchmark_run_recipe("ETTh1", 96, "gru", {"optimiser.epochs": 1}).optimiser.epochs
        1
    """
    recipe = with_mixer(benchmark_recipe(find_benchmark(name).name, horizon), mixer)
    return override(recipe, overrides or {})


def validation_loader(windows: Windows, count: int | None) -> WindowLoader:
    """Batches of about `count` of the windows, always the same ones; of all if it is None."""
    limit = None if count is None else -(-count // VALIDATION_BATCH)
    return WindowLoader(windows, VALIDATION_BATCH, limit=limit)


def score_baselines(split: LongHorizonSplit, season: int) -> Scores:
    """Fit the standard baselines and score them on every test window.

    Args:
        split: windows of the set.
        season: steps of a season, for the seasonal naive forecast.
    """
    scores = {}
    for label, baseline in standard_baselines(split.train.context, season).items():
        scores[label] = _mse_mae(baseline.fit(split.train).predict, split, "test")
    return scores


def _mse_mae(predict: Predict, split: LongHorizonSplit, part: Literal["val", "test"]) -> dict[str, float]:
    score = evaluate_windows(predict, getattr(split, part))
    return {"mse": score["mse"], "mae": score["mae"]}
