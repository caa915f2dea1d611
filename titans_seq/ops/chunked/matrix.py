"""A memory of one matrix over many chunks: what is left to walk through is three small products a chunk.

With the L2 bias the error of a token is linear in the weights too:

    errors = v - k weights;   slots' = carry slots + (write k)^T errors

All reads, scores and most gradients are products over all chunks together. It keeps the slots of every chunk for the
backward pass, so that it is for training narrow heads or long chunks. Chunks are rows here, R of them: first the first
chunk of each sequence, then the second one of those that have one, and so on (`Walk`).
"""

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.autodiff import differentiable_gradients, full_precision, transformed
from titans_seq.memory import L2, Coefficients, MemoryRule
from titans_seq.ops.chunked.forward import runs
from titans_seq.ops.chunked.operator import run_chunks
from titans_seq.ops.chunked.updates import combined, products_per_row, scaled_rows

# Rows of a head's slots, in all or for each token of a chunk, up to which it is faster than walking chunk by chunk in
# the general form. By the second, slots take less than queries, keys and values.
MOST_ROWS, MOST_ROWS_A_TOKEN = 64, 2


@dataclass(frozen=True)
class Walk:
    """How chunks follow one another.

    Attributes:
        active: sequences that have a first, a second, ... chunk; none more than the one before. Those that go on come
            first among the chunks of a step.
        ended: of those that do not, how many are to leave their slots; they come next.
    """

    active: tuple[int, ...]
    ended: tuple[int, ...]

    @property
    def chunks(self) -> int:
        """R, of all sequences."""
        return sum(self.active)

    @functools.cached_property
    def steps(self) -> list[tuple[int, int, list[tuple[int, int, int]]]]:
        """Of each step its first row, the one behind its last, and its moves: first row before and after it, and rows.

        Slots that are left stand behind all chunks.
        """
        starts = list(itertools.accumulate(self.active, initial=0))
        left, steps = starts[-1], []
        for i, ended in enumerate(self.ended):
            following = self.active[i + 1] if i + 1 < len(self.active) else 0
            moves = [(starts[i], starts[i + 1], following), (starts[i] + following, left, ended)]
            steps.append((starts[i], starts[i + 1], [move for move in moves if move[2]]))
            left += ended
        return steps

    @functools.cached_property
    def moved(self) -> slice | Tensor:
        """The rows whose slots go on, in the order of where they are then."""
        moves = itertools.chain.from_iterable(moves for _, _, moves in self.steps)
        rows = [range(before, before + n) for before, _, n in sorted(moves, key=lambda move: move[1])]
        index = list(itertools.chain(*rows))
        # A view where all sequences are of one length.
        return slice(len(index)) if index == list(range(len(index))) else torch.tensor(index)


def is_matrix(rule: MemoryRule, rows: int, tokens: int) -> bool:
    """Say whether to train chunks of `tokens` tokens together.

    Only a matrix memory with gates per head may be, and with keys of so few `rows` that it pays.

    Example:
        >>> from titans_seq.memory import LinearMemory, MLPMemory
        >>> [is_matrix(MemoryRule(architecture), 16, 8) for architecture in (LinearMemory(), MLPMemory())]
        [True, False]
    """
    if not torch.is_grad_enabled() or torch.compiler.is_compiling() or transformed():
        return False
    architecture = rule.architecture
    one_matrix = architecture.depth == 1 and not (architecture.norm or architecture.residual)
    is_linear = type(rule.bias) is L2 and runs(rule) and not rule.retention.before_gradient
    few = rule.algorithm.slots * rows <= max(MOST_ROWS, MOST_ROWS_A_TOKEN * tokens)
    return one_matrix and is_linear and not rule.retention.per_channel and few


def run_matrix(
    q: Tensor, written: Sequence[Tensor], c: Coefficients, slots: Tensor, walk: Walk, rule: str
) -> tuple[Tensor, Tensor]:
    """Run whole chunks of a memory that `is_matrix`.

    Args:
        q: queries `[R, C, K]`.
        written: keys `[R, S, K]` and values `[R, S, V]`.
        c: their coefficients, `[R, ...]`.
        slots: before the first chunks, `[sequences, n, K, V]`.
        walk: how chunks follow one another.
        rule: from `encode_rule`.

    Returns:
        The output `[R, C, V]`, and the slots left, `[ended, n, K, V]`.
    """
    inputs = (q, *written, c.read, c.mix, c.carry, c.write, slots)
    return _Matrix.apply(*inputs, walk, rule)[:2]  # type: ignore[return-value, index]


def _picked(x: Tensor, rows: slice | Tensor) -> Tensor:
    return x[rows] if isinstance(rows, slice) else x.index_select(0, rows.to(x.device))


def _forward(inputs: Sequence[Tensor], walk: Walk) -> tuple[Tensor, ...]:
    """Return the output, the slots left, and what the backward pass wants to see."""
    q, k, v, read, mix, carry, write, slots = inputs
    first, n, rows, width = slots.shape
    writes = scaled_rows(_picked(k, walk.moved), _picked(write, walk.moved).mT)  # [moved, S, n * K]
    states = v.new_empty(first + len(writes), n, rows, width)
    states[:first] = slots
    errors, flat, stacked = torch.empty_like(v), states.flatten(2), states.flatten(1, 2)
    for start, stop, moves in walk.steps:
        torch.baddbmm(v[start:stop], k[start:stop], states[start:stop, 0], alpha=-1, out=errors[start:stop])
        for before, after, count in moves:
            old, new, at = slice(before, before + count), slice(after, after + count), after - first
            torch.bmm(carry[old], flat[old], out=flat[new])
            stacked[new].baddbmm_(writes[at : at + count].mT, errors[old])
    scores = torch.bmm(q, k.mT)
    mixed = scores * mix
    y = torch.bmm(scaled_rows(q, read), stacked[: walk.chunks]).baddbmm_(mixed, errors)
    return y, states[walk.chunks :].clone(), states, errors, scores, mixed


class _Matrix(torch.autograd.Function):
    @staticmethod
    def forward(*inputs) -> tuple[Tensor, ...]:
        return _forward(inputs[:8], inputs[8])

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: tuple[Tensor, ...]) -> None:
        ctx.save_for_backward(*inputs[:8], *output[2:])
        ctx.walk, ctx.rule = inputs[8:]
        ctx.mark_non_differentiable(*output[2:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, d_y: Tensor | None, d_left: Tensor | None, *_) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        saved = ctx.saved_tensors  # once: activation checkpointing gives them out a single time
        inputs, kept = saved[:8], saved[8:]
        d_output = inputs[2].new_zeros(*inputs[0].shape[:-1], inputs[2].shape[-1]) if d_y is None else d_y
        with full_precision(d_output.device.type):  # who calls backward within autocast has it on here
            if not torch.is_grad_enabled():
                return *_backward(inputs, kept, d_output, d_left, ctx.walk), None, None
            gradients = [d_output] if d_left is None else [d_output, d_left]
            plain = functools.partial(_plain, ctx.walk, ctx.rule)
            return *differentiable_gradients(plain, inputs, gradients), None, None


def _plain(walk: Walk, rule: str, *inputs: Tensor) -> list[Tensor]:
    """Return the output and the slots left, in a form that can be differentiated twice."""
    outputs, left, slots = [], [], inputs[7]
    starts = itertools.accumulate(walk.active, initial=0)
    for start, active, ended, following in zip(starts, walk.active, walk.ended, (*walk.active[1:], 0), strict=False):
        q, k, v, *coefficients = (x[start : start + active].unsqueeze(0) for x in inputs[:7])
        y, slots = run_chunks(q, [k, v], coefficients, [slots], [], rule, 1, 0, True, True)
        outputs.append(y[0])
        left.append(slots[following : following + ended])
        slots = slots[:following]
    return [torch.cat(outputs), torch.cat(left)]


def _backward(
    inputs: Sequence[Tensor], kept: Sequence[Tensor], d_y: Tensor, d_left: Tensor | None, walk: Walk
) -> tuple[Tensor, ...]:
    """Return the gradients of the inputs."""
    q, k, v, read, mix, carry, write, slots = inputs
    states, errors, scores, mixed = kept
    first, n, rows, _ = slots.shape
    keys, steps = _picked(k, walk.moved), _picked(write, walk.moved).mT
    stood = states[: walk.chunks].flatten(1, 2)
    d_errors = torch.bmm(mixed.mT, d_y)
    # What the slots before each chunk are owed: by what was read of them, then by the slots after it.
    d_states, writes = torch.empty_like(states), scaled_rows(keys, steps)
    d_states[walk.chunks :] = 0 if d_left is None else d_left
    d_flat, d_stacked = d_states.flatten(2), d_states.flatten(1, 2)
    torch.bmm(scaled_rows(q, read).mT, d_y, out=d_stacked[: walk.chunks])
    for start, stop, moves in reversed(walk.steps):
        for before, after, count in moves:
            old, new, at = slice(before, before + count), slice(after, after + count), after - first
            d_errors[old].baddbmm_(writes[at : at + count], d_stacked[new])
            d_flat[old].baddbmm_(carry[old].mT, d_flat[new])
        d_states[start:stop, 0] -= torch.bmm(k[start:stop].mT, d_errors[start:stop])
    d_next = d_stacked[first:]
    # Reads of the slots and, through the scores, of what the chunk has written.
    pulled = torch.bmm(d_y, stood.mT).unflatten(-1, (n, rows))
    d_read = products_per_row(pulled, q)
    d_mixed = torch.bmm(d_y, errors.mT)
    d_mix = d_mixed * scores
    d_scores = d_mixed.mul_(mix)
    d_q = combined(pulled, read).baddbmm_(d_scores, k)
    d_k = torch.bmm(d_scores.mT, q)
    # Writes.
    d_k.baddbmm_(d_errors, stood[:, :rows].mT, alpha=-1)
    pushed = torch.bmm(_picked(errors, walk.moved), d_next.mT).unflatten(-1, (n, rows))
    _add(d_k, walk.moved, combined(pushed, steps))
    d_write, d_carry = torch.zeros_like(write), torch.zeros_like(carry)
    _add(d_write, walk.moved, products_per_row(pushed, keys).mT)
    _add(d_carry, walk.moved, torch.bmm(d_flat[first:], _picked(states, walk.moved).flatten(2).mT))
    return d_q, d_k, d_errors, d_read, d_mix, d_carry, d_write, d_states[:first]


def _add(x: Tensor, rows: slice | Tensor, y: Tensor) -> None:
    """Add y to some rows of x, in place."""
    if isinstance(rows, slice):
        x[rows] += y
    else:
        x.index_add_(0, rows.to(x.device), y)
