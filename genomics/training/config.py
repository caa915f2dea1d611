"""How a classifier is trained, and how an encoder is pretrained: flags and YAML alike, without PyTorch."""

from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from tyro.conf import arg

from titans_seq.errors import UserError, choose, require_at_least, require_seed
from titans_seq.experiment.settings import OptimiserConfig

Monitor = Literal["mcc", "loss"]
ClassWeights = Literal["none", "balanced"]
Objective = Literal["next", "masked"]


@dataclass(frozen=True)
class PartConfig:
    """How the data is divided, where it is not.

    Attributes:
        folds: Cross-validate: N runs, at least 2, each tested on another part; a test part of the data is left alone.
        seeds: Train N models, at least 2, with the seeds from seed on, on the same parts; their mean is what is tested,
            and what titans dna predict uses.
        groups: Keep near-duplicates (40 bases in common, on either strand) in one part.
        test_share: Share for testing where the data has no test part, in [0, 1); 0 tests on the validation part.
        validation_share: Share for validation where the data has no such part, in (0, 1).
        final: Train once more on all parts together, for as many epochs as were best, into the folder final of the
            run: the model to use, while the scores stay those of the one that saw neither validation nor test part.

    Raises:
        UserError: if a number is out of its range.
    """

    folds: Annotated[int | None, arg(help_behavior_hint="")] = None
    seeds: Annotated[int | None, arg(help_behavior_hint="")] = None
    groups: bool = False
    test_share: float = 0.1
    validation_share: float = 0.1
    final: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.test_share < 1:
            raise UserError(f"the test share must be in [0, 1), got {self.test_share}")
        if not 0 < self.validation_share < 1:
            raise UserError(f"the validation share must be in (0, 1), got {self.validation_share}")
        if self.folds is not None and self.folds < 2:
            raise UserError(f"the number of folds must be at least 2, got {self.folds}")
        if self.seeds is not None and self.seeds < 2:
            raise UserError(f"the number of seeds must be at least 2, got {self.seeds}")
        if self.folds is not None and self.seeds is not None:
            raise UserError("the runs of --folds differ by their parts, those of --seeds do not: leave out one")


@dataclass(frozen=True)
class TrainConfig:
    """How a classifier is trained.

    Attributes:
        epochs: Most passes over the training part, at least 1; the best of them is kept. By the size of the set if not
            given: 10, more of a small set and fewer of a very large one.
        rows: Sequences of a step, at least 1; fewer where they are long, see tokens, or few, see least_steps.
        least_steps: Least steps of an epoch: of a small set a step has half as many rows, or a quarter, but not fewer
            than 8; 0 takes rows as they are.
        tokens: Most tokens of a step, padding included, at least 1; a longer sequence has a step to itself, which
            reads it piece by piece.
        optimiser: AdamW and its schedule.
        patience: Stop after N epochs in which neither the score nor the loss of validation was better, at least 1; two
            fifths of the epochs if not given, as the learning rate falls to zero over them and the best come late.
        monitor: Validation score that decides; mcc for classes, loss for several labels and for a regression if not
            given. The mcc of several labels is their mean.
        class_weights: Weigh each class by how rare it is in the training part.
        write_cost: Weight in the loss of what the memories write, at least 0.
        mutations: Share of the bases that training draws anew at random, in [0, 1): a sequence is never the same
            twice, which keeps a model from learning the set by heart. Of single nucleotides alone; there 0.05 if not
            given, or 0.1 where the sequences are long and few.
        seed: Seed of the parts, weights, order, dropout, strands and mutations, at least 0.

    Raises:
        UserError: if a value is out of range.
    """

    epochs: Annotated[int | None, arg(help_behavior_hint="")] = None
    rows: int = 32
    least_steps: int = 25
    tokens: int = 32_768
    optimiser: OptimiserConfig = field(default_factory=lambda: OptimiserConfig(lr=2e-3, least=0.0))
    patience: Annotated[int | None, arg(help_behavior_hint="")] = None
    monitor: Annotated[Monitor | None, arg(help_behavior_hint="")] = None
    class_weights: ClassWeights = "none"
    write_cost: float = 0.0
    mutations: Annotated[float | None, arg(help_behavior_hint="")] = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = {name: 1 for name in ("epochs", "patience") if getattr(self, name) is not None}
        require_seed(self.seed)
        require_at_least(self, write_cost=0, rows=1, least_steps=0, tokens=1, **given)
        if self.mutations is not None and not 0 <= self.mutations < 1:
            raise UserError(f"mutations must be in [0, 1), got {self.mutations}")
        choose(self.class_weights, get_args(ClassWeights), "class_weights")
        if self.monitor is not None:
            choose(self.monitor, get_args(Monitor), "monitor")


@dataclass(frozen=True)
class PretrainConfig:
    """How an encoder is pretrained.

    Attributes:
        objective: Name hidden tokens from both sides, which needs directions both, or the next one from those before
            it, which needs stem none (these are taken if not given).
        steps: Optimiser steps, at least 1.
        length: Tokens of a window, at least 2.
        rows: Windows of a step, at least 1.
        optimiser: AdamW and its schedule.
        mask_share: Share of the tokens that "masked" asks for, in (0, 1): of these, 80% are hidden, 10% replaced by
            others and 10% left as they are.
        both_strands: Read each window from either strand at random.
        validation: Share of all tokens, at the end of the data, that is kept for validation, in [0, 0.5].
        every: Steps between validations and checkpoints, at least 1; there is one of both at the end in any case.
        seed: Seed of weights, windows, masks and dropout, at least 0.

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
        require_seed(self.seed)
        require_at_least(self, length=2, steps=1, rows=1, every=1)
        choose(self.objective, get_args(Objective), "objective")
        if not 0 < self.mask_share < 1:
            raise UserError(f"mask_share must be in (0, 1), got {self.mask_share}")
        if not 0 <= self.validation <= 0.5:
            raise UserError(f"validation must be in [0, 0.5], got {self.validation}")
