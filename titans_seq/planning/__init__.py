"""What a model costs before it is trained: arithmetic, memory, and the time that a device needs."""

from titans_seq.planning.counting import Arithmetic, Cost, count_training
from titans_seq.planning.devices import DEVICES, Device
from titans_seq.planning.plan import Assumptions, Budget, Plan, make_plan

__all__ = [
    "DEVICES",
    "Arithmetic",
    "Assumptions",
    "Budget",
    "Cost",
    "Device",
    "Plan",
    "count_training",
    "make_plan",
]
