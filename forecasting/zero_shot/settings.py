"""Settings of pretraining; they need no PyTorch."""

from dataclasses import dataclass, field, replace
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Suppress

from titans_seq.errors import UserError, require_at_least, require_seed
from titans_seq.experiment.settings import OptimiserConfig

from ..synthetic.settings import GeneratorConfig

_REFIT_SHARE = 3


@dataclass(frozen=True)
class BatchConfig:
    """How training batches are drawn.

    Attributes:
        tokens: Tokens of a batch, about: series times tokens of each, context and future.
        pool: Batches that share a draw of series, length and resolution; drawing many series at once is faster.
        resolutions: Probability of each of the network's patches; weights that need not add up to 1.
        shortest: Tokens of the shortest context, at least 1.
        longest_horizon: Tokens of the longest future, at least 1; never more than twice the context's.
        padded: Probability that a series begins later than its context.
        no_hint: Probability that the network is not told the periods of a series.
        wrong_hint: Probability that it is told others.
        generator: Shares of families and effects.

    Raises:
        UserError: if a value is out of range.
    """

    tokens: int = 1536
    pool: int = 6
    resolutions: tuple[float, ...] = (0.7, 0.2, 0.1)
    shortest: int = 1
    longest_horizon: int = 12
    padded: float = 0.6
    no_hint: float = 0.1
    wrong_hint: float = 0.05
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)

    def __post_init__(self) -> None:
        require_at_least(self, tokens=1, pool=1, shortest=1, longest_horizon=1)
        for name in ("padded", "no_hint", "wrong_hint"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"{name} is a probability, in [0, 1], got {getattr(self, name)}")
        if not self.resolutions or min(self.resolutions) < 0 or sum(self.resolutions) <= 0:
            raise UserError(f"resolutions must be weights, not all 0, got {self.resolutions}")


def _optimiser() -> OptimiserConfig:
    return OptimiserConfig(
        lr=2e-3, schedule="wsd", least=0.02, warmup=300, decay_share=0.2, betas=(0.9, 0.98), weight_decay=0.05
    )


@dataclass(frozen=True)
class PretrainingConfig:
    """How a zero-shot network is pretrained on made-up series.

    Attributes:
        steps: Optimiser steps, at least 1.
        seed: Seed of weights and series.
        optimiser: Optimiser and schedule.
        batches: How batches are drawn; see --set batches.
        validate_every: Steps between validations on held-out series.
        validation_pools: Pools of held-out series a validation reads.
        checkpoint_every: Steps between checkpoints.
        log_every: Steps between rows of the log.

    Raises:
        UserError: if a value is out of range.
    """

    steps: int = 100_000
    seed: int = 0
    optimiser: OmitArgPrefixes[OptimiserConfig] = field(default_factory=_optimiser)
    batches: Annotated[BatchConfig, Suppress] = field(default_factory=BatchConfig)
    validate_every: int = 2000
    validation_pools: int = 20
    checkpoint_every: int = 1000
    log_every: int = 100

    def __post_init__(self) -> None:
        require_seed(self.seed)
        require_at_least(self, steps=1, validate_every=1, validation_pools=1, checkpoint_every=1, log_every=1)


@dataclass(frozen=True)
class FineTuningConfig:
    """How a zero-shot network is trained on with a user's series.

    Attributes:
        steps: Optimiser steps, at least 1.
        lr: Largest learning rate, above 0; it falls to a twentieth along a cosine.
        tokens: Tokens of a batch, about.
        blend: Share of the trained weights in those that are kept, in (0, 1]; the rest are the weights before. Halfway
            between the two a network has learnt most of what there is to learn, and forgotten little (Wortsman et al.,
            Robust fine-tuning, CVPR 2022).
        seed: Seed of the windows.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> FineTuningConfig(steps=100, seed=1).blend
        0.5
    """

    steps: int = 200
    lr: float = 3e-4
    tokens: int = 768
    blend: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        require_seed(self.seed)
        require_at_least(self, steps=1, tokens=1)
        if not 0 < self.blend <= 1:
            raise UserError(f"blend must be in (0, 1], got {self.blend}")
        if not self.lr > 0:
            raise UserError(f"lr must be above 0, got {self.lr}")

    @property
    def refit(self) -> "FineTuningConfig":
        """Settings of going on with all rows: a third of the steps, at a third of the rate."""
        return replace(self, steps=-(-self.steps // _REFIT_SHARE), lr=self.lr / _REFIT_SHARE)

    @property
    def optimiser(self) -> OptimiserConfig:
        """All settings of the optimiser."""
        return OptimiserConfig(lr=self.lr, least=0.05, warmup=0.1, betas=(0.9, 0.98), weight_decay=0.01)
