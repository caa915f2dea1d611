"""What memories write, as a cost: a memory that pays for its writes keeps what it holds for far longer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from titans_seq.layers.gates import GateValues, MemoryGates


@contextmanager
def counted_writes(model: nn.Module) -> Iterator[list[Tensor]]:
    """Collect, while a model reads, how far the gates of its memories stand open.

    Where every answer is right, nothing in a task's loss asks a memory to leave alone what does not matter. At the
    lengths it was trained at the clutter does no harm; at a hundred times the length it buries what was stored. A small
    weight on the mean of these values shuts the gates for all that pays nothing, and hard gates (`GateConfig.form`)
    then shut completely. Not from the papers.

    Yields:
        A list, which gets one scalar each time a memory reads a piece: the mean over tokens and heads of lr as a share
        of the largest, and of what is forgotten.

    Example:
        >>> from titans_seq.models import CausalLM, language_model
        >>> model = CausalLM(language_model("tiny-lmm", vocabulary=10))
        >>> with counted_writes(model) as writes:
        ...     logits, _ = model(torch.randint(10, (1, 8)))
        >>> [0 < written.item() < 2 for written in writes]
        [True, True, True, True]
    """
    writes: list[Tensor] = []

    def note(module: nn.Module, _: Any, gates: GateValues) -> None:
        assert isinstance(module, MemoryGates)
        written, decay = gates["lr"].mean() / module.max_lr, gates["decay"]
        writes.append(written if decay is None else written + decay.mean())

    hooks = [module.register_forward_hook(note) for module in model.modules() if isinstance(module, MemoryGates)]
    try:
        yield writes
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def write_cost(model: nn.Module, weight: float) -> Iterator[Callable[[], Tensor]]:
    """Charge for what the memories of a model write while it reads; see `counted_writes`.

    Args:
        model: any module.
        weight: of the mean of what is counted, at least 0. Nothing is counted for 0.

    Yields:
        A function that gives the cost so far, a scalar to add to the loss: 0 where nothing was counted.

    Example:
        >>> from titans_seq.models import CausalLM, language_model
        >>> model = CausalLM(language_model("tiny-lmm", vocabulary=10))
        >>> with write_cost(model, weight=0.1) as cost:
        ...     logits, _ = model(torch.randint(10, (1, 8)))
        >>> 0 < cost().item() < 0.2
        True
    """
    if weight == 0:
        yield lambda: torch.zeros(())
        return
    with counted_writes(model) as writes:
        yield lambda: weight * torch.stack(writes).mean() if writes else torch.zeros(())
