"""How a trial trains: the settings, and those that each task's default is."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from titans_seq.errors import UserError, require_at_least

from ..tasks import TASKS
from .models import ModelOptions

Schedule = Literal["cosine", "constant"]


@dataclass(frozen=True)
class TrainingOptions:
    """AdamW on fresh batches, with a linear warm-up and gradients clipped at norm 1.

    Attributes:
        steps: most optimiser steps, at least 1.
        batch: sequences of a step, at least 1.
        lr: learning rates, at least one, all above 0. Of several, the one that does best on validation with the first
            seed trains all seeds.
        schedule: "cosine" ends at a tenth of the learning rate.
        warm_up: steps in which the learning rate rises, at least 0.
        weight_decay: of matrices, at least 0.
        write_cost: weight in the loss of what the memories write, at least 0; see `titans_seq.training.writes`.
        warm_up_lengths: shorter sequences to begin with, ascending; they share the first half of the steps equally, and
            one that comes several times has several shares.
        even_tokens: whether the shorter sequences come in larger batches, of as many tokens as the others.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> TrainingOptions(steps=500, lr=(1e-3, 3e-3), warm_up_lengths=(64, 128)).schedule
        'cosine'
    """

    steps: int = 2_000
    batch: int = 64
    lr: tuple[float, ...] = (3e-3,)
    schedule: Schedule = "cosine"
    warm_up: int = 50
    weight_decay: float = 0.1
    write_cost: float = 0.1
    warm_up_lengths: tuple[int, ...] = ()
    even_tokens: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, steps=1, batch=1, warm_up=0, weight_decay=0, write_cost=0)
        if not self.lr or not all(lr > 0 for lr in self.lr):
            raise UserError(f"lr must be one or more numbers above 0, got {self.lr}")


@dataclass(frozen=True)
class ValidationOptions:
    """When a model is validated, and when it is good enough.

    Attributes:
        every: steps between two validations, at least 1.
        sequences: of a validation, at least 1.
        stop_at: training stops when validation reaches this score, in (0, 1]; 1 asks for a flawless one.
        stop_after: validations in a row that must reach it, at least 1.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> ValidationOptions(every=50, stop_after=2).sequences
        256
    """

    every: int = 100
    sequences: int = 256
    stop_at: float = 0.995
    stop_after: int = 1

    def __post_init__(self) -> None:
        require_at_least(self, every=1, sequences=1, stop_after=1)
        if not 0 < self.stop_at <= 1:
            raise UserError(f"stop_at must be in (0, 1], got {self.stop_at}")


@dataclass(frozen=True)
class LengthTests:
    """How many sequences a test has.

    Attributes:
        tests: sequences at each test length, at least 1; at lengths above `most_tokens / tests`, as many as fit into
            `most_tokens`, but at least a quarter.
        most_tokens: tokens of the sequences at one test length, at least 1.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> LengthTests(tests=100, most_tokens=100_000).sequences(4_000)
        25
    """

    tests: int = 256
    most_tokens: int = 4_194_304

    def __post_init__(self) -> None:
        require_at_least(self, tests=1, most_tokens=1)

    def sequences(self, length: int) -> int:
        """Return the number of sequences of a test.

        Example:
            >>> [LengthTests(tests=256).sequences(length) for length in (256, 32_768, 1_000_000)]
            [256, 128, 64]
        """
        return min(self.tests, max(-(-self.tests // 4), self.most_tokens // length))


@dataclass(frozen=True)
class TrialSettings:
    """What is fixed in a trial besides task, model and seed.

    Attributes:
        model: what its models have in common.
        training: how they are trained.
        validation: when they are good enough.
        testing: how much they are tested on.

    Example:
        >>> TrialSettings(training=TrainingOptions(steps=500)).validation.stop_at
        0.995
    """

    model: ModelOptions = field(default_factory=ModelOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)
    validation: ValidationOptions = field(default_factory=ValidationOptions)
    testing: LengthTests = field(default_factory=LengthTests)

    def changed(self, **changes: Any) -> "TrialSettings":
        """Return settings with changes to fields of any part; those that are None stay.

        Example:
            >>> TrialSettings().changed(dim=32, steps=10, batch=None).training.batch
            64
        """
        given = {name: value for name, value in changes.items() if value is not None}
        parts = {}
        for part in fields(self):
            names = {each.name for each in fields(getattr(self, part.name))}
            mine = {name: given.pop(name) for name in names & given.keys()}
            parts[part.name] = replace(getattr(self, part.name), **mine)
        if given:
            raise TypeError(f"no setting of a trial: {', '.join(given)}")
        return TrialSettings(**parts)


def default_settings(task: str) -> TrialSettings:
    """Return the settings that a task's trial has unless told otherwise.

    Example:
        >>> default_settings("niah-single-1").training.warm_up_lengths
        (128, 256)
    """
    warm_up_lengths = TASKS[task].warm_up_lengths if task in TASKS else ()
    return _TUNED.get(task, TrialSettings(training=TrainingOptions(warm_up_lengths=warm_up_lengths)))


RECALL_GATES = replace(ModelOptions().gates, momentum_bias=-3.0, decay_bias=-2.5)
"""Gates of a memory that is to recall what stood there once: they begin nearly without momentum."""


def _mqar(*shorter: int, batch: int = 64) -> TrialSettings:
    # Tried with one seed: with these gates 400 steps on four pairs brought the loss to 1.1 rather than 4.1, and with
    # two narrow heads, momentum and all, sixteen pairs were at 86% when stopped. Nearly every token is worth a write,
    # so writing costs nothing. Short sequences full of pairs ask most.
    return TrialSettings(
        ModelOptions(heads=1, gates=RECALL_GATES),
        TrainingOptions(1_400, batch, lr=(1e-2,), write_cost=0, warm_up_lengths=(16,) * 5 + shorter),
        ValidationOptions(stop_at=0.998),
    )


_TUNED: dict[str, TrialSettings] = {
    # Without the shorter lengths LMM had learned nothing in 300 steps of 256 tokens. Validation is flawless long before
    # the gates are shut for all that does not matter: training goes on for that.
    "induction-heads": TrialSettings(
        training=TrainingOptions(steps=1_000, batch=32, weight_decay=0, warm_up_lengths=(16, 32, 64, 128)),
        validation=ValidationOptions(stop_at=1.0, stop_after=5),
    ),
    "mqar-128-8": _mqar(32, 32, 32, 64, 64),
    "mqar-256-16": _mqar(32, 32, 64, 64, 128),
    # Each sequence has 64 answers: fewer of them, to end within a quarter of an hour.
    "mqar-512-64": _mqar(32, 32, 64, 64, 128, 128, 256, 256, 256, batch=16),
    # Stories of 64 words are learnt soon, and from 256 words on at once nothing is (one seed).
    "babilong-qa1": TrialSettings(
        training=TrainingOptions(
            steps=2_500,
            batch=8,
            warm_up_lengths=(64,) * 5 + (128,) * 2 + (256,) * 2 + (512,),
            even_tokens=True,
        ),
        validation=ValidationOptions(stop_at=0.98),
    ),
    "niah-single-1": TrialSettings(
        training=TrainingOptions(batch=32, warm_up_lengths=(128, 256)),
        validation=ValidationOptions(stop_at=0.99, stop_after=3),
    ),
}
