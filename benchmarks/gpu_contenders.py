"""What the GPU suite times: one forward and backward pass of a memory, of what it is compared with, or of a block."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.contenders import Contender, peer_layer
from benchmarks.roofline import Shape
from titans_seq.blocks import AttentionBlockConfig, LMMConfig
from titans_seq.layers import AttentionConfig, NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule, MemoryState, MLPMemory, initial_weights
from titans_seq.ops import Backend, memory_scan

Call = Callable[[], object]
Side = Literal[
    "fused",
    "fused, graph",
    "chunked",
    "chunked, tf32",
    "chunked, graph",
    "gated delta rule",
    "attention",
]
BACKENDS: dict[Side, Backend] = {"fused": "triton", "fused, graph": "triton"}


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


def weighing(cell: Cell) -> Tensor:
    """Draw the gradient of the outputs: that of a loss would have to be computed, and that would be timed too."""
    generator = torch.Generator(cell.device).manual_seed(1)
    size = (cell.batch, cell.length, cell.heads, cell.shape.width)
    return torch.randn(*size, generator=generator, device=cell.device).to(cell.dtype)


def scanned(
    cell: Cell, drawn: dict[str, Tensor], weights: list[Tensor], d_y: Tensor, backend: Backend
) -> dict[str, Tensor]:
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
    layers = {f"weights {number}": w for number, w in enumerate(weights, 1)}
    gradients = torch.autograd.grad(y, [*drawn.values(), *weights], d_y)
    found = {"y": y.detach(), **{f"final {name}": w.detach() for name, w in zip(layers, after.weights, strict=True)}}
    return found | {f"d {name}": g for name, g in zip([*drawn, *layers], gradients, strict=True)}


def memory(cell: Cell, backend: Backend) -> Callable[[], dict[str, Tensor]]:
    """Return a pass of the memory alone."""
    drawn, weights, d_y = inputs(cell), initial(cell), weighing(cell)
    return lambda: scanned(cell, drawn, weights, d_y, backend)


def in_tf32(call: Call) -> Call:
    """Let products of float32 matrices round their operands to 10 bits of mantissa while a call runs."""

    def rounded() -> object:
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("high")
        try:
            return call()
        finally:
            torch.set_float32_matmul_precision(before)

    return rounded


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
    drawn, d_y = inputs(cell), weighing(cell)
    g, beta = (x.detach().to(cell.dtype).requires_grad_() for x in (torch.log1p(-drawn["decay"]), drawn["momentum"]))

    def call() -> object:
        y, _ = run(drawn["q"], drawn["k"], drawn["v"], g, beta)
        return torch.autograd.grad(y, [drawn["q"], drawn["k"], drawn["v"], g, beta], d_y)

    return call


def attention(cell: Cell) -> Call:
    """Return a pass of PyTorch's causal attention at the same heads and widths."""
    drawn, d_y = inputs(cell), weighing(cell).transpose(1, 2).contiguous()
    q, k, v = (drawn[name].detach().transpose(1, 2).contiguous().requires_grad_() for name in ("q", "k", "v"))

    def call() -> object:
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return torch.autograd.grad(y, [q, k, v], d_y)

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
    call = memory(cell, BACKENDS.get(side, "chunked"))
    if side == "chunked, tf32":
        return in_tf32(call)
    return graphed(call) if side.endswith("graph") else call


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

    def forward() -> Tensor:
        with torch.autocast(cell.device, cell.dtype, enabled=cell.dtype != torch.float32):
            return made(x, None, return_state=False)[0]

    return _pass(forward, made, x)


def layer(side: Literal["ours", "exact", "coarse"], cell: Cell) -> Call:
    """Return a pass of a whole memory layer in float32, ours or titans-pytorch's, which has a deep memory.

    Raises:
        Absent: if titans-pytorch is not installed.
    """
    dim = cell.heads * cell.shape.width
    torch.manual_seed(0)
    try:
        with torch.device(cell.device):
            if side == "ours":
                config = NeuralMemoryConfig(heads=cell.heads, chunk_size=cell.shape.chunk, rule=cell.rule)
                made: nn.Module = NeuralMemory(config, dim)
            else:
                expansion = cell.shape.expansion or 1
                made = peer_layer(Contender(side, dim, cell.shape.chunk, 2, expansion, cell.heads, cell.batch))
            x = torch.randn(cell.batch, cell.length, dim, requires_grad=True)
    except ImportError as error:
        raise Absent(f"titans-pytorch is not importable: {error}") from error
    return _pass(lambda: made(x)[0], made, x)


def _pass(forward: Callable[[], Tensor], module: nn.Module, x: Tensor) -> Call:
    # A parameter that a peer does not use has no gradient.
    leaves, d_y = [x, *module.parameters()], torch.randn_like(x)

    def call() -> object:
        y = forward()
        return torch.autograd.grad(y, leaves, d_y.to(y.dtype), allow_unused=True)

    return call
