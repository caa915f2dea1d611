"""Models: an encoder over any Titans block, and the classifier on top of it."""

from .classifier import Classifier, ClassifierConfig
from .encoder import Encoder, EncoderConfig
from .identity import IdentityBlockConfig
from .one_hot import OneHotClassifier
from .presets import PRESETS, encoder_preset
from .stem import StemConfig

__all__ = [
    "PRESETS",
    "Classifier",
    "ClassifierConfig",
    "Encoder",
    "EncoderConfig",
    "IdentityBlockConfig",
    "OneHotClassifier",
    "StemConfig",
    "encoder_preset",
]
