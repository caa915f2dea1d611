"""The demonstration: two years of weekly CO2 on Mauna Loa, forecast at once, then by a model trained on the series.

python -m forecasting.demo --out runs/demo
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from titans_seq.errors import UserError
from titans_seq.experiment.provenance import file_hash
from titans_seq.experiment.record import DataRecord
from titans_seq.files import atomic_path

from .cli.tables import score_text
from .data import FrameOptions, SeriesData, TableOptions, load_series
from .data.writing import write_frame
from .runs.fine_tuned import FineTuningRun, fine_tune_run
from .runs.pictures import plot_future
from .zero_shot.model import ZeroShotModel
from .zero_shot.settings import FineTuningConfig

DESCRIPTION = "Forecast weekly CO2 on Mauna Loa at once, then train on it and compare, with a picture of both."
WEEKS_AHEAD = 104
YEARS_SHOWN = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 means success."""
    parser = argparse.ArgumentParser(prog="python -m forecasting.demo", description=DESCRIPTION)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for all that it writes")
    parser.add_argument("--steps", type=int, default=150, help="optimiser steps of the training")
    options = parser.parse_args(argv)
    try:
        run_demo(options.out, options.steps)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run_demo(out: Path, steps: int = 150) -> None:
    """Write the series, forecast it at once, train on it, compare and draw; everything goes into `out`.

    Args:
        out: folder; the run of an earlier demonstration in it is replaced.
        steps: optimiser steps of the training, at least 1.

    Raises:
        UserError: `out` is taken by something else, or there are no steps.
    """
    training = FineTuningConfig(steps=steps)
    path, run = out / "co2.csv", out / "run"
    print(f"1. weekly CO2 on Mauna Loa, 1958 to 2001 (from statsmodels) -> {path}", flush=True)
    write_co2(path)
    data = load_series(path)
    print(f"2. forecast {WEEKS_AHEAD} weeks at once: the shipped network has never seen the series", flush=True)
    at_once = ZeroShotModel.pretrained().calibrated(data, WEEKS_AHEAD)
    _write(at_once, out, "at_once", data)
    print(f"3. train on the series, from the shipped weights: {steps:,} steps, then as many on all rows", flush=True)
    planned = FineTuningRun(
        WEEKS_AHEAD, training, True, FrameOptions(), TableOptions(), DataRecord(str(path.resolve()), file_hash(path))
    )
    trained = fine_tune_run(planned, run, overwrite=True, progress="lines")
    assert trained.scores is not None
    print(f"4. compare on the {WEEKS_AHEAD * 3} weeks before the end, which were held out")
    print(score_text(trained.scores, (trained.levels[0], trained.levels[-1])))
    for note in trained.notes:
        print(f"   note: {note}")
    _write(trained, out, "trained", data)
    print(f"next: titans forecast predict {run}, titans forecast backtest {path} --horizon {WEEKS_AHEAD}")


def _write(model: ZeroShotModel, out: Path, name: str, data: SeriesData) -> None:
    """Write a forecast and its picture."""
    forecast, picture = out / f"{name}.csv", out / f"{name}.png"
    frame = model.predict(data, WEEKS_AHEAD)
    write_frame(forecast, frame)
    plot_future(model, data, WEEKS_AHEAD, picture, history=YEARS_SHOWN * 52)
    print(frame.iloc[[0, -1]].to_string(index=False, float_format="{:.1f}".format))
    print(f"   written: {forecast}, {picture}")


def write_co2(path: Path) -> None:
    """Write the series that statsmodels carries: 2,284 weeks in ppm, 59 of them missing."""
    from statsmodels.datasets import co2

    frame = pd.DataFrame(co2.load_pandas().data)
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index_label="week", header=["CO2 (ppm)"])


if __name__ == "__main__":
    sys.exit(main())
