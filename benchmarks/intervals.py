"""How often calibrated 80% intervals hold what comes, on small files, from cutoffs in their past.

    python -m benchmarks.intervals                                # every row that is not there yet
    python -m benchmarks.intervals --models trained --steps 100   # trained anew at every cutoff
    python -m benchmarks.intervals --table

At every cutoff the model sees the rows before it alone: it is calibrated on their past, as `titans forecast predict`
is, and the next horizon is looked up. Cutoffs are one horizon apart and leave the last horizon of each file out, for
`--part test` at the end; choices are made without it.
"""

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro

from benchmarks.provenance import provenance
from forecasting.data import FrameOptions, SeriesData, load_series
from forecasting.evaluation.origins import Origin, cut_origins
from forecasting.forecasts.forecaster import Forecast
from forecasting.zero_shot.model import ZeroShotModel
from forecasting.zero_shot.saving import SHIPPED
from forecasting.zero_shot.settings import FineTuningConfig
from titans_seq.checkpoint import WEIGHTS
from titans_seq.errors import UserError, choose
from titans_seq.experiment.provenance import file_hash
from titans_seq.experiment.rows import row_of
from titans_seq.jsonl import read_rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "intervals.jsonl"
DATA = HERE.parents[1] / "shared" / "data" / "forecasting" / "small"
LEVELS = (0.1, 0.9)
HORIZONS = {
    "AirPassengers": 12,
    "ILINet": 8,
    "ausbeer": 8,
    "gasrate_co2": 12,
    "monthly-milk": 12,
    "monthly-milk-incomplete": 12,
    "monthly-sunspots": 12,
    "taxi_new_york_passengers": 48,
    "temps": 14,
    "us_gasoline": 8,
    "wineind": 12,
}
"""Steps to forecast of each file."""
_Run = tuple[str, str, int, int | None]
"""Model, part, cutoffs and steps of a training, which one line of the table holds."""


@dataclass(frozen=True)
class Arguments:
    """Measure what has no row yet.

    Args:
        files: which, without their suffix.
        models: which; "trained" begins with the pretrained weights.
        part: cutoffs before the last horizon, or the last horizon alone.
        windows: cutoffs of the validation part.
        steps: of a training.
        data_dir: folder of the files.
        results: file of the rows.
        table: print the table of the rows that are there.
    """

    files: tuple[str, ...] = tuple(HORIZONS)
    models: tuple[Literal["zero-shot", "trained"], ...] = ("zero-shot",)
    part: Literal["test", "validation"] = "validation"
    windows: int = 8
    steps: int = 300
    data_dir: Path = DATA
    results: Path = RESULTS
    table: bool = False


def run(arguments: Arguments) -> None:
    """Measure and add the rows that are not there yet.

    Raises:
        UserError: for an unknown file, or one that is not in the data folder.
    """
    for name in arguments.files:
        choose(name, tuple(HORIZONS), "file")
        for model in arguments.models:
            windows = arguments.windows if arguments.part == "validation" else 1
            steps = arguments.steps if model == "trained" else None
            identity = {
                "file": name,
                "model": model,
                "part": arguments.part,
                "windows": windows,
                "steps": steps,
                "weights": file_hash(SHIPPED / WEIGHTS),
            }
            measure = functools.partial(_measure, arguments, name, steps, windows)
            row = row_of(arguments.results, identity, measure)
            print(f"{name:26} {model:10} {row['before']:.0%} before calibration, {row['after']:.0%} after", flush=True)


def _measure(arguments: Arguments, name: str, steps: int | None, windows: int) -> Mapping[str, Any]:
    path = arguments.data_dir / f"{name}.csv"
    if not path.is_file():
        raise UserError(f"{path} is not there: say with --data-dir where the files are")
    data, horizon = load_series(path, FrameOptions(holes="fill-missing")), HORIZONS[name]
    last = 1 if arguments.part == "validation" else 0
    origins = cut_origins(data, horizon, windows=windows + last)
    inside = np.zeros(2)
    count = 0
    for origin in origins[: len(origins) - last]:
        model = _model(origin.past, horizon, steps)
        made = model.forecast(origin.past, horizon, LEVELS), model.forecaster.forecast(origin.past, horizon, LEVELS)
        seen = np.isfinite(origin.actual)
        count += int(seen.sum())
        inside += [hits(origin, forecast) for forecast in made]
    after, before = inside / count
    return {"before": before, "after": after, "horizon": horizon, "values": count, "provenance": provenance()}


def _model(past: SeriesData, horizon: int, steps: int | None) -> ZeroShotModel:
    model = ZeroShotModel.pretrained()
    if steps is None:
        return model.calibrated(past, horizon)
    return model.fit(past, horizon, FineTuningConfig(steps=steps), statistics=False)


def hits(origin: Origin, forecast: Forecast) -> int:
    """Count the values between the outermost quantiles.

    Args:
        origin: with what came.
        forecast: of it.
    """
    low, high = forecast.quantiles[..., 0], forecast.quantiles[..., -1]
    return int(((low <= origin.actual) & (origin.actual <= high)).sum())


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Make the Markdown table: coverage of the files before and after calibration, and their mean and least.

    Args:
        rows: as read; of the same file, model, part, cutoffs and steps the latest counts, whatever its weights.
    """
    cells: dict[_Run, dict[str, Mapping[str, Any]]] = {}
    for row in rows:
        cells.setdefault((row["model"], row["part"], row["windows"], row["steps"]), {})[row["file"]] = row
    names = [name for name in HORIZONS if any(name in own for own in cells.values())]
    lines = [f"| held of 80%, before / after | {' | '.join(names)} | mean | least |", "|---" * (len(names) + 3) + "|"]
    for run, own in cells.items():
        shares = [_pair([own[name]], np.mean) if name in own else "-" for name in names]
        whole = [_pair(list(own.values()), reduce) for reduce in (np.mean, np.min)]
        lines.append(f"| {_label(run, list(cells))} | {' | '.join([*shares, *whole])} |")
    return "\n".join(lines)


def _label(run: _Run, runs: Sequence[_Run]) -> str:
    """The model and the part, with what else tells a run from others of the same."""
    model, part, windows, steps = run
    alike = [other for other in runs if other[:2] == run[:2]]
    label = f"{model}, {part}"
    label += f", {windows} cutoffs" if len({other[2] for other in alike}) > 1 else ""
    return label + (f", {steps} steps" if len({other[3] for other in alike}) > 1 else "")


def _pair(rows: Sequence[Mapping[str, Any]], reduce: Callable[[list[float]], Any]) -> str:
    return " / ".join(f"{float(reduce([row[key] for row in rows])):.0%}" for key in ("before", "after"))


def main() -> int:
    """Run the command line."""
    arguments = tyro.cli(Arguments, description=__doc__)
    torch.set_num_threads(1)
    try:
        if not arguments.table:
            run(arguments)
        print(table(read_rows(arguments.results)))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
