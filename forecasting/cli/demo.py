"""`titans forecast demo`: two years of weekly CO2, forecast at once, then by a model trained on the series."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from titans_seq.errors import require_at_least

if TYPE_CHECKING:
    from ..data import SeriesData
    from ..zero_shot.model import ZeroShotModel

WEEKS_AHEAD = 104
YEARS_SHOWN = 10


@dataclass(frozen=True)
class Demo:
    """Forecast weekly CO2 on Mauna Loa at once, then train on it and compare, with a picture of both.

    Nothing is downloaded: the series comes with statsmodels. It takes a minute or two of computing.
    """

    out: Path = Path("runs/demo")
    """Folder for all that it writes; the run of an earlier demonstration in it is replaced."""
    steps: int = 150
    """Optimiser steps of the training."""

    def __post_init__(self) -> None:
        require_at_least(self, steps=1)

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it comes to late, each with its extra."""
        return {"statsmodels": "forecasting", "matplotlib": "forecasting"}


def demo(options: Demo) -> None:
    """Write the series, forecast it at once, train on it, compare and draw."""
    from titans_seq.experiment.record import DataRecord
    from titans_seq.experiment.settings import Runtime

    from ..data import FrameOptions, TableOptions, load_series
    from ..runs.config import RUNS
    from ..runs.fine_tuned import FineTuningRun, fine_tune_run
    from ..zero_shot.model import ZeroShotModel
    from ..zero_shot.settings import FineTuningConfig
    from .tables import score_text

    out, steps = options.out, options.steps
    path, run = out / "co2.csv", out / "run"
    RUNS.check_free(run, overwrite=True)
    print(f"1. weekly CO2 on Mauna Loa, 1958 to 2001 (from statsmodels) -> {path}", flush=True)
    write_co2(path)
    data = load_series(path)
    print(f"2. forecast {WEEKS_AHEAD} weeks at once: the shipped network has never seen the series", flush=True)
    at_once = ZeroShotModel.pretrained().calibrated(data, WEEKS_AHEAD)
    _write(at_once, out, "at_once", data)
    record = DataRecord.of(path)
    planned = FineTuningRun(WEEKS_AHEAD, FineTuningConfig(steps=steps), True, FrameOptions(), TableOptions(), record)
    more = planned.fine_tuning.refit.steps
    print(f"3. train on the series, from the shipped weights: {steps:,} steps, then {more:,} on all rows", flush=True)
    trained = fine_tune_run(planned, run, overwrite=True, runtime=Runtime(progress="lines"))
    assert trained.scores is not None
    print(f"4. compare on the {WEEKS_AHEAD * 3} weeks before the end, which were held out")
    print(score_text(trained.scores, (trained.levels[0], trained.levels[-1])))
    for note in trained.notes:
        print(f"   note: {note}")
    _write(trained, out, "trained", data)
    print("next:")
    print(f"  titans forecast predict {shlex.quote(str(run))}")
    print(f"  titans forecast backtest {shlex.quote(str(path))} --horizon {WEEKS_AHEAD}")


def _write(model: "ZeroShotModel", out: Path, name: str, data: "SeriesData") -> None:
    """Write a forecast and its picture."""
    from ..data.writing import write_frame
    from ..runs.pictures import plot_future

    forecast, picture = out / f"{name}.csv", out / f"{name}.png"
    frame = model.predict(data, WEEKS_AHEAD)
    write_frame(forecast, frame)
    plot_future(model, data, WEEKS_AHEAD, picture, history=YEARS_SHOWN * 52)
    print(frame.iloc[[0, -1]].to_string(index=False, float_format="{:.1f}".format))
    print(f"   written: {forecast}, {picture}")


def write_co2(path: Path) -> None:
    """Write the series that statsmodels carries: 2,284 weeks in ppm, 59 of them missing."""
    import pandas as pd
    from statsmodels.datasets import co2

    from titans_seq.files import atomic_path

    frame = pd.DataFrame(co2.load_pandas().data)
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index_label="week", header=["CO2 (ppm)"])
