"""Simple models that every result stands beside: fitted in seconds, and hard to beat on many sets.

All have `fit(train, validation, seed)`, which gives a model as `genomics.evaluation` wants it.
"""

from ..evaluation.values import Kind
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


def standard_baselines(kind: Kind = "classes", network: SmallCNN | None = None) -> tuple[Baseline, ...]:
    """Return the baselines that an evaluation prints, from the most trivial one on.

    Args:
        kind: of the labels; linear models of values are ridge regressions, and the most trivial model is their mean.
        network: how the network is trained; its defaults if None.

    Example:
        >>> [baseline.name for baseline in standard_baselines()]
        ['majority', 'length only', 'k-mer regression', 'one-hot regression', 'small CNN']
        >>> [baseline.name for baseline in standard_baselines("regression")]
        ['mean', 'length only', 'ridge on k-mers', 'ridge on positions', 'small CNN']
    """
    network = network or SmallCNN()
    if kind == "regression":
        linear = KmerRegression("ridge on k-mers"), PositionRegression("ridge on positions")
        return Majority("mean"), LengthOnly(), *linear, network
    return Majority(), LengthOnly(), KmerRegression(), PositionRegression(), network
