"""Looking into the memories of any model while it reads, with hooks that change nothing."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from titans_seq.inspection.measures import effective_rank, joined, mean_gate, retrieved, walk
from titans_seq.inspection.results import Growth, Inspection, MemoryInspection, Retrieval, Trace, Use
from titans_seq.layers import NeuralMemory
from titans_seq.layers.row_state import check_in_step
from titans_seq.layers.shutting import shut_memories
from titans_seq.ops.inputs import Scan

QUERIES = 32
"""Tokens whose reads are looked at, at most."""


def inspect_memories(
    model: nn.Module,
    read: Callable[[], Tensor],
    *,
    loss: Callable[[Tensor], float] | None = None,
    queries: int = QUERIES,
    row: int = 0,
) -> Inspection:
    """Look into every memory of a model while it reads, and measure what the output owes to each.

    The model reads the input once as it is, and then again with each memory switched off, and with each memory frozen.

    Args:
        model: any module; it is left as it is. Put it in evaluation mode.
        read: reads something with it, whole sequences from their start or pieces that follow each other, and returns
            the output.
        loss: of such an output, where one is known.
        queries: tokens whose reads are looked at, evenly spread, the last one among them; at least 1.
        row: of what memories read, the one whose reads are looked at.

    Raises:
        ValueError: if the model has no memory or did not read, a memory reads packed documents, or several sequences
            one after the other.

    Example:
        >>> from titans_seq.models import CausalLM, language_model
        >>> model, ids = CausalLM(language_model("tiny-lmm", vocabulary=10)).eval(), torch.randint(10, (1, 64))
        >>> seen = inspect_memories(model, lambda: model(ids)[0])
        >>> len(seen.memories), seen.memories[0].trace.surprise.shape
        (4, torch.Size([1, 64, 4]))
    """
    memories = {name: module for name, module in model.named_modules() if isinstance(module, NeuralMemory)}
    if not memories:
        raise ValueError("the model has no neural memory")
    # A compiled model would be compiled again, with the hooks in it.
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        with _scans(memories) as scans:
            output = _plain(read())
        uses = [_use([memory], read, output, loss) for memory in memories.values()]
        together = uses[0] if len(uses) == 1 else _use(list(memories.values()), read, output, loss)
    unread = [name for name in memories if name not in scans]
    if unread:
        raise ValueError(f"the memory {unread[0]} read nothing")
    seen = [
        _measured(name, memories[name], scans[name], use, queries, row)
        for name, use in zip(memories, uses, strict=True)
    ]
    return Inspection(tuple(seen), together)


@contextlib.contextmanager
def _scans(memories: dict[str, NeuralMemory]) -> Iterator[dict[str, list[Scan]]]:
    """Collect what memories are asked, piece by piece, in the order of the model."""
    scans: dict[str, list[Scan]] = {}

    def look(name: str, x: Tensor, state: Any = None, **others: Any) -> None:
        check_in_step(f"the memory {name}", state, others)
        if state is None and name in scans:
            raise ValueError(f"the memory {name} reads several sequences one after the other: give one")
        scans.setdefault(name, []).append(memories[name].scan(x, state))

    hooks = [
        memory.register_forward_pre_hook(
            lambda _, args, kwargs, name=name: look(name, *args, **kwargs), with_kwargs=True
        )
        for name, memory in memories.items()
    ]
    try:
        yield scans
    finally:
        for hook in hooks:
            hook.remove()


def _measured(
    name: str, memory: NeuralMemory, scans: Sequence[Scan], use: Use, queries: int, row: int
) -> MemoryInspection:
    scan = joined(scans)
    length = sum(one.k.shape[1] for one in scans)
    first = 0 if memory.persistent is None or not scans[0].state.is_new else len(memory.persistent)
    tokens = length - first
    row = min(row, scan.k.shape[0] - 1)
    asked = torch.linspace(0, tokens - 1, min(queries, tokens)).round().long()
    asked[-1] = tokens - 1
    walked = walk(scan)
    momentum, lr = mean_gate(scan.momentum), mean_gate(scan.lr)
    assert lr is not None
    largest = memory.gates.max_lr if momentum is None else memory.gates.max_lr * (1 - momentum)
    decay = _forgotten(scan) if scan.decay is None else mean_gate(scan.decay)
    trace = Trace(
        open=(lr / largest)[:, first:],
        lr=lr[:, first:],
        momentum=None if momentum is None else momentum[:, first:],
        decay=None if decay is None else decay[:, first:],
        loss=walked.loss[:, first:],
        surprise=walked.surprise[:, first:],
    )
    keys = scan.k[:, first:].transpose(1, 2)
    return MemoryInspection(
        name=name,
        trace=trace,
        growth=Growth((walked.ends - first).clamp(min=0), walked.norm, walked.moved),
        key_rank=effective_rank(keys),
        key_limit=min(keys.shape[-2:]),
        retrieval=Retrieval(row, asked, retrieved(scan, [first + at for at in asked.tolist()], row)[:, first:]),
        use=use,
    )


def _forgotten(scan: Scan) -> Tensor | None:
    """Share that a rule without a gate for it forgets at each token, `[B, T, H]`; None where it forgets nothing."""
    kept = [gates.keep if gates.keep.dim() == 3 else gates.keep.mean(-1) for gates in scan.gates(scan.dtype)]
    forgotten = 1 - torch.stack(kept).mean(0)
    return forgotten if forgotten.any() else None


def _use(
    memories: Sequence[NeuralMemory],
    read: Callable[[], Tensor],
    output: Tensor,
    loss: Callable[[Tensor], float] | None,
) -> Use:
    """What the output owes to these memories."""
    with _hooked([memory.norm for memory in memories], lambda y: torch.zeros_like(y)):
        off = _plain(read())
    with shut_memories(memories):
        frozen = _plain(read())
    known = loss is not None
    return Use(
        _change(off, output),
        _change(frozen, output),
        loss(off) - loss(output) if known else None,
        loss(frozen) - loss(output) if known else None,
    )


@contextlib.contextmanager
def _hooked(modules: Sequence[nn.Module], change: Callable[[Any], Any]) -> Iterator[None]:
    """Change what modules return."""
    hooks = [module.register_forward_hook(lambda _, inputs, output: change(output)) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _change(other: Tensor, output: Tensor) -> float:
    """Length of the difference, over that of the output's deviation from its mean."""
    difference = (other - output).norm().item()
    return difference / max((output - output.mean()).norm().item(), 1e-300) if difference else 0.0


def _plain(output: Tensor) -> Tensor:
    """An output in full precision, and outside of inference mode."""
    return output.detach().double().clone()
