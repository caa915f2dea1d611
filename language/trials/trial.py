"""Trials: train each model on a task with each seed, test it at all lengths, and keep one row of each."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from titans_seq.errors import UserError
from titans_seq.experiment.provenance import file_hash
from titans_seq.experiment.rows import find_row, made_by, row_of
from titans_seq.jsonl import read_rows

from ..data.documents import visible_files
from ..tasks import FOLDERS, TASKS, TaskRecipe, build_task
from .answer_model import AnswerModel
from .models import trial_model
from .settings import TrialSettings
from .training import TEST, TrainingHistory, held_out_score, train

Progress = Callable[[str, int, int, float | None], None]
"""Called with what runs, the steps made and to make, and the latest score if there is a new one."""


@dataclass(frozen=True)
class Plan:
    """What is to be run.

    Attributes:
        task: a key of `language.tasks.TASKS`.
        models: names of models, see `MODELS`.
        seeds: of initial weights and training data, at least one.
        settings: of models and training.
        data: folder of the tasks that are made from files.
        longest: no test is longer; None for all of the task's test lengths.

    Raises:
        UserError: if something is unknown or nothing is left to do.

    Example:
        >>> settings = TrialSettings().changed(steps=300)
        >>> Plan("mqar-64-4", ("lmm", "transformer"), seeds=(0, 1), settings=settings, longest=128).test_lengths
        (64, 128)
    """

    task: str
    models: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: TrialSettings
    data: Path | None = None
    longest: int | None = None

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            build_task(self.task, split, self.data)
        if not self.models or not self.seeds:
            raise UserError("a trial needs at least one model and one seed")
        for model in self.models:
            trial_model(model, 2, self.settings.model)
        if not self.test_lengths:
            shortest = min(self.recipe.test_lengths)
            raise UserError(
                f"longest must be at least {shortest}, the shortest test of {self.task}, got {self.longest}"
            )

    @property
    def recipe(self) -> TaskRecipe:
        """The task's recipe."""
        return TASKS[self.task]

    @property
    def test_lengths(self) -> tuple[int, ...]:
        """Lengths that are tested, ascending."""
        return tuple(n for n in self.recipe.test_lengths if self.longest is None or n <= self.longest)


def run_trials(plan: Plan, rows_file: Path, progress: Progress = lambda *_: None) -> list[Mapping[str, Any]]:
    """Run what of a plan has no row in a file yet, and return the rows of all of it.

    Each run's row is added as soon as it is done, so that a plan that was stopped goes on where it was. Where there
    are several learning rates, the first seed is trained with each of them first, for its validation alone.

    Args:
        plan: what to run.
        rows_file: JSON Lines; made if need be.
        progress: see `Progress`.

    Returns:
        One row for each model and seed, without those of the search for a learning rate.

    Raises:
        UserError: if the file holds something else.
    """

    def row(model: str, seed: int, lr: float, tested: bool) -> Mapping[str, Any]:
        identity = _identity(plan, model, seed, lr, tested)
        # Rows once said nothing of their files.
        earlier = find_row((one for one in read_rows(rows_file) if "data" not in one), identity)
        return earlier or row_of(rows_file, identity | files, lambda: _run(plan, model, seed, lr, tested, progress))

    results, files = [], _files(plan)
    for model in plan.models:
        best, *others = plan.settings.training.lr
        if others:
            tries = [row(model, plan.seeds[0], lr, tested=False) for lr in (best, *others)]
            best = max(tries, key=_rank)["lr"]
        results += [row(model, seed, best, tested=True) for seed in plan.seeds]
    return results


def _rank(row: Mapping[str, Any]) -> tuple[bool, int, float]:
    """Rank learning rates: solved first, then fewest steps, then best score."""
    found = row["training"]
    return found["reached"], -found["steps"] if found["reached"] else 0, found["best"]


def _identity(plan: Plan, model: str, seed: int, lr: float, tested: bool) -> dict[str, Any]:
    settings = json.loads(json.dumps(asdict(plan.settings)))
    del settings["training"]["lr"]
    return {
        "kind": "trial" if tested else "search",
        "task": plan.task,
        "model": model,
        "seed": seed,
        "lr": lr,
        "settings": settings,
        "test_lengths": list(plan.test_lengths) if tested else [],
    }


def _files(plan: Plan) -> dict[str, str]:
    """What tells the files of a task that is made from files; nothing for one that is made up."""
    if not plan.recipe.needs_data or plan.data is None:
        return {}
    folder, digest = Path(plan.data), hashlib.sha256()
    held = [folder / name for name in FOLDERS if (folder / name).is_dir()]
    for path in sorted(path for each in held for path in visible_files(each)):
        digest.update(f"{path.relative_to(folder)} {file_hash(path)}\n".encode())
    return {"data": digest.hexdigest()}


def _run(plan: Plan, model: str, seed: int, lr: float, tested: bool, progress: Progress) -> dict[str, Any]:
    """Train one model, test it if wanted, and return what its row says besides its identity."""
    recipe, settings = plan.recipe, plan.settings
    learnt = build_task(plan.task, "train", plan.data)
    # The files of the test are for the test alone: where there are files, validation has training's.
    validated = build_task(plan.task, "train" if recipe.needs_data else "test", plan.data)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        reader = AnswerModel(trial_model(model, learnt.vocabulary, settings.model), learnt.readout).to(device)
    label = f"{model}, seed {seed}, lr {lr:g}"
    history = train(
        reader,
        learnt,
        recipe.train_length,
        settings,
        lr,
        seed,
        lambda: held_out_score(reader, plan.task, validated, settings.validation.sequences, recipe.train_length),
        examples=recipe.train_examples,
        progress=lambda step, score: progress(label, step, settings.training.steps, score),
    )
    return {
        "parameters": sum(parameter.numel() for parameter in reader.parameters()),
        "train_length": recipe.train_length,
        "training": _history_row(history),
        "test": _test(plan, reader, label, progress) if tested else [],
        **made_by(("torch", "numpy"), "titans_seq", "language"),
    }


def _test(plan: Plan, reader: AnswerModel, label: str, progress: Progress) -> list[dict[str, Any]]:
    task, scores = build_task(plan.task, "test", plan.data), []
    for done, length in enumerate(plan.test_lengths, start=1):
        sequences = plan.settings.testing.sequences(length)
        score = held_out_score(reader, plan.task, task, sequences, length, TEST)
        scores.append({"length": length, "sequences": sequences, "score": score})
        progress(f"{label}, test at {length:,}", done, len(plan.test_lengths), score)
    return scores


def _history_row(found: TrainingHistory) -> dict[str, Any]:
    validations = [list(validation) for validation in found.history]
    return asdict(found) | {"history": validations, "cpu_seconds": round(found.cpu_seconds, 1)}
