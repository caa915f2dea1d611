"""What the GPU suite times: one forward and backward pass of a memory, of what it is compared with, or of a block."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.contenders import Contender, build
from benchmarks.roofline import Shape
from titans_seq.blocks import AttentionBlockConfig, LMMConfig
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule, MemoryState, MLPMemory, initial_weights
from titans_seq.ops import Backend, memory_scan

Call = Callable[[], object]
Side = Literal["fused", "chunked", "chunked, graph", "chunked, compiled", "gated delta rule", "attention"]


class Absent(Exception):
    """A contender cannot run here; the message says why."""


@dataclass(frozen=True)
class Cell:
    """What every contender gets.

    Attributes:
        shape: of the memory.
        batch: sequences.
        heads: of each.
        length: tokens of each.
        device: where.
        dtype: of queries, keys and values.
    """

    shape: Shape
    batch: int
    heads: int
    length: int
    device: str = "cuda"
    dtype: torch.dtype = torch.bfloat16

    @property
    def rule(self) -> MemoryRule:
        """The project's default but for the number of layers and their width."""
        expansion = self.shape.expansion
        return MemoryRule(LinearMemory() if expansion is None else MLPMemory(expansion=expansion))


def inputs(cell: Cell) -> dict[str, Tensor]:
    """Draw queries and keys of unit length, values, and gates at which no memory diverges."""
    generator = torch.Generator(cell.device).manual_seed(cell.length)
    lead = (cell.batch, cell.length, cell.heads)

    def drawn(function: Callable[..., Tensor], *size: int) -> Tensor:
        return function(*size, generator=generator, device=cell.device, dtype=torch.float32)

    q, k, v = (drawn(torch.randn, *lead, cell.shape.width) for _ in range(3))
    momentum = 0.9 * drawn(torch.rand, *lead)
    found = {"q": F.normalize(q, dim=-1).to(cell.dtype), "k": F.normalize(k, dim=-1).to(cell.dtype)}
    found |= {"v": v.to(cell.dtype), "momentum": momentum, "decay": 0.01 * drawn(torch.rand, *lead)}
    found["lr"] = drawn(torch.rand, *lead) * (1 - momentum) / cell.shape.chunk
    return {name: x.requires_grad_() for name, x in found.items()}


def initial(cell: Cell, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Draw a memory's initial weights."""
    width = cell.shape.width
    weights = initial_weights(cell.rule.architecture, cell.heads, width, width, torch.Generator().manual_seed(0))
    return [w.to(cell.device, dtype).requires_grad_() for w in weights]


def scanned(cell: Cell, drawn: dict[str, Tensor], weights: list[Tensor], backend: Backend) -> list[Tensor]:
    """Run the memory alone, forward and backward: outputs, final weights, the gradient of every input and weight."""
    y, after = memory_scan(
        drawn["q"],
        drawn["k"],
        drawn["v"],
        lr=drawn["lr"],
        momentum=drawn["momentum"],
        decay=drawn["decay"],
        state=MemoryState.initial(weights),
        rule=cell.rule,
        chunk_size=cell.shape.chunk,
        backend=backend,
    )
    assert after is not None
    loss = y.to(weights[0].dtype).square().sum() + after.weights[-1].square().sum()
    gradients = torch.autograd.grad(loss, [*drawn.values(), *weights])
    return [y.detach(), *(w.detach() for w in after.weights), *gradients]


def memory(cell: Cell, backend: Backend) -> Callable[[], list[Tensor]]:
    """Return a pass of the memory alone."""
    drawn, weights = inputs(cell), initial(cell)
    return lambda: scanned(cell, drawn, weights, backend)


def graphed(call: Call) -> Call:
    """Record a call's kernels once, and launch them all at once from then on."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = call()
    return lambda: (graph.replay(), kept)


def gated_delta_rule(cell: Cell) -> Call:
    """Return a pass of flash-linear-attention's kernel at the same shape."""
    try:
        run: Any = importlib.import_module("fla.ops.gated_delta_rule").chunk_gated_delta_rule
    except ImportError as error:
        raise Absent(f"flash-linear-attention is not importable: {error}") from error
    drawn = inputs(cell)
    g, beta = (x.detach().to(cell.dtype).requires_grad_() for x in (torch.log1p(-drawn["decay"]), drawn["momentum"]))

    def call() -> object:
        y, _ = run(drawn["q"], drawn["k"], drawn["v"], g, beta)
        return torch.autograd.grad(y.float().square().sum(), [drawn["q"], drawn["k"], drawn["v"], g, beta])

    return call


def attention(cell: Cell) -> Call:
    """Return a pass of PyTorch's causal attention at the same heads and widths."""
    drawn = inputs(cell)
    q, k, v = (drawn[name].detach().transpose(1, 2).contiguous().requires_grad_() for name in ("q", "k", "v"))

    def call() -> object:
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return torch.autograd.grad(y.float().square().sum(), [q, k, v])

    return call


def operator(side: Side, cell: Cell) -> Call:
    """Return what a side runs at a cell.

    Raises:
        Absent: if it is not installed.
    """
    if side == "gated delta rule":
        return gated_delta_rule(cell)
    if side == "attention":
        return attention(cell)
    backends: dict[Side, Backend] = {"fused": "triton", "chunked, compiled": "compiled"}
    call = memory(cell, backends.get(side, "chunked"))
    return graphed(call) if side == "chunked, graph" else call


def block(kind: Literal["memory", "attention"], cell: Cell) -> Call:
    """Return a pass of a whole block under autocast: an LMM block, or one of attention over everything."""
    dim = cell.heads * cell.shape.width
    torch.manual_seed(0)
    with torch.device(cell.device):
        if kind == "memory":
            config = NeuralMemoryConfig(heads=cell.heads, chunk_size=cell.shape.chunk, rule=cell.rule)
            made = LMMConfig(config).build(dim)
        else:
            made = AttentionBlockConfig(AttentionConfig(heads=cell.heads, window=None)).build(dim)
        x = torch.randn(cell.batch, cell.length, dim, requires_grad=True)
    return _pass(made, x, cell)


def peer(side: Literal["ours", "exact", "coarse"], cell: Cell) -> Call:
    """Return a pass of a whole memory layer, ours or titans-pytorch's, which has a deep memory.

    Raises:
        Absent: if titans-pytorch is not installed.
    """
    dim = cell.heads * cell.shape.width
    contender = Contender("ours", dim, cell.shape.chunk, 2, cell.shape.expansion or 1, cell.heads, cell.batch)
    try:
        with torch.device(cell.device):
            layer = build(replace(contender, side=side))
            x = torch.randn(cell.batch, cell.length, dim, requires_grad=True)
    except ImportError as error:
        raise Absent(f"titans-pytorch is not importable: {error}") from error
    return lambda: torch.autograd.grad(layer(x).square().sum(), x)


def _pass(module: nn.Module, x: Tensor, cell: Cell) -> Call:
    leaves = [x, *module.parameters()]

    def call() -> object:
        with torch.autocast(cell.device, cell.dtype, enabled=cell.dtype != torch.float32):
            y, _ = module(x, None, return_state=False)
        return torch.autograd.grad(y.float().square().sum(), leaves)

    return call
