"""The fused linear memory as two opaque operators, forward and backward, that PyTorch compiles around.

Neither this module nor an operator's fake imports triton: only running one does.
"""

import torch
from torch import Tensor

from titans_seq.ops.triton._buffers import Inputs, Saved, empty_gradients, empty_results, empty_saved


@torch.library.custom_op("titans_seq::fused_linear_memory", mutates_args=())
def fused_linear_memory(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    momentum: Tensor | None,
    keep: Tensor,
    weights: Tensor,
    past: Tensor | None,
    anchor: Tensor | None,
    chunk_size: int,
    position: int,
) -> list[Tensor]:
    """Run a linear memory over a sequence; all tensors are contiguous.

    Args:
        q: queries `[B, T, H, K]`, float32, float16 or bfloat16.
        k: keys, likewise.
        v: values `[B, T, H, V]`, likewise.
        lr: step sizes `[B, T, H]`, float32 as all below.
        momentum: likewise; None without momentum.
        keep: shares of the memory kept, likewise.
        weights: `[B * H, K, V]`.
        past: the momentum, likewise; None without.
        anchor: of the chunk that the call continues, likewise; None if it begins one.
        chunk_size: tokens of a chunk, 16 to 128.
        position: tokens already in the open chunk.

    Returns:
        Outputs `[B, T, H, V]`; weights afterwards; with `past` the momentum afterwards; if a chunk begins here and does
        not end here, its anchor; and what the backward pass needs.
    """
    from titans_seq.ops.triton._launch import plan_forward, run

    launches, results, saved = plan_forward(
        Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, chunk_size, position)
    )
    run(launches, q.device)
    return [*results, *saved.tensors()]


@fused_linear_memory.register_fake
def _(q, k, v, lr, momentum, keep, weights, past, anchor, chunk_size, position):
    x = Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, chunk_size, position)
    return [*empty_results(x), *empty_saved(x).tensors()]


@torch.library.custom_op("titans_seq::fused_linear_memory_backward", mutates_args=())
def fused_linear_memory_backward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lr: Tensor,
    momentum: Tensor | None,
    keep: Tensor,
    weights: Tensor,
    past: Tensor | None,
    anchor: Tensor | None,
    saved: list[Tensor],
    d_results: list[Tensor],
    chunk_size: int,
    position: int,
) -> list[Tensor]:
    """Return the gradient of every tensor that is not None, in order."""
    from titans_seq.ops.triton._launch import plan_backward, run

    x = Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, chunk_size, position)
    launches, gradients = plan_backward(x, Saved.of(saved), d_results)
    run(launches, q.device)
    return gradients


@fused_linear_memory_backward.register_fake
def _(q, k, v, lr, momentum, keep, weights, past, anchor, saved, d_results, chunk_size, position):
    x = Inputs(q, k, v, lr, momentum, keep, weights, past, anchor, chunk_size, position)
    return list(empty_gradients(x).values())


def _setup_context(ctx, inputs, output) -> None:
    x = Inputs(*inputs)
    ctx.given = [tensor is not None for tensor in inputs[:9]]
    ctx.options = x.chunk_size, x.position
    # Results that a loss may read, and then what the backward pass needs, which has no gradient.
    ctx.results = [(tensor.shape, tensor.dtype) for tensor in output[: 1 + x.slots + x.stays_open]]
    ctx.save_for_backward(*(tensor for tensor in inputs[:9] if tensor is not None), *output[len(ctx.results) :])
    # Without this, zeros as large as all that was saved would be made.
    ctx.set_materialize_grads(False)


def _differentiate(ctx, gradients):
    held = iter(ctx.saved_tensors)
    inputs = [next(held) if given else None for given in ctx.given]
    device = ctx.saved_tensors[0].device
    d_results = [
        torch.zeros(shape, dtype=dtype, device=device) if gradient is None else gradient.contiguous()
        for gradient, (shape, dtype) in zip(gradients, ctx.results, strict=False)
    ]
    found = iter(fused_linear_memory_backward(*inputs, list(held), d_results, *ctx.options))
    return *(next(found) if given else None for given in ctx.given), None, None


fused_linear_memory.register_autograd(_differentiate, setup_context=_setup_context)
