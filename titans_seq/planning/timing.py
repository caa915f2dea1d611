"""The time of a step of training, measured on this machine's CPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter, process_time

import torch
from torch import nn

from titans_seq.planning.counting import Step

REPEATS = 3


@dataclass(frozen=True)
class Timed:
    """What a step took.

    Attributes:
        seconds: on the clock.
        busy: likewise of the processor, shared out over PyTorch's threads: fewer where others run beside it.

    Example:
        >>> Timed(seconds=0.2, busy=0.1).busy
        0.1
    """

    seconds: float
    busy: float


def time_step(model: nn.Module, step: Step, half: bool = False) -> Timed:
    """Train for some steps, the optimiser's included, and time the fastest.

    Args:
        model: it is trained in place.
        step: computes its loss.
        half: whether products take their operands in bfloat16 (autocast).

    Example:
        >>> layer, x = nn.Linear(3, 5), torch.ones(2, 3)
        >>> timed = time_step(layer, lambda: (layer(x).sum(), None))
        >>> 0 < timed.busy < 1
        True
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=0.0)
    clocks, busy = [], []
    for _ in range(1 + REPEATS):  # the first one sets up
        begin, busy_before = perf_counter(), process_time()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = step()[0]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        clocks.append(perf_counter() - begin)
        busy.append((process_time() - busy_before) / torch.get_num_threads())
    return Timed(min(clocks[1:]), min(busy[1:]))


def time_steps(model: nn.Module, steps: Sequence[tuple[Step, float]], half: bool = False) -> Timed:
    """Time steps that are unlike, and return the mean.

    Args:
        model: it is trained in place.
        steps: at least one; each computes a loss, with how many such there are.
        half: see `time_step`.

    Example:
        >>> layer, small, large = nn.Linear(3, 5), torch.ones(2, 3), torch.ones(20, 3)
        >>> steps = [(lambda: (layer(small).sum(), None), 3), (lambda: (layer(large).sum(), None), 1)]
        >>> 0 < time_steps(layer, steps).busy < 1
        True
    """
    total = sum(weight for _, weight in steps)
    timed = [(time_step(model, step, half), weight / total) for step, weight in steps]
    return Timed(sum(share * one.seconds for one, share in timed), sum(share * one.busy for one, share in timed))
