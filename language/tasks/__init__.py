"""Tasks that ask a model what it remembers: generators of token sequences with known answers.

`TASKS` lists them with their training and test lengths; `build_task` makes one; a task's `batch` draws sequences, and
`token_accuracy`, `exact_match` and `class_accuracy` score what a model makes of them.
"""

from .babilong import BABILong
from .base import IGNORE, Task, TaskBatch
from .catalogue import FOLDERS, TASKS, TaskRecipe, build_task
from .copying import Copy, SelectiveCopying, VectorCopy
from .induction import InductionHeads
from .mad import Compression, InContextRecall, MADSelectiveCopying, Memorization
from .mad_fuzzy import FuzzyRecall
from .needle import Needle
from .parity import Parity
from .recall import MQAR
from .scan import SCAN
from .scoring import class_accuracy, exact_match, token_accuracy

__all__ = [
    "BABILong",
    "Compression",
    "FOLDERS",
    "Copy",
    "FuzzyRecall",
    "IGNORE",
    "InContextRecall",
    "InductionHeads",
    "MADSelectiveCopying",
    "MQAR",
    "Memorization",
    "Needle",
    "Parity",
    "SCAN",
    "SelectiveCopying",
    "TASKS",
    "Task",
    "TaskBatch",
    "TaskRecipe",
    "VectorCopy",
    "build_task",
    "class_accuracy",
    "exact_match",
    "token_accuracy",
]
