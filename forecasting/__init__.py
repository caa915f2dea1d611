"""Forecasting with Titans' neural memory: a Simba-style forecaster for DataFrames, files and GluonTS.

The names below load on first use, so that the command line answers `--help` without loading PyTorch.
"""

import importlib
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'forecasting' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
