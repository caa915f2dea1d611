"""By which seasons the zero-shot forecaster reads hours and days: each reading alone, and weighed by the series' past.

    python -m benchmarks.season_readings                          # every row that is not there yet, a minute or two
    python -m benchmarks.season_readings --sets taxi us_births
    python -m benchmarks.season_readings --table

Cutoffs are one horizon apart, and the last of them lies three horizons before the end of each file. So the last two
horizons, of which other tables score one, are not read. Readings are pairs of periods in steps: day and week of hours,
week and year of days.
"""

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import geometric_mean
from typing import Any

from benchmarks.provenance import provenance
from benchmarks.rows_command import run_rows_command
from forecasting.data import FrameOptions, SeriesData, load_series
from forecasting.data.tsf import is_tsf
from forecasting.evaluation.origins import compare, cut_origins
from forecasting.forecasts.forecaster import Forecaster
from forecasting.zero_shot.forecaster import ZeroShotForecaster
from forecasting.zero_shot.network import AnyNetwork
from forecasting.zero_shot.saving import SHIPPED, load_network
from forecasting.zero_shot.seasons import periods_of, readings_of
from titans_seq.checkpoint import WEIGHTS
from titans_seq.errors import UserError, choose
from titans_seq.experiment.provenance import file_hash
from titans_seq.experiment.rows import row_of
from titans_seq.jsonl import read_rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "season_readings.jsonl"
DATA = HERE.parents[1] / "shared" / "data" / "forecasting"
LAST = 2
"""Horizons at the end that are not read."""


@dataclass(frozen=True)
class Set:
    """A file of hours or days.

    Attributes:
        file: in the data folder.
        horizon: steps to forecast.
        windows: cutoffs.
        every: of the series, every how many-eth is taken.
    """

    file: str
    horizon: int
    windows: int
    every: int = 1


SETS = {
    "us_births": Set("monash/us_births_dataset.tsf.gz", 30, 24),
    "saugeenday": Set("monash/saugeenday_dataset.tsf.gz", 30, 24),
    "temps": Set("small/temps.csv", 30, 24),
    "exchange_rate": Set("ltsf/exchange_rate.csv.gz", 30, 10),
    "m4_hourly": Set("monash/m4_hourly_dataset.tsf.gz", 48, 4, every=6),
    "ETTh1": Set("ltsf/ETTh1.csv.gz", 48, 24),
    "taxi": Set("small/taxi_new_york_passengers.csv", 48, 24),
    "ETTm1": Set("ltsf/ETTm1.csv.gz", 96, 12),
    "weather": Set("ltsf/weather.csv.gz", 144, 10),
}
MODELS = ("both at once", "short alone", "long first", "weighed")
"""The readings: both periods as the frequency has them, those of `readings_of`, and what the forecaster does."""


@dataclass(frozen=True)
class Arguments:
    """Measure what has no row yet.

    Args:
        sets: which.
        data_dir: folder of the files.
        results: file of the rows.
        table: print the table of the rows that are there.
    """

    sets: tuple[str, ...] = tuple(SETS)
    data_dir: Path = DATA
    results: Path = RESULTS
    table: bool = False


def run(arguments: Arguments) -> None:
    """Measure and add the rows that are not there yet.

    Raises:
        UserError: for an unknown set, or one that is not in the data folder.
    """
    network = load_network(SHIPPED)
    for name in arguments.sets:
        chosen = SETS[choose(name, tuple(SETS), "set")]
        identity = {"set": name, "weights": file_hash(SHIPPED / WEIGHTS)}
        row = row_of(arguments.results, identity, functools.partial(_measure, arguments.data_dir, chosen, network))
        print(f"{name:14}", *(f"{model} {row[model]['mase']:.3f}" for model in MODELS), sep="  ", flush=True)


def readers(network: AnyNetwork, freq: str | None) -> dict[str, Forecaster]:
    """Return a forecaster for each of `MODELS`.

    Args:
        network: in evaluation mode.
        freq: of the series.
    """
    readings = (periods_of(freq), *readings_of(freq))
    alone = {name: ZeroShotForecaster(network, pair) for name, pair in zip(MODELS[:-1], readings, strict=True)}
    return {**alone, MODELS[-1]: ZeroShotForecaster(network)}


def _measure(data_dir: Path, chosen: Set, network: AnyNetwork) -> Mapping[str, Any]:
    path = data_dir / chosen.file
    if not path.is_file():
        raise UserError(f"{path} is not there: say with --data-dir where the files are")
    # A .tsf file has no holes and no duplicates to be repaired.
    repairs = None if is_tsf(path) else FrameOptions(holes="fill-missing", duplicates="first")
    data: SeriesData = load_series(path, repairs)
    data = replace(data, items=data.items[:: chosen.every])
    origins = cut_origins(data, chosen.horizon, windows=chosen.windows + LAST)[:-LAST]
    scores = compare(origins, readers(network, data.freq), chosen.horizon).scores
    found = {name: {"mase": one.mase, "quantile_loss": one.quantile_loss} for name, one in scores.items()}
    return {**found, "windows": len(origins), "provenance": provenance()}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Make the Markdown table: MASE / WQL of each set by each reading, and geometric means over the sets.

    Args:
        rows: as read; the latest of each set counts.
    """
    latest = {row["set"]: row for row in rows}
    names = [name for name in SETS if name in latest]
    lines = [f"| MASE / WQL | {' | '.join(names)} | geometric mean |", "|---" * (len(names) + 2) + "|"]
    for model in MODELS:
        mine = [latest[name][model] for name in names]
        cells = [f"{one['mase']:.3f} / {one['quantile_loss']:.3f}" for one in mine]
        mean = [geometric_mean(one[score] for one in mine) for score in ("mase", "quantile_loss")]
        lines.append(f"| {model} | {' | '.join(cells)} | {mean[0]:.3f} / {mean[1]:.3f} |")
    return "\n".join(lines)


def main() -> int:
    """Run the command line."""
    return run_rows_command(Arguments, __doc__, run, lambda given: table(read_rows(given.results)))


if __name__ == "__main__":
    sys.exit(main())
