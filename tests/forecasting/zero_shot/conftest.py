"""A network that is small and untrained, for tests of what surrounds it."""

import pytest

from forecasting.zero_shot.forecaster import ZeroShotForecaster
from forecasting.zero_shot.network import ZeroShotConfig, ZeroShotNetwork
from forecasting.zero_shot.pretraining import new_network


@pytest.fixture(scope="session")
def tiny() -> ZeroShotNetwork:
    """Width 8, one block; tests leave it as it is."""
    return new_network(ZeroShotConfig(width=8, layers=1, code=4), seed=0).eval()


@pytest.fixture(scope="session")
def forecaster(tiny: ZeroShotNetwork) -> ZeroShotForecaster:
    """The same as a forecaster."""
    return ZeroShotForecaster(tiny)
