"""Made-up series for pretraining: trends, seasons, processes and the flaws of measured data, from a seed."""

from .generator import Effects, Families, GeneratorConfig, SyntheticBatch, generate

__all__ = ["Effects", "Families", "GeneratorConfig", "SyntheticBatch", "generate"]
