"""A training planned from some of its batches, which stand for all."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from titans_seq.layers import NeuralMemory
from titans_seq.planning.counting import Step, count_step
from titans_seq.planning.devices import Device
from titans_seq.planning.plan import Assumptions, Batch, Plan, plan_batches, unfused

Drawn = TypeVar("Drawn")


@dataclass(frozen=True)
class Example:
    """A batch of a device.

    Attributes:
        step: computes its loss.
        size: sequences or windows that it holds.
        length: tokens of each.
        together: what the batches of all devices hold.
        weight: how many batches it stands for.

    Example:
        >>> import torch
        >>> layer, x = nn.Linear(3, 5), torch.ones(4, 3)
        >>> Example(lambda: (layer(x).sum(), None), size=4, length=1, together=4).weight
        1.0
    """

    step: Step
    size: int
    length: int
    together: int
    weight: float = 1.0


def plan_examples(
    network: nn.Module,
    examples: Sequence[Example],
    total: float,
    devices: int,
    device: Device,
    assumed: Assumptions,
) -> Plan:
    """Count examples, and plan the training that they stand for.

    Args:
        network: that is trained, in float32, with a copy on each device.
        examples: at least one.
        total: sequences or windows that are trained on in all.
        devices: how many.
        device: what it runs on.
        assumed: what is not known.

    Example:
        >>> import torch
        >>> from titans_seq.planning import DEVICES
        >>> layer, x = nn.Linear(3, 5), torch.ones(2, 3)
        >>> example = Example(lambda: (layer(x).sum(), None), size=2, length=1, together=2)
        >>> plan_examples(layer, [example], 200, 1, DEVICES["cpu-core"], Assumptions()).forward.total
        30.0
    """
    refused = unfused(((one.config, one.dim) for one in network.modules() if isinstance(one, NeuralMemory)), half=False)
    batches = []
    for one in examples:
        cost = count_step(network, one.step)
        batches.append((Batch(cost, one.size, total, devices, unfused=refused, together=one.together), one.weight))
    return plan_batches(batches, device, assumed)


def choose_batches(
    draw: Callable[[], Iterable[Drawn]], size: Callable[[Drawn], tuple[int, int]]
) -> list[tuple[Drawn, float]]:
    """Choose batches that stand for all, see `representatives`, each with how many it stands for.

    Args:
        draw: draws all batches, the same ones each time: they are drawn twice, so that no more than a few are held.
        size: rows and length of one.

    Example:
        >>> choose_batches(lambda: ["aa", "b", "cc"], lambda text: (1, len(text)))
        [('b', 1.0), ('cc', 2.0)]
    """
    chosen = representatives([size(batch) for batch in draw()])
    return [(batch, chosen[number]) for number, batch in enumerate(draw()) if number in chosen]


def representatives(sizes: Sequence[tuple[int, int]], most: int = 8) -> dict[int, float]:
    """Choose batches that stand for all: one of each size, or where there are many sizes one of each share of the work.

    Args:
        sizes: rows and length of each batch.
        most: shares of the work. One whose lengths lie on both sides of a power of two is shared out further, and the
            largest batch is chosen in any case.

    Returns:
        The numbers of those chosen, and how many batches each stands for, by what the batches hold.

    Example:
        >>> representatives([(2, 100), (1, 700), (2, 100), (1, 100)])
        {3: 1.0, 2: 2.0, 1: 1.0}
    """

    def held(number: int) -> int:
        return sizes[number][0] * sizes[number][1]

    order = sorted(range(len(sizes)), key=lambda number: (sizes[number][1], sizes[number][0]))
    largest, few = max(order, key=held), len(set(sizes)) <= most
    groups: dict[object, list[int]] = {}
    done, total = 0, sum(map(held, order))
    for number in order:
        # By length, and of equal work: a few batches that are long are as much as many that are short.
        share = "largest" if number == largest else (done * most // total, sizes[number][1].bit_length())
        groups.setdefault(sizes[number] if few else share, []).append(number)
        done += held(number)
    chosen = {group[len(group) // 2]: group for group in groups.values()}
    return {number: sum(map(held, group)) / held(number) for number, group in chosen.items()}
