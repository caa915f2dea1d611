"""Training one small model on one task."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from titans_seq.experiment.optimiser import build_optimiser
from titans_seq.experiment.settings import OptimiserConfig
from titans_seq.training.writes import write_cost

from ..tasks import IGNORE, TASKS, Task, TaskBatch
from .answer_model import AnswerModel
from .settings import TrainingOptions, TrialSettings
from .streaming import score

# Which numbers a generator is for: none is ever used for two purposes.
TRAINING, VALIDATION, TEST = 0, 1, 2


@dataclass(frozen=True)
class TrainingHistory:
    """How a training went.

    Attributes:
        steps: that were made.
        validation: score of the last validation, in [0, 1].
        best: of all validations.
        reached: whether it stopped because validation was good enough.
        diverged: whether it stopped because a gradient was not finite.
        history: steps made and the score, of every validation.
        cpu_seconds: processor time of training and validation.

    Example:
        >>> found = TrainingHistory(200, 1.0, 1.0, True, False, ((100, 0.4), (200, 1.0)), 12.5)
        >>> found.history[-1][1] == found.best
        True
    """

    steps: int
    validation: float
    best: float
    reached: bool
    diverged: bool
    history: tuple[tuple[int, float], ...]
    cpu_seconds: float


def generator(purpose: int, *numbers: int) -> torch.Generator:
    """Return a generator that is given by what it is for, and by nothing drawn before.

    Example:
        >>> torch.equal(torch.rand(2, generator=generator(TEST, 7)), torch.rand(2, generator=generator(TEST, 7)))
        True
    """
    seed = int(np.random.SeedSequence([purpose, *numbers]).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(seed)


def length_at(step: int, length: int, options: TrainingOptions) -> int:
    """Return the length of a step's sequences: the shorter ones share the first half of the steps equally.

    Example:
        >>> options = TrainingOptions(steps=8, warm_up_lengths=(32, 64))
        >>> [length_at(step, 256, options) for step in range(8)]
        [32, 32, 64, 64, 256, 256, 256, 256]
    """
    shorter = options.warm_up_lengths
    stage = 2 * len(shorter) * step // options.steps
    return shorter[stage] if stage < len(shorter) else length


def train(
    reader: AnswerModel,
    task: Task,
    length: int,
    settings: TrialSettings,
    lr: float,
    seed: int,
    validate: Callable[[], float],
    *,
    examples: int | None = None,
    progress: Callable[[int, float | None], None] = lambda step, validation: None,
) -> TrainingHistory:
    """Train a model in place, until validation is good enough or the steps are used up.

    Args:
        reader: the model, on any device.
        task: what it learns.
        length: tokens of a sequence.
        settings: how; its learning rates and its model are not used.
        lr: largest learning rate.
        seed: of the data.
        validate: scores the model, in [0, 1].
        examples: size of the training set, whose batches come again and again in the same order; None for fresh
            sequences in every step.
        progress: called after every step with its number and, where there was one, the validation's score.
    """
    options, validation = settings.training, settings.validation
    device = next(reader.parameters()).device
    least = 0.1 if options.schedule == "cosine" else 1.0
    config = OptimiserConfig(lr, least=least, warmup=options.warm_up, weight_decay=options.weight_decay)
    optimiser, schedule = build_optimiser(reader, config, options.steps)
    batches = None if examples is None else max(1, examples // options.batch)
    history: list[tuple[int, float]] = []
    start, streak, diverged, step = time.process_time(), 0, False, 0
    while step < options.steps and streak < validation.stop_after and not diverged:
        chance = generator(TRAINING, seed, step if batches is None else step % batches)
        now = length_at(step, length, options)
        rows = options.batch * length // now if options.even_tokens else options.batch
        batch = task.batch(rows, now, chance)
        with write_cost(reader, options.write_cost) as cost:
            loss = answer_loss(reader, TaskBatch(batch.ids.to(device), batch.targets.to(device)))
        optimiser.zero_grad()
        (loss + cost()).backward()
        norm = nn.utils.clip_grad_norm_(reader.parameters(), config.clip)
        diverged = not math.isfinite(norm.item())
        if not diverged:
            optimiser.step()
            schedule.step()
        step += 1
        found = None
        if diverged or step % validation.every == 0 or step == options.steps:
            found = validate()
            history.append((step, found))
            streak = streak + 1 if found >= validation.stop_at else 0
        progress(step, found)
    return TrainingHistory(
        steps=step,
        validation=history[-1][1],
        best=max(score for _, score in history),
        reached=streak >= validation.stop_after and not diverged,
        diverged=diverged,
        history=tuple(history),
        cpu_seconds=time.process_time() - start,
    )


def answer_loss(reader: AnswerModel, batch: TaskBatch) -> torch.Tensor:
    """Return the mean cross-entropy of the answers, in nats."""
    asked = batch.targets != IGNORE
    outputs, _ = reader(batch.ids, return_state=False)
    return F.cross_entropy(reader.logits(outputs, asked), batch.targets[asked])


def held_out_score(
    reader: AnswerModel, name: str, task: Task, sequences: int, length: int, purpose: int = VALIDATION
) -> float:
    """Score a model as the task's source does, on sequences that training never draws.

    Args:
        reader: the model.
        name: of the task.
        task: its validation or test form.
        sequences: how many.
        length: tokens of each.
        purpose: `VALIDATION` or `TEST`: each has its own sequences at every length, the same for all models.
    """
    chance = generator(purpose, length)
    return score(reader, lambda count: task.batch(count, length, chance), TASKS[name].score, sequences, length)
