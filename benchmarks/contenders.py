"""The layers that are compared: ours, and the PyPI package `titans-pytorch` in two modes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import MemoryRule, MLPMemory
from titans_seq.ops import chunked

Side = Literal["ours", "compiled", "exact", "coarse"]

# Largest inner step of titans-pytorch: with its own default, 1.0, memories of the exact mode can diverge.
# Each call checks that outputs are finite.
PEER_MAX_LR = 0.01


@dataclass(frozen=True)
class Contender:
    """One layer to measure.

    Attributes:
        side: `ours`; `compiled`, ours with chunk steps that torch.compile makes; `exact`, titans-pytorch with
            chunk_size 1 and batch_size = chunk, the same per-token semantics; or
            `coarse`, titans-pytorch with chunk_size = chunk, one gate and weight set a chunk.
        dim: width of the layer.
        chunk: tokens whose gradients share their weights.
        depth: matrices of the memory.
        expansion: hidden width over key width.
        heads: number of heads.
        batch: sequences a call.
        recompute: of ours: chunks per kept carry in training; 0 keeps every intermediate, None is standard.
    """

    side: Side
    dim: int
    chunk: int
    depth: int = 2
    expansion: float = 2.0
    heads: int = 4
    batch: int = 2
    recompute: int | None = None

    @property
    def ours(self) -> bool:
        """Whether it is this project's layer."""
        return self.side in ("ours", "compiled")


def rule_of(contender: Contender) -> MemoryRule:
    """Return our rule for a contender's memory; residual and norm are as in titans-pytorch."""
    return MemoryRule(MLPMemory(contender.depth, contender.expansion))


def build(contender: Contender) -> Callable[[Tensor], Tensor]:
    """Make a layer: a function from `[B, T, dim]` to `[B, T, dim]` that also computes the final state."""
    torch.manual_seed(0)
    layer = _ours(contender) if contender.ours else _peer(contender)
    return lambda x: layer(x)[0]


def _ours(contender: Contender) -> nn.Module:
    if contender.recompute == 0:
        # The operator's plain function under autograd, which then keeps everything.
        chunked.chunked_memory = chunked.chunked_memory._init_fn
    if contender.recompute is not None:
        chunked.RECOMPUTE_EVERY = contender.recompute
    backend = "compiled" if contender.side == "compiled" else "chunked"
    config = NeuralMemoryConfig(
        heads=contender.heads, chunk_size=contender.chunk, rule=rule_of(contender), backend=backend
    )
    return NeuralMemory(config, contender.dim)


def _peer(contender: Contender) -> nn.Module:
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
