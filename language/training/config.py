"""All settings of a pretraining run."""

from dataclasses import dataclass, field
from typing import Literal

from titans_seq.errors import require_at_least
from titans_seq.models import CausalLMConfig
from titans_seq.experiment.settings import OptimiserConfig

from .settings import BatchConfig, RecordConfig

Precision = Literal["32-true", "bf16-mixed", "bf16-true"]

LOG = "log.jsonl"
"""Name of a run's log in its folder."""


@dataclass(frozen=True)
class PretrainConfig:
    """A model and how it is trained; where the data is and what it runs on are not part of it.

    Attributes:
        model: what is trained.
        steps: optimiser steps, at least 1.
        optimiser: AdamW and its schedule.
        batches: what is read at once.
        records: validations, checkpoints and the log.
        write_cost: weight in the loss of what the memories write, at least 0; see `titans_seq.training.writes`.
        seed: of weights and order, at least 0.
        precision: as Lightning names it.
        compile: whether the model goes through torch.compile.

    Raises:
        UserError: if a number is out of its range.
    """

    model: CausalLMConfig
    steps: int
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)
    records: RecordConfig = field(default_factory=RecordConfig)
    write_cost: float = 0.0
    seed: int = 0
    precision: Precision = "32-true"
    compile: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, steps=1, seed=0, write_cost=0)
