"""The fused memories as two opaque operators, forward and backward, that PyTorch compiles around.

Neither this module nor an operator's fake imports triton: only running one does.
"""

import itertools

import torch
from torch import Tensor

from titans_seq.ops.triton.buffers import (
    Inputs,
    Network,
    Results,
    Saved,
    empty_gradients,
    empty_results,
    empty_saved,
    tensors_of,
)


@torch.library.custom_op("titans_seq::fused_memory", mutates_args=())
def fused_memory(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    momentum: Tensor | None,
    keep: Tensor,
    weights: list[Tensor],
    past: list[Tensor],
    anchor: list[Tensor],
    activation: str,
    residual: bool,
    norm: bool,
    chunk_size: int,
    position: int,
    saves: bool,
) -> list[Tensor]:
    """Run a memory of one or two layers over a sequence; all tensors are contiguous.

    Args:
        q: queries `[B, T, H, K]`, float32, float16 or bfloat16.
        k: keys, likewise.
        v: values `[B, T, H, V]`, likewise.
        lr: step sizes `[B, T, H]`, float32 as all below.
        momentum: likewise; None without momentum.
        keep: shares of the memory kept, likewise.
        weights: of each layer, `[B * H, in, out]`.
        past: the momentum, likewise; empty without.
        anchor: of the chunk that the call continues, likewise; empty if it begins one.
        activation: between two layers; "none" for one.
        residual: whether a memory of two layers adds the query, or the key, to its output.
        norm: whether it normalises its output before that.
        chunk_size: tokens of a chunk.
        position: tokens already in the open chunk.
        saves: whether what the backward pass needs is kept.

    Returns:
        Outputs `[B, T, H, V]`; weights afterwards; with `past` the momentum afterwards; if a chunk begins here and does
        not end here, its anchor; and with `saves` what the backward pass needs.
    """
    from titans_seq.ops.triton.kernels import plan_forward, run

    network = Network(activation, residual, norm)
    x = Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, network, chunk_size, position, saves)
    launches, results, saved = plan_forward(x)
    run(launches, q.device)
    return [*results.tensors(), *saved.tensors(x)]


@fused_memory.register_fake
def _(
    q, k, v, lr, momentum, keep, weights, past, anchor, activation, residual, norm, chunk_size, position,
    saves,
):  # fmt: skip
    network = Network(activation, residual, norm)
    x = Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, network, chunk_size, position, saves)
    return [*empty_results(x).tensors(), *empty_saved(x).tensors(x)]


@torch.library.custom_op("titans_seq::fused_memory_backward", mutates_args=())
def fused_memory_backward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    momentum: Tensor | None,
    keep: Tensor,
    weights: list[Tensor],
    past: list[Tensor],
    anchor: list[Tensor],
    saved: list[Tensor],
    d_results: list[Tensor],
    activation: str,
    residual: bool,
    norm: bool,
    chunk_size: int,
    position: int,
) -> list[Tensor]:
    """Return the gradient of every tensor of the first nine arguments, in order."""
    from titans_seq.ops.triton.kernels import plan_backward, run

    network = Network(activation, residual, norm)
    x = Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, network, chunk_size, position)
    launches, gradients = plan_backward(x, Saved.of(saved, x), Results.of(d_results, x))
    run(launches, q.device)
    return tensors_of(gradients)


@fused_memory_backward.register_fake
def _(
    q, k, v, lr, momentum, keep, weights, past, anchor, saved, d_results, activation, residual, norm, chunk_size,
    position,
):  # fmt: skip
    network = Network(activation, residual, norm)
    x = Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, network, chunk_size, position)
    return tensors_of(empty_gradients(x))


def _setup_context(ctx, inputs, output) -> None:
    ctx.options = inputs[9:-1]  # all but whether to save
    x = Inputs(*inputs[:9], network=Network(*inputs[9:12]), chunk_size=inputs[12], position=inputs[13])
    ctx.momentum, ctx.layers = x.momentum is not None, [len(slot) for slot in (x.weights, x.past, x.anchor)]
    # Results that a loss may read, and then what the backward pass needs, which has no gradient.
    count = 1 + x.depth * (x.slots + x.stays_open)
    ctx.results = [(tensor.shape, tensor.dtype) for tensor in output[:count]]
    ctx.save_for_backward(*tensors_of(x), *output[count:])
    # Without this, zeros as large as all that was saved would be made.
    ctx.set_materialize_grads(False)


def _grouped(ctx, tensors):
    """Cut the tensors at the front of an iterator as the operator takes them; None where it takes none."""
    first = [next(tensors) for _ in range(4)]
    momentum, keep = next(tensors) if ctx.momentum else None, next(tensors)
    return [*first, momentum, keep, *(list(itertools.islice(tensors, count)) for count in ctx.layers)]


def _differentiate(ctx, gradients):
    held = iter(ctx.saved_tensors)
    inputs, saved = _grouped(ctx, held), list(held)
    d_results = [
        torch.zeros(shape, dtype=dtype, device=inputs[0].device) if gradient is None else gradient.contiguous()
        for gradient, (shape, dtype) in zip(gradients, ctx.results, strict=False)
    ]
    found = fused_memory_backward(*inputs, saved, d_results, *ctx.options)
    return *_grouped(ctx, iter(found)), *[None] * (len(ctx.options) + 1)


fused_memory.register_autograd(_differentiate, setup_context=_setup_context)


def _refuse(ctx, *gradients):
    raise RuntimeError(
        "the fused kernels have no second derivative: pass backend='chunked' or backend='reference' to memory_scan"
    )


fused_memory_backward.register_autograd(_refuse)
