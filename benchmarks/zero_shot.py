"""The zero-shot forecaster beside methods of statistics, on the last horizon of every series of the Monash sets.

    python -m benchmarks.zero_shot                                  # every row that is not there yet
    python -m benchmarks.zero_shot --sets hospital --models zero-shot AutoETS
    python -m benchmarks.zero_shot --part validation --weights runs/p   # while choosing: the horizon before the last
    python -m benchmarks.zero_shot --table                          # the tables of the rows that are there

The test part is the last horizon of each series, and is for the weights that are shipped; choices are made on the
horizon before it. MASE divides by the seasonal error of the series before the forecast; the weighted quantile loss
(WQL) is over nine deciles. Published rows are of https://github.com/autogluon/fev, commit 1bc95fd.
"""

import csv
import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import geometric_mean
from typing import Any, Literal

import numpy as np

from benchmarks.provenance import provenance
from benchmarks.rows_command import run_rows_command
from forecasting.data import SeriesData
from forecasting.data.tsf import read_tsf
from forecasting.evaluation.origins import compare, cut_origins
from forecasting.evaluation.statistical import SeasonalNaive, Statistical, each_series
from forecasting.forecasts.forecaster import DEFAULT_LEVELS, Forecast, Forecaster
from forecasting.network.mixers import GRUMixer, MemoryMixer
from forecasting.runs.fine_tuned import starting_model
from forecasting.zero_shot.model import ZeroShotModel
from forecasting.zero_shot.network import ZeroShotEnsemble
from forecasting.zero_shot.saving import SHIPPED
from titans_seq.checkpoint import WEIGHTS
from titans_seq.errors import UserError, choose
from titans_seq.experiment.beginning import model_folder
from titans_seq.experiment.provenance import file_hash
from titans_seq.experiment.rows import row_of
from titans_seq.jsonl import read_rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "zero_shot.jsonl"
PUBLISHED = HERE / "published_zero_shot.csv"
DATA = HERE.parents[1] / "shared" / "data" / "forecasting" / "monash"
Part = Literal["test", "validation"]
ALONE = ("zero-shot, memory alone", "zero-shot, GRU alone")
OURS, NAIVE = ("zero-shot", *ALONE, "zero-shot, calibrated", "train"), "seasonal naive"


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The zero-shot model, its intervals calibrated on the past of the series it forecasts, as `predict` does."""

    model: ZeroShotModel

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`."""
        return self.model.calibrated(data, horizon).forecast(data, horizon, levels)


@dataclass(frozen=True, eq=False)
class Trained:
    """What `titans forecast train` makes of the past: zero-shot or fine-tuned, as its last rows show."""

    model: ZeroShotModel

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`."""
        return self.model.fit(data, horizon, statistics=False).forecast(data, horizon, levels)


def _member(mixer: type, model: ZeroShotModel) -> Forecaster:
    """The network with a mixer of this kind, alone."""
    together = model.forecaster.network
    if not isinstance(together, ZeroShotEnsemble):
        raise UserError("these weights are of one network: leave out the models that are one of several")
    pairs = zip(together.config.members, together.members, strict=True)
    return replace(model.forecaster, network=next(own for config, own in pairs if isinstance(config.mixer, mixer)))


@dataclass(frozen=True)
class Flair:
    """FLAIR, a ridge regression on levels and shapes (arXiv 2605.07222), by its authors' package `flaircast`."""

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`.

        Raises:
            UserError: if the package is not installed.
        """
        try:
            from flaircast import forecast  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError as error:
            raise UserError("FLAIR needs the package flaircast: pip install flaircast, or leave it out") from error

        def fitted(values: np.ndarray, _: int, steps: int, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            samples = np.asarray(forecast(values, horizon=steps, freq=data.freq or "D", seed=0))
            return samples.mean(0), np.quantile(samples, wanted, axis=0).T

        return each_series(data, horizon, levels, None, "FLAIR", fitted)


@dataclass(frozen=True)
class Set:
    """A set: its horizon, and the season of its MASE (the published one, which need not be the data's own)."""

    horizon: int
    season: int


SETS = {
    "hospital": Set(12, 12),
    "m1_monthly": Set(18, 12),
    "m1_quarterly": Set(8, 4),
    "m3_quarterly": Set(8, 4),
    "m3_yearly": Set(6, 1),
    "fred_md": Set(12, 12),
    "tourism_quarterly": Set(8, 4),
    "m4_hourly": Set(48, 24),
    "us_births": Set(30, 1),
    "saugeenday": Set(30, 1),
}
SEVEN = tuple(SETS)[:7]
"""The sets of the published table, which relative scores are averaged over."""

MODELS: dict[str, Callable[[ZeroShotModel], Forecaster]] = {
    "zero-shot": lambda model: model.forecaster,
    ALONE[0]: functools.partial(_member, MemoryMixer),
    ALONE[1]: functools.partial(_member, GRUMixer),
    "zero-shot, calibrated": Calibrated,
    "train": Trained,
    NAIVE: lambda model: SeasonalNaive(),
    "AutoETS": lambda model: Statistical("AutoETS"),
    "AutoTheta": lambda model: Statistical("AutoTheta"),
    "AutoARIMA": lambda model: Statistical("AutoARIMA"),
    "FLAIR": lambda model: Flair(),
}


@dataclass(frozen=True)
class Arguments:
    """Score what has no row yet.

    Args:
        sets: which.
        models: which.
        part: the last horizon (test), or the one before it.
        weights: run or model folder; the shipped weights if not given.
        data_dir: folder of the sets.
        results: file of the rows.
        table: print the table of the rows that are there.
    """

    sets: tuple[str, ...] = tuple(SETS)
    models: tuple[str, ...] = tuple(MODELS)
    part: Part = "test"
    weights: Path | None = None
    data_dir: Path = DATA
    results: Path = RESULTS
    table: bool = False


def run(arguments: Arguments) -> None:
    """Measure and add the rows that are not there yet.

    Raises:
        UserError: for an unknown set or model, or a set that is not in the data folder.
    """
    folder = SHIPPED if arguments.weights is None else model_folder(arguments.weights)
    weights = file_hash(folder / WEIGHTS)
    model = starting_model(None if arguments.weights is None else str(arguments.weights))
    for name in arguments.sets:
        choose(name, tuple(SETS), "set")
        for method in arguments.models:
            choose(method, tuple(MODELS), "model")
            identity = {"set": name, "model": method, "part": arguments.part, **asdict(SETS[name])}
            identity["weights"] = weights if method in OURS else None
            measure = functools.partial(_row, arguments, name, MODELS[method](model))
            row = row_of(arguments.results, identity, measure)
            shown = f"MASE {row['mase']:.4f}, WQL {row['quantile_loss']:.4f}, coverage {row['coverage']:.3f}"
            print(f"{name:18} {method:15} {shown}, {row['seconds']:.1f} s", flush=True)


def _row(arguments: Arguments, name: str, forecaster: Forecaster) -> Mapping[str, Any]:
    return {**score_set(arguments.data_dir, name, forecaster, arguments.part), "provenance": provenance()}


def score_set(data_dir: Path, name: str, forecaster: Forecaster, part: Part) -> dict[str, float]:
    """Score a forecaster on one horizon of every series of a set.

    Args:
        data_dir: folder of the sets.
        name: a key of `SETS`.
        forecaster: what forecasts.
        part: the last horizon (test), or the one before it.

    Raises:
        UserError: if the set is not in the folder.
    """
    path = data_dir / f"{name}_dataset.tsf.gz"
    if not path.is_file():
        raise UserError(f"{path} is not there: say with --data-dir where the Monash sets are")
    data, of = read_tsf(path), SETS[name]
    origins = cut_origins(data, of.horizon, windows=2 if part == "validation" else 1, season=of.season)
    result = compare(origins[:1], {"it": forecaster}, of.horizon)
    return {**asdict(result.scores["it"]), "series": len(origins[0].items)}


def table(rows: Sequence[Mapping[str, Any]], part: str = "test") -> str:
    """Make the Markdown table of a part: MASE and WQL of every set and model, and their means relative to naive.

    Args:
        rows: as read; of ours the latest of each set counts.
        part: test or validation.
    """
    scores: dict[str, dict[str, tuple[float, float | None]]] = {}
    for row in _of_part(rows, part):
        scores.setdefault(row["model"], {})[row["set"]] = (row["mase"], row["quantile_loss"])
    if part == "test":
        for row in csv.DictReader(PUBLISHED.read_text(encoding="utf-8").splitlines()):
            wql = float(row["wql"]) if row["wql"] else None
            scores.setdefault(f"{row['model']} (published)", {})[row["set"]] = (float(row["mase"]), wql)
    names = [name for name in SETS if any(name in own for own in scores.values())]
    lines = ["| MASE / WQL | " + " | ".join(names) + " | relative, seven sets |", "|---" * (len(names) + 2) + "|"]
    # Figures elsewhere are relative to the published one, whose intervals are worse than those of ours.
    naive = scores.get(f"{NAIVE} (published)", scores.get(NAIVE, {}))
    for model, own in scores.items():
        cells = [_cell(own.get(name)) for name in names]
        lines.append(f"| {model} | {' | '.join(cells)} | {_relative(own, naive)} |")
    return "\n".join(lines)


def coverage_table(rows: Sequence[Mapping[str, Any]], part: str = "test") -> str:
    """Make the Markdown table of how many values lie in the 80% intervals, in percent.

    Args:
        rows: as read; of ours the latest of each set counts.
        part: test or validation.
    """
    held: dict[str, dict[str, float]] = {}
    for row in _of_part(rows, part):
        held.setdefault(row["model"], {})[row["set"]] = 100 * row["coverage"]
    names = [name for name in SETS if any(name in own for own in held.values())]
    lines = ["| values in 80% intervals, % | " + " | ".join(names) + " | mean |", "|---" * (len(names) + 2) + "|"]
    for model, own in held.items():
        cells = [f"{own[name]:.0f}" if name in own else "-" for name in names]
        mean = f"{np.mean(list(own.values())):.0f}" if len(own) == len(names) else "-"
        lines.append(f"| {model} | {' | '.join(cells)} | {mean} |")
    return "\n".join(lines)


def _of_part(rows: Sequence[Mapping[str, Any]], part: str) -> list[Mapping[str, Any]]:
    """The rows of a part, in the order of `MODELS`."""
    order = list(MODELS)
    return sorted((row for row in rows if row["part"] == part), key=lambda row: order.index(row["model"]))


def _cell(scores: tuple[float, float | None] | None) -> str:
    if scores is None:
        return "-"
    mase, wql = scores
    return f"{mase:.3f} / {'-' if wql is None else f'{wql:.3f}'}"


def _relative(own: Mapping[str, tuple[float, float | None]], naive: Mapping[str, tuple[float, float | None]]) -> str:
    """Geometric means of MASE and WQL over those of the seasonal naive forecast; "-" unless all seven are there."""
    means = []
    for column in (0, 1):
        pairs = [(own.get(name, (None, None))[column], naive.get(name, (None, None))[column]) for name in SEVEN]
        if any(a is None or b is None for a, b in pairs):
            means.append("-")
            continue
        means.append(f"{geometric_mean(a / b for a, b in pairs):.3f}")  # pyright: ignore
    return " / ".join(means)


def main() -> int:
    """Run the command line."""

    def tables(arguments: Arguments) -> str:
        rows = read_rows(arguments.results)
        return f"{table(rows, arguments.part)}\n\n{coverage_table(rows, arguments.part)}"

    return run_rows_command(Arguments, __doc__, run, tables)


if __name__ == "__main__":
    sys.exit(main())
