"""Run folders: what training writes, and nothing of it anywhere else; and predictors, which come out of them."""

from .predictor import Prediction, Predictor
from .pretrain_runs import pretrain_run, resume_pretrain_run
from .saving import load_classifier, load_embedder, load_encoder, save_classifier
from .train_runs import resume_run, train_run

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
