"""Trials of memory: small models, of equal size, trained on a task and tested at many times its length.

`Plan` says what is compared; `run_trials` trains and tests what has no row in a file yet; `summarise` puts the rows
together for `tables`, `markdown` and `picture.draw`.
"""

from .answer_model import AnswerModel
from .models import MODELS, ModelOptions, trial_model
from .report import Summary, markdown, mean_scores, summarise, tables
from .rows import trial_rows
from .settings import LengthTests, TrainingOptions, TrialSettings, ValidationOptions, default_settings
from .streaming import score
from .training import TrainingHistory, train
from .trial import Plan, run_trials

__all__ = [
    "TrainingHistory",
    "LengthTests",
    "MODELS",
    "ModelOptions",
    "Plan",
    "AnswerModel",
    "Summary",
    "TrainingOptions",
    "TrialSettings",
    "ValidationOptions",
    "default_settings",
    "markdown",
    "mean_scores",
    "run_trials",
    "score",
    "summarise",
    "tables",
    "train",
    "trial_model",
    "trial_rows",
]
