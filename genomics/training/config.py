"""How a classifier is trained, and how an encoder is pretrained."""

from dataclasses import dataclass, field
from typing import Literal, get_args

from titans_seq.errors import UserError, require_at_least
from titans_seq.experiment.settings import OptimiserConfig

Monitor = Literal["mcc", "loss"]
ClassWeights = Literal["none", "balanced"]
Objective = Literal["next", "masked"]


@dataclass(frozen=True)
class TrainConfig:
    """How a classifier is trained.

    Attributes:
        epochs: most passes over the training part, at least 1.
        rows: sequences of a step, at least 1; fewer where they are long, see `tokens`.
        tokens: most tokens of a step, padding included, at least 1; a longer sequence has a step to itself, which reads
            it piece by piece.
        optimiser: AdamW and its cosine schedule; a warm-up longer than a tenth of all steps is cut to that.
        patience: training stops after so many epochs without a better validation score, at least 1; None trains all
            of them. The learning rate falls to zero over the epochs, so that a run which is stopped early misses the
            part of it where noise settles; the best epoch is kept in any case.
        monitor: the validation score that decides: "mcc" (the mean over labels for several labels) or "loss"; None is
            "mcc" for classes and "loss" otherwise.
        class_weights: "balanced" weighs each class by how rare it is in the training part.
        write_cost: weight in the loss of what the memories write, at least 0; see `titans_seq.training.writes`.
        mutations: share of the bases that training draws anew at random, in [0, 1): a sequence is never the same
            twice, which keeps a model from learning the set by heart. Of single nucleotides alone.
        seed: of weights, order, dropout, strands and mutations, at least 0.

    Raises:
        UserError: if a value is out of range.
    """

    epochs: int = 10
    rows: int = 32
    tokens: int = 32_768
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(lr=2e-3, least=0.0))
    patience: int | None = None
    monitor: Monitor | None = None
    class_weights: ClassWeights = "none"
    write_cost: float = 0.0
    mutations: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        require_at_least(self, seed=0, write_cost=0, epochs=1, rows=1, tokens=1)
        if self.patience is not None:
            require_at_least(self, patience=1)
        if not 0 <= self.mutations < 1:
            raise UserError(f"mutations must be in [0, 1), got {self.mutations}")
        _one_of(self, "class_weights", get_args(ClassWeights))
        _one_of(self, "monitor", (None, *get_args(Monitor)))


@dataclass(frozen=True)
class PretrainConfig:
    """How an encoder is pretrained.

    Attributes:
        objective: "next" predicts each token from those before it, whatever the encoder's directions; "masked" fills
            in hidden tokens from both sides.
        steps: optimiser steps, at least 1.
        length: tokens of a window, at least 2.
        rows: windows of a step, at least 1.
        optimiser: AdamW and its cosine schedule; a warm-up longer than a tenth of all steps is cut to that.
        mask_share: share of the tokens that "masked" asks for, in (0, 1): of these, 80% are hidden, 10% replaced by
            others and 10% left as they are.
        both_strands: whether each window comes from either strand at random.
        validation: share of all tokens, at the end of the data, that is kept for validation, in [0, 0.5].
        every: steps between validations and checkpoints, at least 1; there is one of both at the end in any case.
        seed: of weights, windows, masks and dropout, at least 0.

    Raises:
        UserError: if a value is out of range.
    """

    objective: Objective = "masked"
    steps: int = 2_000
    length: int = 1_024
    rows: int = 16
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    mask_share: float = 0.15
    both_strands: bool = False
    validation: float = 0.05
    every: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        require_at_least(self, seed=0, length=2, steps=1, rows=1, every=1)
        _one_of(self, "objective", get_args(Objective))
        if not 0 < self.mask_share < 1:
            raise UserError(f"mask_share must be in (0, 1), got {self.mask_share}")
        if not 0 <= self.validation <= 0.5:
            raise UserError(f"validation must be in [0, 0.5], got {self.validation}")


def _one_of(config: object, name: str, choices: tuple[object, ...]) -> None:
    if getattr(config, name) not in choices:
        known = ", ".join(str(choice) for choice in choices if choice is not None)
        raise UserError(f"{name} must be one of {known}, got {getattr(config, name)!r}")
