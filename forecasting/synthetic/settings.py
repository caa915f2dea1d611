"""Shares of what made-up series are drawn from; they need no NumPy."""

from dataclasses import asdict, dataclass, field

from titans_seq.errors import UserError


@dataclass(frozen=True)
class Families:
    """Weights of the processes of `generator.FAMILIES`; they need not add up to 1."""

    decomposed: float = 0.24
    structural: float = 0.28
    autoregressive: float = 0.08
    integrated: float = 0.08
    regimes: float = 0.06
    threshold: float = 0.03
    mean_reverting: float = 0.08
    spectral: float = 0.08
    long_memory: float = 0.05
    pulses: float = 0.02

    def __post_init__(self) -> None:
        weights = asdict(self)
        if min(weights.values()) < 0 or not sum(weights.values()) > 0:
            raise UserError(f"families must have weights of at least 0, one of them above 0, got {weights}")


@dataclass(frozen=True)
class Effects:
    """Probabilities that a series undergoes the effects of `generator.EFFECTS`, each by itself."""

    mixed: float = 0.08
    flipped: float = 0.05
    multiplicative: float = 0.4
    shifted: float = 0.06
    counts: float = 0.07
    intermittent: float = 0.02
    with_outliers: float = 0.08
    bounded: float = 0.04
    rounded: float = 0.06
    held: float = 0.01

    def __post_init__(self) -> None:
        if not all(0 <= share <= 1 for share in asdict(self).values()):
            raise UserError(f"effects are probabilities, in [0, 1], got {asdict(self)}")


@dataclass(frozen=True)
class GeneratorConfig:
    """What is drawn how often.

    Attributes:
        families: weights of the processes.
        effects: probabilities of the effects.
        gaps: probability that a series has missing values.

    Raises:
        UserError: if a weight or a probability is out of range.
    """

    families: Families = field(default_factory=Families)
    effects: Effects = field(default_factory=Effects)
    gaps: float = 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.gaps <= 1:
            raise UserError(f"gaps is a probability, in [0, 1], got {self.gaps}")
