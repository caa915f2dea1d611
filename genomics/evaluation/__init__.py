"""How good a classifier is: scores with bootstrap intervals, tables; `pictures` draws.

`Model` is all that an evaluation asks of one.
"""

from .evaluating import bootstrap_intervals, evaluate, evaluate_outputs
from .metrics import Measure, mcc
from .report import class_table, markdown, table
from .values import BootstrapOptions, Evaluation, Kind, Model, checked_outputs

__all__ = [
    "BootstrapOptions",
    "Evaluation",
    "Kind",
    "Measure",
    "Model",
    "bootstrap_intervals",
    "checked_outputs",
    "class_table",
    "evaluate",
    "evaluate_outputs",
    "markdown",
    "mcc",
    "table",
]
