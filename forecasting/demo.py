"""The demonstration: weekly CO2 on Mauna Loa, from a file to a forecast of two years with dates.

python -m forecasting.demo --out runs/demo
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from .cli.tables import score_text
from .config import ForecastConfig
from .data import FrameOptions
from .network.tokens import PatchConfig
from .presets import find_preset
from .runs.pictures import plot_run
from .runs.runs import evaluate_run, predict_run, train_run

DESCRIPTION = "Train, evaluate and draw a forecast of weekly CO2 on Mauna Loa."
WEEKS_AHEAD = 104
SEASON = 52


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 means success."""
    parser = argparse.ArgumentParser(prog="python -m forecasting.demo", description=DESCRIPTION)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder for all that it writes")
    parser.add_argument("--epochs", type=int, default=15, help="most epochs of training")
    options = parser.parse_args(argv)
    try:
        run_demo(options.out, options.epochs)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run_demo(out: Path, epochs: int = 15) -> None:
    """Write the series, train, evaluate, forecast and draw; everything goes into `out`.

    Args:
        out: folder; the run of an earlier demonstration in it is replaced.
        epochs: most epochs of training, at least 1.

    Raises:
        UserError: `out` is taken by something else.
    """
    data, run = out / "co2.csv", out / "run"
    forecast, picture = out / "forecast.csv", out / "forecast.png"
    print(f"1. weekly CO2 on Mauna Loa, 1958 to 2001 (from statsmodels) -> {data}", flush=True)
    write_co2(data)
    print("2. train: the neural memory, quantile forecasts", flush=True)
    config = demo_config(epochs)
    model = train_run(data, run, config, FrameOptions(), overwrite=True, progress="lines")
    for note in model.notes:
        print(f"   note: {note}")
    result = evaluate_run(run, season=SEASON)
    print(f"3. evaluate: every one of {result.windows:,} test windows of {WEEKS_AHEAD} weeks")
    print(score_text(result.table, result.interval))
    print(f"4. forecast {WEEKS_AHEAD} weeks", flush=True)
    frame = predict_run(run, target=forecast).frame
    print(frame.iloc[[0, -1]].to_string(index=False, float_format="{:.1f}".format))
    _, training = plot_run(run, target=picture)
    print("\ndone:")
    for what, path in (
        ("forecast", forecast),
        ("picture", picture),
        ("training", training),
        ("model and scores", run),
    ):
        print(f"  {what:<17} {path.resolve()}")
    print(f"next: titans forecast info {run}, titans forecast backtest {run}")


def demo_config(epochs: int) -> ForecastConfig:
    """The small preset with patches of half a year, so that four years of weeks are 16 tokens."""
    small = find_preset("small")
    return ForecastConfig(
        context=2 * WEEKS_AHEAD,
        horizon=WEEKS_AHEAD,
        network=replace(small.network, tokens=PatchConfig(length=26, stride=13)),
        output=small.output,
        optimiser=replace(small.optimiser, epochs=epochs, patience=5),
        batch_size=small.batch_size,
    )


def write_co2(path: Path) -> None:
    """Write the series that statsmodels carries: 2,284 weeks in ppm, 59 of them missing."""
    from statsmodels.datasets import co2

    frame = pd.DataFrame(co2.load_pandas().data)
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index_label="week", header=["CO2 (ppm)"])


if __name__ == "__main__":
    sys.exit(main())
