"""Associative recall: pairs of keys and values first, then questions, each a key whose value is the answer.

The task is multi-query associative recall (MQAR; Zoology, arXiv 2312.04927), small enough to train on one CPU core.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.blocks import LMMConfig
from titans_seq.layers import NeuralMemoryConfig
from titans_seq.memory import MemoryRule
from titans_seq.models import Backbone

# Of the data alone; models are trained on the streams 0, 1, ..., their seeds.
VALIDATION_SEED, TEST_SEED = 10**6, 10**6 + 1


@dataclass(frozen=True)
class Task:
    """Sequences `key value key value ...`, in which none comes twice, then questions at random among fillers.

    Attributes:
        pairs: how many pairs, at most `keys` and `values`.
        questions: how often a key is asked for, each time one of the pairs' at random.
        length: tokens of a sequence.
        keys: size of the keys' vocabulary; tokens 0, 1, ...
        values: size of the values' vocabulary; the tokens after the keys.
        fillers: size of the fillers' vocabulary; the tokens after the values.

    Raises:
        ValueError: if the pairs do not fit into the vocabulary, or pairs and questions into the length.

    Example:
        >>> Task(pairs=1, questions=1, length=3, keys=1, values=1, fillers=1).draw(1, torch.Generator())
        (tensor([[0, 1, 0]]), tensor([[2]]), tensor([[1]]))
    """

    pairs: int = 8
    questions: int = 32
    length: int = 48
    keys: int = 16
    values: int = 16
    fillers: int = 8

    def __post_init__(self) -> None:
        if not 1 <= self.pairs <= min(self.keys, self.values):
            raise ValueError(f"{self.pairs} pairs need as many keys and values, got {self.keys} and {self.values}")
        if self.length < self.least_length:
            raise ValueError(
                f"{self.pairs} pairs and {self.questions} questions need a length of {self.least_length} tokens, "
                f"got {self.length}"
            )

    @property
    def least_length(self) -> int:
        """Tokens of the pairs and the questions."""
        return 2 * self.pairs + self.questions

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self.keys + self.values + self.fillers

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Draw sequences.

        Returns:
            Tokens `[B, T]`; each question's position and its answer, both `[B, questions]`.
        """

        def distinct(count: int, of: int) -> Tensor:
            return torch.rand(batch, of, generator=generator).argsort(-1)[:, :count]

        keys, values = distinct(self.pairs, self.keys), self.keys + distinct(self.pairs, self.values)
        shown, rest = 2 * self.pairs, self.length - 2 * self.pairs
        places = distinct(self.questions, rest)
        which = torch.randint(self.pairs, (batch, self.questions), generator=generator)
        fillers = torch.randint(self.keys + self.values, self.vocabulary, (batch, rest), generator=generator)
        asked = fillers.scatter(1, places, keys.gather(1, which))
        tokens = torch.cat([torch.stack([keys, values], -1).flatten(1), asked], 1)
        return tokens, shown + places, values.gather(1, which)


@dataclass(frozen=True)
class Training:
    """A model of LMM blocks, and how it is trained: AdamW, linear warm-up, cosine to 0, gradients clipped at norm 1.

    Attributes:
        steps: optimiser steps, each on a fresh batch; at least 1.
        batch: sequences a step.
        lr: largest learning rate.
        warm_up: share of the steps in which the learning rate rises.
        tests: sequences of the held-out set.
        dim: width.
        blocks: LMM blocks.
        heads: of each memory.
        chunk_size: of each memory.

    Raises:
        ValueError: if there is no step.
    """

    steps: int = 400
    batch: int = 32
    lr: float = 1e-2
    warm_up: float = 0.1
    tests: int = 512
    dim: int = 64
    blocks: int = 2
    heads: int = 2
    chunk_size: int = 16

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"training takes at least 1 step, got {self.steps}")


@dataclass(frozen=True)
class Outcome:
    """What a training came to.

    Attributes:
        seed: of parameters and training data.
        cpu_s: CPU seconds of training.
        loss: cross-entropy of a held-out answer in nats; None if training diverged.
        accuracy: share of held-out answers right, in [0, 1]; None if training diverged.
        diverged_at: the step, from 0, whose gradient was not finite; None if there is none.
    """

    seed: int
    cpu_s: float
    loss: float | None = None
    accuracy: float | None = None
    diverged_at: int | None = None


class RecallModel(nn.Module):
    """Embedding, LMM blocks, final norm, and the embedding again as the head.

    Args:
        rule: the memory of every block.
        vocabulary: number of tokens.
        training: its sizes.
    """

    def __init__(self, rule: MemoryRule, vocabulary: int, training: Training) -> None:
        super().__init__()
        config = LMMConfig(NeuralMemoryConfig(heads=training.heads, chunk_size=training.chunk_size, rule=rule))
        self.embedding = nn.Embedding(vocabulary, training.dim)
        self.backbone = Backbone([config.build(training.dim) for _ in range(training.blocks)], training.dim)

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        """Return logits `[B, n, vocabulary]` at `positions`, `[B, n]`, of `tokens`, `[B, T]`."""
        y, _ = self.backbone(self.embedding(tokens), return_state=False)
        return F.linear(y.take_along_dim(positions.unsqueeze(-1), 1), self.embedding.weight)


def schedule(step: int, training: Training) -> float:
    """Return the share of the largest learning rate at a step, counted from 0."""
    rise = max(1, round(training.warm_up * training.steps))
    if step < rise:
        return (step + 1) / rise
    return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / max(1, training.steps - rise))


def train(
    rule: MemoryRule,
    task: Task,
    training: Training,
    seed: int,
    held_out: int = TEST_SEED,
    after_step: Callable[[], object] = lambda: None,
) -> Outcome:
    """Train one model and test it on held-out sequences.

    Args:
        rule: the memory of every block.
        task: what is learnt.
        training: how.
        seed: of parameters and training data.
        held_out: seed of the test's data.
        after_step: called after every step.
    """
    torch.manual_seed(seed)
    model = RecallModel(rule, task.vocabulary, training)
    # The plateau before recall sets in is shorter with a short second moment than with 0.999.
    optimiser = torch.optim.AdamW(model.parameters(), lr=training.lr, betas=(0.9, 0.95), weight_decay=0.01)
    rates = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: schedule(step, training))
    data = torch.Generator().manual_seed(seed)
    start = time.process_time()
    for step in range(training.steps):
        tokens, positions, answers = task.draw(training.batch, data)
        optimiser.zero_grad()
        F.cross_entropy(model(tokens, positions).flatten(0, 1), answers.flatten()).backward()
        if not nn.utils.clip_grad_norm_(model.parameters(), 1.0).isfinite():
            return Outcome(seed, time.process_time() - start, diverged_at=step)
        optimiser.step()
        rates.step()
        after_step()
    return Outcome(seed, time.process_time() - start, *_test(model, task, training.tests, held_out))


@torch.no_grad()
def _test(model: RecallModel, task: Task, sequences: int, seed: int) -> tuple[float, float]:
    tokens, positions, answers = task.draw(sequences, torch.Generator().manual_seed(seed))
    logits, answers = model(tokens, positions).flatten(0, 1), answers.flatten()
    accuracy = (logits.argmax(-1) == answers).double().mean()
    return F.cross_entropy(logits, answers).item(), accuracy.item()
