"""What a model costs before it is trained: arithmetic, memory, and the time that a device needs."""

from titans_seq.planning.counting import Arithmetic, Cost, count_step, count_training, language_step
from titans_seq.planning.devices import DEVICES, Device
from titans_seq.planning.plan import (
    Assumptions,
    Batch,
    Budget,
    Plan,
    Seconds,
    make_plan,
    plan_batch,
    plan_batches,
    representatives,
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
    "Plan",
    "Seconds",
    "Timed",
    "count_step",
    "count_training",
    "language_step",
    "make_plan",
    "plan_batch",
    "plan_batches",
    "representatives",
    "time_step",
    "time_steps",
    "unfused",
]
