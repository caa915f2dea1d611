"""Run folders: what training writes, and nothing of it anywhere else; and predictors, which come out of them.

The names below load on first use, so that what only predicts does not wait for Lightning.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .predictor import Prediction, Predictor
    from .pretrain_runs import pretrain_run, resume_pretrain_run
    from .saving import load_classifier, load_embedder, load_encoder, save_classifier
    from .train_runs import resume_run, train_run

_HOMES = {
    "Prediction": ".predictor",
    "Predictor": ".predictor",
    "load_classifier": ".saving",
    "load_embedder": ".saving",
    "load_encoder": ".saving",
    "pretrain_run": ".pretrain_runs",
    "resume_pretrain_run": ".pretrain_runs",
    "resume_run": ".train_runs",
    "save_classifier": ".saving",
    "train_run": ".train_runs",
}

__all__ = [
    "Prediction",
    "Predictor",
    "load_classifier",
    "load_embedder",
    "load_encoder",
    "pretrain_run",
    "resume_pretrain_run",
    "resume_run",
    "save_classifier",
    "train_run",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'genomics.runs' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name], __name__), name)
