"""Small frames and settings that the tests of the forecaster share."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.model import ForecastModel
from forecasting.network.mixers import MemoryMixer
from forecasting.network.simba_network import NetworkConfig
from forecasting.settings.config import ForecastConfig
from forecasting.settings.optimiser import OptimiserConfig
from titans_seq.layers import NeuralMemoryConfig

CONTEXT, HORIZON = 14, 7
NETWORK = NetworkConfig(mixer=MemoryMixer(NeuralMemoryConfig(heads=2, chunk_size=4)), width=8, layers=1)


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., ForecastConfig]:
    """Settings of a model that trains in a moment, four steps an epoch; keywords change them."""

    def make(**changes: Any) -> ForecastConfig:
        base: dict[str, Any] = {"context": CONTEXT, "horizon": HORIZON, "network": NETWORK}
        base["optimiser"] = OptimiserConfig(lr=1e-2, epochs=changes.pop("epochs", 1))
        base["batches_per_epoch"] = 4
        return ForecastConfig(**(base | changes))

    return make


def wide(rows: int = 140, freq: str = "D", start: str = "2024-01-01") -> pd.DataFrame:
    """Two weekly patterns with noise, the first with a few missing values."""
    steps = np.arange(rows)
    noise = np.random.default_rng(0).normal(size=(rows, 2))
    a = 10 + np.sin(steps * 2 * np.pi / 7) + 0.1 * noise[:, 0]
    b = -500 + 100 * np.cos(steps * 2 * np.pi / 7) + noise[:, 1]
    a[5:8] = np.nan
    a[-3:-1] = np.nan
    return pd.DataFrame({"day": pd.date_range(start, periods=rows, freq=freq), "a": a, "b": b})


@pytest.fixture(scope="session")
def wide_frame() -> pd.DataFrame:
    """140 days of two columns."""
    return wide()


@pytest.fixture(scope="session")
def make_wide() -> Callable[..., pd.DataFrame]:
    """The maker of such frames."""
    return wide


@pytest.fixture(scope="session")
def long_frame() -> pd.DataFrame:
    """Three ids of 140, 100 and 20 days; the last is too short to be divided."""
    parts = []
    for name, rows in (("x", 140), ("y", 100), ("z", 20)):
        frame = wide(rows)
        values = frame["b"] * (1 + len(parts))
        parts.append(pd.DataFrame({"day": frame["day"], "sold": values, "shop": name}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="session")
def wide_model(wide_frame: pd.DataFrame, tiny_config: Callable[..., ForecastConfig]) -> ForecastModel:
    """A model of the wide frame."""
    return ForecastModel.fit(wide_frame, tiny_config())


@pytest.fixture(scope="session")
def long_model(long_frame: pd.DataFrame, tiny_config: Callable[..., ForecastConfig]) -> ForecastModel:
    """A model of the long frame."""
    return ForecastModel.fit(long_frame, tiny_config())
