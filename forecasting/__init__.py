"""Forecasting with Titans' neural memory: a Simba-style forecaster for DataFrames, files and GluonTS.

The names below load on first use, so that the command line answers `--help` without loading PyTorch.
"""

from typing import TYPE_CHECKING

from titans_seq.extras import lazy_names

if TYPE_CHECKING:
    from .data import FrameOptions, SeriesData, load_series
    from .gluonts.estimator import ForecastEstimator
    from .model import ForecastModel
    from .settings.config import ForecastConfig
    from .zero_shot.model import ZeroShotModel
    from .zero_shot.settings import FineTuningConfig

_HOMES = {
    "FineTuningConfig": ".zero_shot.settings",
    "ForecastConfig": ".settings.config",
    "ForecastEstimator": ".gluonts.estimator",
    "ForecastModel": ".model",
    "FrameOptions": ".data",
    "SeriesData": ".data",
    "ZeroShotModel": ".zero_shot.model",
    "load_series": ".data",
}

__all__ = [
    "FineTuningConfig",
    "ForecastConfig",
    "ForecastEstimator",
    "ForecastModel",
    "FrameOptions",
    "SeriesData",
    "ZeroShotModel",
    "load_series",
]

__getattr__ = lazy_names(__name__, _HOMES, "forecasting")
