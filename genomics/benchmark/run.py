"""One set: our model and the baselines, each trained on every seed and fold that has no row yet."""

import functools
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from titans_seq.config import to_dict
from titans_seq.experiment.provenance import checkout_commit, now, versions_of
from titans_seq.experiment.rows import row_of
from titans_seq.experiment.settings import RUNTIME, Runtime

from ..baselines import Baseline
from ..evaluation import BootstrapOptions, Evaluation, Model, evaluate
from ..models import ClassifierConfig
from ..models.untrained import new_classifier
from ..runs.config import PACKAGES, fingerprint
from ..runs.plan import Plan, divided
from ..runs.predictor import Predictor
from ..runs.saving import load_encoder
from ..sequences.values import Splits
from ..training.config import PartConfig, TrainConfig
from ..training.fitting import fit
from .sets import BenchmarkSet

FOLD_SEED = 0
"""Folds and their validation parts are the same for every seed."""


@dataclass(frozen=True)
class Trial:
    """Our model, as it is trained and named.

    Attributes:
        name: in tables.
        classifier: the model.
        train: how it is trained; each run has a seed of its own.
        init: the pretraining run that it begins with.
        runtime: what it runs on and shows meanwhile.
    """

    name: str
    classifier: ClassifierConfig
    train: TrainConfig
    init: Path | None = None
    runtime: Runtime = RUNTIME


@dataclass(frozen=True)
class _Fitted:
    model: Model
    facts: dict[str, Any]


@dataclass(frozen=True)
class _Task:
    """A model to train, its settings, and whether it is ours."""

    name: str
    settings: dict[str, Any]
    train: Callable[[], _Fitted]
    ours: bool = False


def run_set(
    chosen: BenchmarkSet,
    splits: Splits,
    trial: Trial | None,
    baselines: Sequence[Baseline],
    seeds: Sequence[int],
    rows: Path,
    notify: Callable[[str], object] = lambda text: None,
) -> None:
    """Train and score everything that has no row in a file yet, and add a row for each.

    Validation chooses the epoch and the settings of the baselines; the test part is read once, after that.

    Args:
        chosen: the set.
        splits: its data.
        trial: our model; None for the baselines alone.
        baselines: beside it.
        seeds: of weights, order and strands; folds are the same for all.
        rows: the file, JSON lines.
        notify: called with a line about each run before it begins.

    Raises:
        UserError: if training fails, or the file is damaged.
    """
    plan = Plan(str(chosen.path), parts=PartConfig(folds=chosen.folds), seed=FOLD_SEED)
    for each, parts in divided(splits, plan):
        data = fingerprint((parts.train, parts.validation, parts.test))
        fold = "" if each.fold is None else f", fold {each.fold} of {each.parts.folds}"
        for seed in seeds:
            for task in _tasks(trial, baselines, parts, seed):
                identity = {
                    "dataset": chosen.name,
                    "seed": seed,
                    "fold": each.fold,
                    "data": data,
                    "model": task.name,
                    "settings": task.settings,
                }
                title = f"{chosen.name}, seed {seed}{fold}: {task.name}"
                row_of(rows, identity, functools.partial(_outcome, task, parts, title, notify))


def _tasks(trial: Trial | None, baselines: Sequence[Baseline], parts: Splits, seed: int) -> list[_Task]:
    tasks = []
    if trial is not None:
        settings = {
            "classifier": to_dict(trial.classifier),
            "train": _named_training(trial.train),
            "init": None if trial.init is None else _named(trial.init),
        }
        tasks.append(_Task(trial.name, settings, functools.partial(_fit, trial, parts, seed), ours=True))
    for baseline in baselines:
        fit_baseline = functools.partial(_fit_baseline, baseline, parts, seed)
        tasks.append(_Task(baseline.name, _settings(baseline), fit_baseline))
    return tasks


def _fit(trial: Trial, parts: Splits, seed: int) -> _Fitted:
    init = None if trial.init is None else load_encoder(trial.init)[0].encoder
    model = new_classifier(trial.classifier, seed, init)
    config = replace(trial.train, seed=seed)
    history = fit(model, parts.train, parts.validation, config, runtime=trial.runtime)
    facts = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": len(history.epochs),
        "best_epoch": history.best_epoch,
    }
    return _Fitted(Predictor(model, parts.train.classes, device=trial.runtime.hardware.device()), facts)


def _fit_baseline(baseline: Baseline, parts: Splits, seed: int) -> _Fitted:
    assert parts.validation is not None
    model = baseline.fit(parts.train, parts.validation, seed)
    return _Fitted(model, {"chosen": model.chosen} if hasattr(model, "chosen") else {})  # pyright: ignore


def _outcome(task: _Task, parts: Splits, title: str, notify: Callable[[str], object]) -> dict[str, Any]:
    assert parts.validation is not None
    assert parts.test is not None
    notify(title)
    began = time.perf_counter()
    fitted = task.train()
    seconds = time.perf_counter() - began
    plain = BootstrapOptions(repeats=0)
    validation = evaluate(fitted.model, parts.validation, plain, task.name)
    test = evaluate(fitted.model, parts.test, plain, task.name)
    return {
        "ours": task.ours,
        "counts": {"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)},
        "validation": _scores(validation),
        "test": _scores(test),
        "seconds": round(seconds, 2),
        **fitted.facts,
        "when": now(),
        "versions": versions_of(*PACKAGES),
        "commit": checkout_commit("genomics", "titans_seq"),
    }


def _named_training(config: TrainConfig) -> dict[str, Any]:
    """Settings of a training but for the seed; a patience that cannot be used up is none."""
    named = {name: value for name, value in to_dict(config).items() if name != "seed"}
    if config.patience is not None and config.epochs is not None and config.patience >= config.epochs:
        named["patience"] = None
    return named


def _named(init: Path) -> str:
    """A pretraining run by its path and its weights, since another may have taken its place."""
    weights = load_encoder(init)[0].state_dict()
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in weights.values())).hexdigest()
    return f"{init.resolve()} (SHA-256 of the weights {digest[:16]})"


def _scores(evaluation: Evaluation) -> dict[str, float]:
    return {name: round(value, 6) for name, value in evaluation.scores.items()}


def _settings(baseline: Baseline) -> dict[str, Any]:
    """Its fields but for the device, which changes no meaning."""
    return {name: value for name, value in asdict(baseline).items() if name != "device"}  # pyright: ignore
