"""The layers that are compared: ours, and the PyPI package `titans-pytorch` in two modes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import MemoryRule, MemoryState, MLPMemory, initial_weights
from titans_seq.ops import memory_scan
from titans_seq.ops.chunked import scan as chunked

Side = Literal["ours", "exact", "coarse"]

# Largest inner step of titans-pytorch: with its own default, 1.0, memories of the exact mode can diverge.
# Each call checks that outputs are finite.
PEER_MAX_LR = 0.01


@dataclass(frozen=True)
class Contender:
    """One layer to measure.

    Attributes:
        side: `ours`; `exact`, titans-pytorch with chunk_size 1 and batch_size = chunk, the same per-token semantics; or
            `coarse`, titans-pytorch with chunk_size = chunk, one gate and weight set a chunk.
        dim: width of the layer.
        chunk: tokens whose gradients share their weights.
        depth: matrices of the memory.
        expansion: hidden width over key width.
        heads: number of heads.
        batch: sequences a call.
        recompute: of ours: chunks per kept carry in training; 0 keeps every intermediate, None is standard.
        alone: of ours: the operator without the layer around it.
    """

    side: Side
    dim: int
    chunk: int
    depth: int = 2
    expansion: float = 2.0
    heads: int = 4
    batch: int = 2
    recompute: int | None = None
    alone: bool = False


def rule_of(contender: Contender) -> MemoryRule:
    """Return our rule for a contender's memory; residual and norm are as in titans-pytorch."""
    return MemoryRule(MLPMemory(contender.depth, contender.expansion))


def build(contender: Contender) -> Callable[[Tensor], Tensor]:
    """Make a layer, or the operator alone: from `[B, T, dim]` to `[B, T, dim]`, and the final state is computed."""
    torch.manual_seed(0)
    if contender.recompute == 0:
        # The operator's plain function under autograd, which then keeps everything.
        chunked.chunked_memory = chunked.run_chunks
    if contender.recompute is not None:
        chunked.RECOMPUTE_EVERY = contender.recompute
    if contender.alone:
        return _operator(contender)
    layer = _ours(contender) if contender.side == "ours" else peer_layer(contender)
    return lambda x: layer(x)[0]


def _operator(contender: Contender) -> Callable[[Tensor], Tensor]:
    """The memory operator; what it reads is cut out of the input, and costs next to nothing."""
    rule, width = rule_of(contender), contender.dim // contender.heads
    drawn = initial_weights(rule.architecture, contender.heads, width, width, torch.Generator().manual_seed(0))
    weights = [w.requires_grad_() for w in drawn]

    def call(x: Tensor) -> Tensor:
        heads = x.unflatten(-1, (contender.heads, width))
        key = F.normalize(heads, dim=-1)
        lr, momentum, decay = (scale * heads[..., i].sigmoid() for i, scale in enumerate((0.02, 0.9, 0.01)))
        state = MemoryState.initial(weights)
        options: dict[str, Any] = {"state": state, "rule": rule, "chunk_size": contender.chunk}
        return memory_scan(key, key, heads, lr=lr, momentum=momentum, decay=decay, **options)[0].flatten(2)

    return call


def _ours(contender: Contender) -> nn.Module:
    config = NeuralMemoryConfig(
        heads=contender.heads, chunk_size=contender.chunk, rule=rule_of(contender), backend="chunked"
    )
    return NeuralMemory(config, contender.dim)


def peer_layer(contender: Contender) -> nn.Module:
    """Make titans-pytorch's layer, in one of its modes; its forward pass returns the output and a state.

    Raises:
        ImportError: if it is not installed.
    """
    import titans_pytorch  # pyright: ignore[reportMissingImports] -- of the extra `bench`

    head_dim = contender.dim // contender.heads
    exact = contender.side == "exact"
    return titans_pytorch.NeuralMemory(
        dim=contender.dim,
        heads=contender.heads,
        dim_head=head_dim,
        chunk_size=1 if exact else contender.chunk,
        batch_size=contender.chunk if exact else None,
        model=titans_pytorch.MemoryMLP(head_dim, depth=contender.depth, expansion_factor=contender.expansion),
        default_step_transform_max_lr=PEER_MAX_LR,
    )
