"""Simple models that every result stands beside: fitted in seconds, and hard to beat on many sets.

All have `fit(train, validation, seed)`, which gives a model as `genomics.evaluation` wants it.
"""

from .cnn import CNNModel, SmallCNN
from .kmers import KmerRegression
from .linear import LinearModel
from .positions import PositionRegression
from .resnet import TunedResNet
from .trivial import LengthModel, LengthOnly, Majority, MajorityModel
from .values import Baseline

__all__ = [
    "Baseline",
    "CNNModel",
    "KmerRegression",
    "LengthModel",
    "LengthOnly",
    "LinearModel",
    "Majority",
    "MajorityModel",
    "PositionRegression",
    "SmallCNN",
    "TunedResNet",
    "standard_baselines",
]


def standard_baselines(epochs: int = 10, device: str = "cpu") -> tuple[Baseline, ...]:
    """The baselines that an evaluation prints, from the most trivial one on.

    Args:
        epochs: of the network.
        device: of the network.

    Example:
        >>> [baseline.name for baseline in standard_baselines()]
        ['majority', 'length only', 'k-mer regression', 'one-hot regression', 'small CNN']
    """
    network = SmallCNN(epochs=epochs, device=device)
    return Majority(), LengthOnly(), KmerRegression(), PositionRegression(), network
