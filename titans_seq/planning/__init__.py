"""What a model costs before it is trained: arithmetic, memory, and the time that a device needs."""

from titans_seq.planning.counting import Arithmetic, Cost, count_step
from titans_seq.planning.devices import DEVICES, Device
from titans_seq.planning.examples import Example, choose_batches, plan_examples, representatives
from titans_seq.planning.language import Budget, count_training, language_step, make_plan
from titans_seq.planning.plan import (
    Assumptions,
    Batch,
    Plan,
    Seconds,
    plan_batch,
    plan_batches,
    unfused,
)
from titans_seq.planning.timing import Timed, time_step, time_steps

__all__ = [
    "DEVICES",
    "Arithmetic",
    "Assumptions",
    "Batch",
    "Budget",
    "Cost",
    "Device",
    "Example",
    "Plan",
    "Seconds",
    "Timed",
    "choose_batches",
    "count_step",
    "count_training",
    "language_step",
    "make_plan",
    "plan_batch",
    "plan_batches",
    "plan_examples",
    "representatives",
    "time_step",
    "time_steps",
    "unfused",
]
