"""A memory of one matrix over many chunks: what is left to walk through is three small products a chunk.

With the L2 bias the error of a token is linear in the weights too:

    errors = v - k weights;   slots' = carry slots + (write k)^T errors

All reads, scores and most gradients are products over all chunks together. It keeps the slots of every chunk for the
backward pass, so that it is for training narrow heads. Shapes as in `operator`; what is alike for all chunks and groups
has them as one dimension.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from titans_seq.autodiff import differentiable_gradients, transformed
from titans_seq.memory import L2, Coefficients, MemoryRule
from titans_seq.ops.chunked.forward import runs
from titans_seq.ops.chunked.operator import run_chunks
from titans_seq.ops.chunked.updates import combined, per_sequence, products_per_row, scaled_rows, summed_to

# Rows of a head's slots, up to which it is faster than walking chunk by chunk in the general form.
MOST_ROWS = 64


def is_one_product(rule: MemoryRule, coefficients: Coefficients, rows: int) -> bool:
    """Whether to train chunks with these coefficients, and keys of so many rows, together.

    Example:
        >>> from titans_seq.memory import Gates, LinearMemory, MLPMemory, Momentum
        >>> c = Momentum().coefficients(Gates(*torch.rand(3, 5, 2, 8)))
        >>> [is_one_product(MemoryRule(architecture), c, 16) for architecture in (LinearMemory(), MLPMemory())]
        [True, False]
    """
    if not torch.is_grad_enabled() or torch.compiler.is_compiling() or transformed():
        return False
    architecture = rule.architecture
    is_matrix = architecture.depth == 1 and not (architecture.norm or architecture.residual)
    is_linear = isinstance(rule.bias, L2) and runs(rule) and not rule.retention.before_gradient
    read = coefficients.read
    per_head = read.dim() == 4
    return is_matrix and is_linear and per_head and read.shape[0] > 1 and read.shape[-1] * rows <= MOST_ROWS


def run_matrix(
    q: Tensor, written: Sequence[Tensor], c: Coefficients, slots: Tensor, rule: str, carry_out: bool
) -> tuple[Tensor, Tensor]:
    """Run whole chunks of a memory that `is_one_product`.

    Args:
        q: queries `[N, G, C, K]`.
        written: keys `[N, G, S, K]` and values `[N, G, S, V]`.
        c: their coefficients.
        slots: before the first chunk, `[G | H, n, K, V]`.
        rule: from `encode_rule`.
        carry_out: whether the slots after the last chunk are wanted.

    Returns:
        The output `[N, G, C, V]`, and the slots after the last chunk, `[G, n, K, V]`; without `carry_out` nothing of
        them.
    """
    inputs = (q, *written, c.read, c.mix, c.carry, c.write, slots)
    return _Matrix.apply(*inputs, carry_out, rule)[:2]  # type: ignore[return-value, index]


def _forward(inputs: Sequence[Tensor], carry_out: bool) -> tuple[Tensor, ...]:
    """Return the output, the slots after the last chunk, and what the backward pass wants to see."""
    q, k, v, read, mix, carry, write, slots = inputs
    (chunks, groups, _, rows), n = q.shape, read.shape[-1]
    steps = chunks if carry_out else chunks - 1
    writes = scaled_rows(k[:steps], write[:steps].mT)  # [steps, G, S, n * K]
    states = v.new_empty(steps + 1, groups, n, rows, v.shape[-1])
    states[0, :, : slots.shape[1]] = per_sequence(slots, groups)
    states[0, :, slots.shape[1] :] = 0  # a new memory has no momentum
    errors = torch.empty_like(v)
    flat = states.flatten(3)
    stacked = states.flatten(2, 3)
    for i in range(chunks):
        torch.baddbmm(v[i], k[i], states[i, :, 0], alpha=-1, out=errors[i])
        if i < steps:
            torch.bmm(carry[i], flat[i], out=flat[i + 1])
            stacked[i + 1].baddbmm_(writes[i].mT, errors[i])
    scores = torch.bmm(q.flatten(0, 1), k.flatten(0, 1).mT)
    mixed = scores * mix.flatten(0, 1)
    y = torch.bmm(scaled_rows(q, read).flatten(0, 1), stacked[:chunks].flatten(0, 1))
    y.baddbmm_(mixed, errors.flatten(0, 1))
    after = states[-1].clone() if carry_out else v.new_empty(0)
    return y.unflatten(0, (chunks, groups)), after, states, errors, scores, mixed


class _Matrix(torch.autograd.Function):
    @staticmethod
    def forward(*inputs) -> tuple[Tensor, ...]:
        return _forward(inputs[:8], inputs[8])

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs[:8], *output[2:])
        ctx.carry_out, ctx.rule = inputs[8:]
        ctx.mark_non_differentiable(*output[2:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, d_y: Tensor | None, d_after: Tensor | None, *_) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved = ctx.saved_tensors  # once: activation checkpointing gives them out a single time
        inputs, kept = saved[:8], saved[8:]
        d_output = inputs[2].new_zeros(*inputs[0].shape[:-1], inputs[2].shape[-1]) if d_y is None else d_y
        if not torch.is_grad_enabled():
            return *_backward(inputs, kept, d_output, d_after), None, None

        def plain(q: Tensor, k: Tensor, v: Tensor, *rest: Tensor) -> list[Tensor]:
            return run_chunks(q, [k, v], list(rest[:4]), [rest[4]], [], ctx.rule, 1, 0, True, ctx.carry_out)

        gradients = [d_output] if d_after is None else [d_output, d_after]
        return *differentiable_gradients(plain, inputs, gradients), None, None


def _backward(
    inputs: Sequence[Tensor], kept: Sequence[Tensor], d_y: Tensor, d_after: Tensor | None
) -> tuple[Tensor, ...]:
    """Return the gradients of the inputs."""
    q, k, v, read, mix, carry, write, slots = inputs
    states, errors, scores, mixed = kept
    (chunks, groups, size, rows), n = q.shape, read.shape[-1]
    steps = states.shape[0] - 1
    q_flat, k_flat, d_flat = q.flatten(0, 1), k.flatten(0, 1), d_y.reshape(-1, *d_y.shape[2:])
    stacked, flat_errors = states.flatten(2, 3), errors.flatten(0, 1)
    stood = stacked[:chunks].flatten(0, 1)
    d_errors = torch.bmm(mixed.mT, d_flat).view_as(errors)
    # What the slots before each chunk are owed: by what was read of them, then by the slots after it.
    d_states = torch.empty_like(states)
    d_states[-1] = 0 if d_after is None else d_after
    d_stacked, d_slots = d_states.flatten(2, 3), d_states.flatten(3)
    torch.bmm(scaled_rows(q, read).flatten(0, 1).mT, d_flat, out=d_stacked[:chunks].flatten(0, 1))
    writes = scaled_rows(k[:steps], write[:steps].mT)
    for i in reversed(range(chunks)):
        if i < steps:
            d_errors[i].baddbmm_(writes[i], d_stacked[i + 1])
            d_slots[i].baddbmm_(carry[i].mT, d_slots[i + 1])
        d_states[i, :, 0] -= torch.bmm(k[i].mT, d_errors[i])
    d_next, d_flat_errors = d_stacked[1:].flatten(0, 1), d_errors.flatten(0, 1)
    # Reads of the slots and, through the scores, of what the chunk has written.
    pulled = torch.bmm(d_flat, stood.mT).view(chunks, groups, size, n, rows)
    d_read = products_per_row(pulled, q)
    d_mixed = torch.bmm(d_flat, flat_errors.mT)
    d_mix = (d_mixed * scores).view_as(mix)
    d_scores = d_mixed.mul_(mix.flatten(0, 1))
    d_q = combined(pulled, read).flatten(0, 1).baddbmm_(d_scores, k_flat)
    d_k = torch.bmm(d_scores.mT, q_flat)
    # Writes.
    d_k.baddbmm_(d_flat_errors, stood[:, :rows].mT, alpha=-1)
    count = steps * groups
    pushed = torch.bmm(flat_errors[:count], d_next.mT).view(steps, groups, -1, n, rows)
    d_k[:count] += combined(pushed, write[:steps].mT).flatten(0, 1)
    d_write, d_carry = torch.zeros_like(write), torch.zeros_like(carry)
    d_write[:steps] = products_per_row(pushed, k[:steps]).mT
    torch.matmul(d_slots[1:], states[:steps].flatten(3).mT, out=d_carry[:steps])
    d_start = summed_to(d_states[0, :, : slots.shape[1]], slots.shape[0])
    return d_q.view_as(q), d_k.view_as(k), d_errors, d_read, d_mix, d_carry, d_write, d_start
