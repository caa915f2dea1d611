"""One set: our model and the baselines, each trained on every seed and fold that has no row yet."""

import datetime
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from titans_seq.config import to_dict
from titans_seq.experiment.provenance import checkout_commit
from titans_seq.jsonl import append_row, read_rows
from titans_seq.progress import Progress

from ..baselines import Baseline
from ..evaluation import BootstrapOptions, Evaluation, Model, evaluate
from ..models import ClassifierConfig
from ..runs.folder import fingerprint, versions
from ..runs.plan import Plan, divided
from ..runs.predictor import Predictor
from ..runs.saving import load_encoder
from ..sequences.values import Splits
from ..training.config import TrainConfig
from ..training.fitting import fit, new_classifier
from .sets import BenchmarkSet

FOLD_SEED = 0
"""Folds and their validation parts are the same for every seed."""
_TELLING = ("dataset", "model", "seed", "fold", "settings", "data")


@dataclass(frozen=True)
class Trial:
    """Our model, as it is trained and named.

    Attributes:
        name: in tables.
        classifier: the model.
        train: how it is trained; each run has a seed of its own.
        init: the pretraining run that it begins with.
        device: where everything computes, as PyTorch names it.
        progress: what to show while it trains.
    """

    name: str
    classifier: ClassifierConfig
    train: TrainConfig
    init: Path | None = None
    device: str = "cpu"
    progress: Progress = "none"


@dataclass(frozen=True)
class _Fitted:
    model: Model
    facts: dict[str, Any]


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
    plan = Plan(str(chosen.path), folds=chosen.folds, seed=FOLD_SEED)
    done = {_telling(row) for row in read_rows(rows)}
    for each, parts in divided(splits, plan):
        data = fingerprint((parts.train, parts.validation, parts.test))
        for seed in seeds:
            at = {"dataset": chosen.name, "seed": seed, "fold": each.fold, "data": data}
            for about, train in _tasks(trial, baselines, parts, seed):
                known = at | about
                if _telling(known) in done:
                    continue
                fold = "" if each.fold is None else f", fold {each.fold} of {each.folds}"
                notify(f"{chosen.name}, seed {seed}{fold}: {about['model']}")
                append_row(rows, _row(known, train, parts))


def _tasks(
    trial: Trial | None, baselines: Sequence[Baseline], parts: Splits, seed: int
) -> list[tuple[dict[str, Any], Callable[[], _Fitted]]]:
    """What tells each run from the others, and the function that trains it."""
    tasks: list[tuple[dict[str, Any], Callable[[], _Fitted]]] = []
    if trial is not None:
        settings = {
            "classifier": to_dict(trial.classifier),
            "train": {name: value for name, value in to_dict(trial.train).items() if name != "seed"},
            "init": None if trial.init is None else _named(trial.init),
        }
        tasks.append(({"model": trial.name, "ours": True, "settings": settings}, lambda: _fit(trial, parts, seed)))
    for baseline in baselines:
        about = {"model": baseline.name, "ours": False, "settings": _settings(baseline)}
        tasks.append((about, lambda baseline=baseline: _fit_baseline(baseline, parts, seed)))
    return tasks


def _fit(trial: Trial, parts: Splits, seed: int) -> _Fitted:
    init = None if trial.init is None else load_encoder(trial.init)[0].encoder
    model = new_classifier(trial.classifier, seed, init)
    config = replace(trial.train, seed=seed)
    accelerator = "gpu" if trial.device == "cuda" else "cpu"
    result = fit(model, parts.train, parts.validation, config, progress=trial.progress, accelerator=accelerator)
    facts = {
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
    }
    return _Fitted(Predictor(model, parts.train.classes, device=trial.device), facts)


def _fit_baseline(baseline: Baseline, parts: Splits, seed: int) -> _Fitted:
    assert parts.validation is not None
    model = baseline.fit(parts.train, parts.validation, seed)
    return _Fitted(model, {"chosen": model.chosen} if hasattr(model, "chosen") else {})  # pyright: ignore


def _row(known: dict[str, Any], train: Callable[[], _Fitted], parts: Splits) -> dict[str, Any]:
    assert parts.validation is not None
    assert parts.test is not None
    began = time.perf_counter()
    fitted = train()
    seconds = time.perf_counter() - began
    plain = BootstrapOptions(repeats=0)
    validation = evaluate(fitted.model, parts.validation, plain, known["model"])
    test = evaluate(fitted.model, parts.test, plain, known["model"])
    return {
        **known,
        "counts": {"train": len(parts.train), "validation": len(parts.validation), "test": len(parts.test)},
        "validation": _scores(validation),
        "test": _scores(test),
        "seconds": round(seconds, 2),
        **fitted.facts,
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "commit": checkout_commit("genomics", "titans_seq"),
    }


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


def _telling(row: dict[str, Any]) -> str:
    return json.dumps([row.get(name) for name in _TELLING], sort_keys=True)
