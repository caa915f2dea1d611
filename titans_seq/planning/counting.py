"""Counting what a training step computes, keeps and calls, by running it on tensors without data."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from titans_seq.ops.chunked import operator

# What a memory does outside of its operators, the slow weights and MAC's retrieval, are products of batches of
# matrices; no other layer has such.
_BATCHED = (torch.ops.aten.bmm, torch.ops.aten.baddbmm)
# PyTorch has formulas for those that write into a new tensor.
_IN_PLACE = {torch.ops.aten.baddbmm_: torch.ops.aten.baddbmm, torch.ops.aten.addmm_: torch.ops.aten.addmm}


@dataclass(frozen=True)
class Arithmetic:
    """Floating-point operations, a multiplication and an addition being two; products of matrices alone.

    Attributes:
        matrices: of projections, feed-forward, convolutions and head.
        attention: scores and sums, without the saving of a mask.
        memory: of the memories in closed form, what the backward pass computes once more included.

    Example:
        >>> Arithmetic(matrices=60.0).plus(Arithmetic(attention=5.0), 2).total
        70.0
    """

    matrices: float = 0.0
    attention: float = 0.0
    memory: float = 0.0

    @property
    def total(self) -> float:
        """All of them."""
        return self.matrices + self.attention + self.memory

    def scaled(self, share: float) -> "Arithmetic":
        """Return the operations times a number."""
        return Arithmetic(self.matrices * share, self.attention * share, self.memory * share)

    def plus(self, other: "Arithmetic", share: float = 1.0) -> "Arithmetic":
        """Return the operations of both, the other's times a number."""
        return Arithmetic(
            self.matrices + share * other.matrices,
            self.attention + share * other.attention,
            self.memory + share * other.memory,
        )


@dataclass(frozen=True)
class Cost:
    """What one training step of a model costs, forward and backward over some rows.

    Attributes:
        parameters: number of them.
        forward: arithmetic of the forward pass.
        training: of both passes.
        saved: bytes that the forward keeps for the backward, weights aside; with what checkpointing computes once more
            for the largest part that it does so for.
        state: bytes of the state that is carried on.
        calls: operations on tensors, views aside: on a GPU about as many kernels.
        memory_calls: those of the memories' operators.
        moved: bytes that operations read and write, each by itself.
        memory_moved: those of the memories' operators.

    Example:
        >>> layer, x = nn.Linear(3, 5), torch.ones(2, 3)
        >>> cost = count_step(layer, lambda: (layer(x).sum(), None))
        >>> cost.training.total / cost.forward.total
        2.0
    """

    parameters: int
    forward: Arithmetic
    training: Arithmetic
    saved: float
    state: float
    calls: float
    memory_calls: float
    moved: float
    memory_moved: float

    def plus(self, other: "Cost", share: float) -> "Cost":
        """Return the cost of both, the other's times a number; parameters too."""
        return Cost(
            round(self.parameters + share * other.parameters),
            self.forward.plus(other.forward, share),
            self.training.plus(other.training, share),
            self.saved + share * other.saved,
            self.state + share * other.state,
            self.calls + share * other.calls,
            self.memory_calls + share * other.memory_calls,
            self.moved + share * other.moved,
            self.memory_moved + share * other.memory_moved,
        )


@dataclass
class _Tally:
    """Numbers under way."""

    flops: dict[str, float] = field(default_factory=lambda: {"matrices": 0.0, "attention": 0.0, "memory": 0.0})
    calls: int = 0
    memory_calls: int = 0
    moved: float = 0.0
    memory_moved: float = 0.0

    @property
    def arithmetic(self) -> Arithmetic:
        return Arithmetic(**self.flops)


class _Attention(torch.autograd.Function):
    """Attention as fused kernels do it: what they keep, and shapes."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, tally: _Tally, product: int) -> Tensor:
        y, scale = q.new_empty(*q.shape[:-1], v.shape[-1]), q.new_empty(q.shape[:-1], dtype=torch.float32)
        # A mask is added, in the dtype of the scores.
        added = [] if mask is None else [mask.new_empty(mask.shape, dtype=q.dtype)]
        ctx.save_for_backward(q, k, v, y, scale, *added)
        ctx.tally, ctx.product = tally, product
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, *_ = ctx.saved_tensors
        ctx.tally.flops["attention"] += 5 * ctx.product
        return torch.empty_like(q), torch.empty_like(k), torch.empty_like(v), None, None, None


@contextmanager
def _fused_attention(tally: _Tally) -> Iterator[None]:
    """Count attention by its formula: two products forward and, with the scores computed once more, five backward."""
    own = F.scaled_dot_product_attention

    def attention(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None = None, **_: Any) -> Tensor:
        product = q[..., 0].numel() * k.shape[-2] * (q.shape[-1] + v.shape[-1])
        tally.flops["attention"] += 2 * product
        return _Attention.apply(q, k, v, attn_mask, tally, product)

    # Not a mode: a backward pass hides from modes of functions what checkpointing computes once more in it.
    F.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        F.scaled_dot_product_attention = own


@dataclass
class _Again:
    """What checkpointing computes once more in the backward pass, where nothing else has gradients enabled."""

    begun: bool = False
    most: float = 0.0
    _held: dict[int, tuple[StorageWeakRef, int]] = field(default_factory=dict)
    _more: bool = False

    def note(self, args: Any, out: Any) -> None:
        """See what an operation gives; `most` is the largest number of bytes held from such to the next others."""
        if not self.begun:
            return
        if torch.is_grad_enabled():
            # Weights and their gradients come by as views.
            given = {_storage(x) for x in tree_leaves(args) if isinstance(x, Tensor)}
            new = [x.untyped_storage() for x in tree_leaves(out) if isinstance(x, Tensor) and _storage(x) not in given]
            self._held |= {one._cdata: (StorageWeakRef(one), one.nbytes()) for one in new}
            self._more = True
        elif self._more:
            self._held = {name: one for name, one in self._held.items() if not one[0].expired()}
            self.most, self._more = max(self.most, sum(size for _, size in self._held.values())), False


class _Counter(TorchDispatchMode):
    """Counts operations on their way to tensors."""

    def __init__(
        self,
        tally: _Tally,
        part: str | None = None,
        known: dict[Any, _Tally] | None = None,
        again: _Again | None = None,
    ) -> None:
        super().__init__()
        self.tally, self.part, self.again = tally, part, again or _Again()
        self.known: dict[Any, _Tally] = {} if known is None else known

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, packet = kwargs or {}, func._overloadpacket
        out = func(*args, **kwargs)
        self.again.note((args, kwargs), out)
        if packet in _OPERATORS:
            inner = self._inside(packet, args)
            self.tally.flops["memory"] += inner.arithmetic.total
            self.tally.memory_calls += inner.calls
            self.tally.calls += inner.calls
            self.tally.memory_moved += inner.moved
            self.tally.moved += inner.moved
            return out
        product = _IN_PLACE.get(packet, packet)
        if product is torch.ops.aten.matmul:  # below automatic differentiation it comes as a whole
            self.tally.flops["memory"] += 2 * out.numel() * args[0].shape[-1]
        elif product is torch.ops.aten.convolution_backward:  # PyTorch's formula forgets the groups
            gradient, _, weight, *_, wanted = args
            self.tally.flops["matrices"] += 2 * gradient.numel() * weight[0].numel() * sum(wanted[:2])
        elif product in flop_registry:
            part = self.part or ("memory" if product in _BATCHED else "matrices")
            self.tally.flops[part] += flop_registry[product](*args, **kwargs, out_val=out)
        if not func._schema.name.startswith("prim") and not _is_view(func):
            self.tally.calls += 1
            self.tally.moved += _bytes((args, out))
        return out

    def _inside(self, packet: Any, args: Sequence[Any]) -> _Tally:
        """Count what an operator of the memory does, once for each kind of call."""
        key = (packet, _shapes(args))
        if key not in self.known:
            tally = _Tally()
            with _Counter(tally, "memory", self.known):
                _OPERATORS[packet](*args)
            self.known[key] = tally
        return self.known[key]


_OPERATORS = {
    torch.ops.titans_seq.chunked_memory: operator.run_chunks,
    torch.ops.titans_seq.chunked_memory_backward: operator.chunked_memory_backward._init_fn,
}


def _is_view(func: Any) -> bool:
    returns = func._schema.returns
    return any(one.alias_info is not None and not one.alias_info.is_write for one in returns)


def _shapes(value: Any) -> Any:
    if isinstance(value, Tensor):
        return tuple(value.shape), value.dtype
    return tuple(map(_shapes, value)) if isinstance(value, list | tuple) else value


Step = Callable[[], tuple[Tensor, Any]]
"""Computes a loss, and returns it with the state that is carried on, or None."""


def count_step(model: nn.Module, step: Step, half: bool = False) -> Cost:
    """Count one step of training of any model, forward and backward, while it runs.

    Args:
        model: whose weights are not counted as saved.
        step: computes its loss.
        half: whether products take their operands in bfloat16 (autocast).

    Example:
        >>> layer, x = nn.Linear(3, 5), torch.ones(2, 3)
        >>> cost = count_step(layer, lambda: (layer(x).sum(), None))
        >>> cost.parameters, cost.forward.total, cost.training.total
        (20, 60.0, 120.0)
    """
    own = {_storage(x) for x in (*model.parameters(), *model.buffers())}
    tally, saved = _Tally(), {}

    def keep(x: Tensor) -> Tensor:
        if _storage(x) not in own:
            saved[_storage(x)] = x  # held, so that no other storage gets its name
        return x

    again = _Again()
    counter = _Counter(tally, again=again)
    with torch.autocast("cpu", torch.bfloat16, enabled=half), counter, _fused_attention(tally):
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            loss, state = step()
        forward = tally.arithmetic
        kept = sum(x.untyped_storage().nbytes() for x in saved.values())
        saved.clear()
        again.begun = True
        loss.backward()
    return Cost(
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        forward=forward,
        training=tally.arithmetic,
        saved=kept + again.most,
        state=_state_bytes(state),
        calls=tally.calls,
        memory_calls=tally.memory_calls,
        moved=tally.moved,
        memory_moved=tally.memory_moved,
    )


def _storage(x: Tensor) -> int:
    return x.untyped_storage()._cdata


def _bytes(values: Any) -> float:
    return float(sum(x.numel() * x.element_size() for x in tree_leaves(values) if isinstance(x, Tensor)))


def _state_bytes(state: Any) -> float:
    """Bytes of a state's own tensors."""
    tensors = [x for x in tree_leaves(state) if isinstance(x, Tensor)]
    return float(sum({_storage(x): x.untyped_storage().nbytes() for x in tensors}.values()))
