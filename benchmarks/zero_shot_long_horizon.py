"""The zero-shot forecaster on the long-horizon benchmark, untrained, by its protocol: every window, every channel.

    python -m benchmarks.zero_shot_long_horizon                         # every row that is not there yet
    python -m benchmarks.zero_shot_long_horizon --sets ETTh1 --horizons 96 --part val    # while choosing
    python -m benchmarks.zero_shot_long_horizon --table                 # the table of the rows that are there

The median is scored, on values standardised by the training rows. It reads more of the past than the 96 steps of the
published tables, since it learnt nothing of the set before: --context says how much. Published rows are trained models.
"""

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.provenance import provenance
from benchmarks.rows_command import run_rows_command
from forecasting.benchmark.datasets import find_benchmark, load_benchmark
from forecasting.benchmark.protocol import evaluate_windows, long_horizon_split
from forecasting.network.batch import WindowBatch
from forecasting.zero_shot.inference import forecast_quantiles
from forecasting.zero_shot.network import AnyNetwork
from forecasting.zero_shot.saving import SHIPPED, load_network
from forecasting.zero_shot.seasons import periods_of
from titans_seq.checkpoint import WEIGHTS
from titans_seq.experiment.beginning import model_folder
from titans_seq.experiment.provenance import file_hash
from titans_seq.experiment.rows import row_of
from titans_seq.jsonl import read_rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "zero_shot_long_horizon.jsonl"
DATA = HERE.parents[1] / "shared" / "data" / "forecasting"


@dataclass(frozen=True)
class Arguments:
    """Score what has no row yet.

    Args:
        sets: which.
        horizons: which.
        context: steps of the past that are read, at most 4,096.
        part: test, or val while choosing.
        weights: run or model folder; the shipped weights if not given.
        data_dir: folder of the sets.
        results: file of the rows.
        table: print the table of the rows that are there.
    """

    sets: tuple[str, ...] = ("ETTh1", "ETTm1", "Weather")
    horizons: tuple[int, ...] = (96, 192, 336, 720)
    context: int = 1024
    part: Literal["val", "test"] = "test"
    weights: Path | None = None
    data_dir: Path = DATA
    results: Path = RESULTS
    table: bool = False


def run(arguments: Arguments) -> None:
    """Measure and add the rows that are not there yet.

    Raises:
        UserError: for an unknown set, or one that is not in the data folder.
    """
    folder = SHIPPED if arguments.weights is None else model_folder(arguments.weights)
    network = load_network(folder)
    for name in arguments.sets:
        for horizon in arguments.horizons:
            identity = {
                "dataset": name,
                "horizon": horizon,
                "context": arguments.context,
                "part": arguments.part,
                "weights": file_hash(folder / WEIGHTS),
            }
            row = row_of(arguments.results, identity, functools.partial(_measure, arguments, network, name, horizon))
            print(f"{name:8} {horizon:4}: MSE {row['mse']:.3f}, MAE {row['mae']:.3f}", flush=True)


def _measure(arguments: Arguments, network: AnyNetwork, name: str, horizon: int) -> Mapping[str, Any]:
    data = load_benchmark(name, arguments.data_dir)
    split = long_horizon_split(name, data.values, arguments.context, horizon)
    periods = periods_of(find_benchmark(name).step)

    def median(batch: WindowBatch) -> Tensor:
        histories = batch.past.transpose(1, 2).flatten(0, 1).double().numpy()
        quantiles = forecast_quantiles(network, list(histories), horizon, [periods] * len(histories))
        middle = torch.from_numpy(quantiles[..., quantiles.shape[-1] // 2])
        return middle.unflatten(0, (len(batch.past), -1)).transpose(1, 2)

    return {**evaluate_windows(median, getattr(split, arguments.part)), "provenance": provenance()}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Make the Markdown table of the test rows; `benchmarks.forecasting` has those of trained models.

    Args:
        rows: as read; the latest of each set, horizon and context counts.
    """
    own = [row for row in rows if row["part"] == "test"]
    horizons = sorted({row["horizon"] for row in own})
    lines = [f"| MSE / MAE | steps of past | {' | '.join(map(str, horizons))} |", "|---" * (len(horizons) + 2) + "|"]
    for name, context in sorted({(row["dataset"], row["context"]) for row in own}):
        mine = [row for row in own if (row["dataset"], row["context"]) == (name, context)]
        scores = {row["horizon"]: f"{row['mse']:.3f} / {row['mae']:.3f}" for row in mine}
        lines.append(f"| {name} | {context:,} | {' | '.join(scores.get(horizon, '-') for horizon in horizons)} |")
    return "\n".join(lines)


def main() -> int:
    """Run the command line."""
    return run_rows_command(Arguments, __doc__, run, lambda given: table(read_rows(given.results)))


if __name__ == "__main__":
    sys.exit(main())
