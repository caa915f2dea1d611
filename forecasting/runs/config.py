"""What a run of a forecaster keeps in its folder: settings, data and what it was started by."""

from dataclasses import dataclass, field
from typing import Any

from titans_seq.experiment.record import DataRecord, Origin
from titans_seq.experiment.run_folder import RunLayout

from ..data import FrameOptions, TableOptions
from ..data.options import upgraded_options
from ..settings.config import ForecastConfig

_EARLIER = ("checkpoint.pt", "card.md", "history.csv")
RUNS = RunLayout(
    (
        "metrics.json",
        "metrics.csv",
        "metrics_by_step.csv",
        "backtest.csv",
        "backtest_metrics.json",
        "backtest_metrics.csv",
        "forecast.csv",
        "forecast.png",
        "training.png",
        *_EARLIER,
    ),
    finish="`titans forecast train --resume --out {out}`",
)
"""The last names are those of earlier versions."""


@dataclass(frozen=True)
class RunConfig:
    """Everything to repeat a run.

    Attributes:
        forecast: settings of model and training.
        options: what the columns of the data mean.
        table: how a text file is written.
        data: the data file and its hash.
        origin: versions, commit and command.
    """

    forecast: ForecastConfig
    options: FrameOptions
    table: TableOptions
    data: DataRecord
    origin: Origin = field(default_factory=lambda: Origin.here("torch", "lightning", "numpy", "pandas"))

    @staticmethod
    def upgraded(plain: dict[str, Any]) -> dict[str, Any]:
        """Return today's form of the plain values that earlier versions wrote (`sha256`, `versions`)."""
        if "sha256" not in plain:
            return plain
        kept = {name: plain[name] for name in ("forecast", "table") if name in plain}
        return kept | {
            "options": upgraded_options(plain.get("options", {})),
            "data": {"path": plain.get("data"), "sha256": plain["sha256"]},
            "origin": {"versions": plain.get("versions", {}), "commit": plain.get("commit")},
        }
