"""One chunk of the memory in closed form, forwards and backwards, without a weight matrix per token.

Shapes. G = heads x batch (heads first), C tokens, n slots (weights, momentum). Matrices are kept transposed,
`[in, out]`, so that a row of activations times a matrix is a layer. `slots[l]` is `[G, n, in, out]`. A new memory has
one slot shared by the batch, `[H, 1, in, out]`: its rows then meet their matrix in one ordinary product a head, and
nothing is expanded per sequence.

Every inner gradient is an outer product of a layer's input a_s and the error delta_s at its output, so a token's read
is a causal, weighted attention over the chunk (DESIGN 3; arXiv 2501.00663 eq. 16-18 with momentum and depth):

    W_t z = sum_n read[t, n] (slot_n z) - sum_{s<=t} mix[t, s] (a_s . z) delta_s
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.memory import Architecture, Bias, Coefficients
from titans_seq.memory._activation import ACTIVATIONS
from titans_seq.memory._architecture import NORM_EPS

_aten = torch.ops.aten


def rows_times(x: Tensor, matrix: Tensor) -> Tensor:
    """Multiply rows `[G, C, in]` by `[G | H, in, out]`; a matrix shared by the batch meets all its rows at once."""
    shared = x.reshape(matrix.shape[0], -1, x.shape[-1])
    return torch.bmm(shared, matrix).view(*x.shape[:-1], matrix.shape[-1])


def scaled_rows(x: Tensor, scale: Tensor) -> Tensor:
    """Return `[G, C, n * in]`: row t of x times scale[t, m], for every slot m side by side."""
    return (x.unsqueeze(-2) * scale.unsqueeze(-1)).flatten(-2)


def stacked(slots: Tensor) -> Tensor:
    """View `[G, n, in, out]` as `[G, n * in, out]`."""
    return slots.flatten(1, 2)


class _Norm:
    """LayerNorm without affine parameters over the last axis: value, derivative and second derivative."""

    def __init__(self, x: Tensor) -> None:
        self.x = x
        self.y, self.mean, self.rstd = torch.native_layer_norm(x, x.shape[-1:], None, None, NORM_EPS)

    def backward(self, g: Tensor) -> Tensor:
        """Return J g; the Jacobian J is symmetric."""
        shape = [self.x.shape[-1]]
        mask = [True, False, False]
        return _aten.native_layer_norm_backward(g, self.x, shape, self.mean, self.rstd, None, None, mask)[0]

    def second(self, e: Tensor, g: Tensor) -> Tensor:
        """Return d (g . J e) / d x."""
        y, s = self.y, self.rstd
        b, c = (g * y).mean(-1, keepdim=True), (e * y).mean(-1, keepdim=True)
        q = (g * e).mean(-1, keepdim=True) - g.mean(-1, keepdim=True) * e.mean(-1, keepdim=True) - b * c
        return -(s * s * q) * y - s * self.backward(b * e + c * g)


@dataclass(frozen=True)
class Writes:
    """What a chunk's keys and values write: layer inputs a_l and errors delta_l, `[G, C, in]` and `[G, C, out]`."""

    inputs: list[Tensor]
    errors: list[Tensor]
    raw_errors: list[Tensor]  # before the activation's derivative; one fewer
    hidden: list[Tensor]  # pre-activations; one fewer
    slopes: list[Tensor]  # the activation's derivative there; one fewer
    norm: _Norm | None
    output_error: Tensor
    prediction: Tensor


def writes(architecture: Architecture, bias: Bias, k: Tensor, v: Tensor, anchor: list[Tensor]) -> Writes:
    """Compute the inner gradients of a chunk's tokens at the anchor weights `[G | H, in, out]`."""
    activation = ACTIVATIONS[architecture.activation]
    inputs, hidden, z = [k], [], k
    for layer, matrix in enumerate(anchor):
        z = rows_times(inputs[-1], matrix)
        if layer < len(anchor) - 1:
            hidden.append(z)
            inputs.append(activation.value(z))
    norm = _Norm(z) if architecture.norm else None
    prediction = z if norm is None else norm.y
    if architecture.residual:
        prediction = prediction + k
    output_error = bias.error(prediction, v)
    errors, raw = [output_error if norm is None else norm.backward(output_error)], []
    slopes = [activation.backward(torch.ones_like(z), z) for z in hidden]
    for slope, matrix in zip(reversed(slopes), reversed(anchor), strict=False):
        raw.append(rows_times(errors[-1], matrix.mT))
        errors.append(raw[-1] * slope)
    return Writes(inputs, errors[::-1], raw[::-1], hidden, slopes, norm, output_error, prediction)


@dataclass(frozen=True)
class Reads:
    """What a chunk's queries read, layer by layer."""

    inputs: list[Tensor]
    scaled: list[Tensor]  # inputs times read coefficients, `[G, C, n * in]`
    scores: list[Tensor]  # query-key products, `[G, C, C]`
    mixed: list[Tensor]  # scores times mix
    hidden: list[Tensor]
    norm: _Norm | None
    output: Tensor


def reads(architecture: Architecture, q: Tensor, w: Writes, slots: list[Tensor], c: Coefficients) -> Reads:
    """Read every query through the weights as they stand after its own token's write."""
    activation = ACTIVATIONS[architecture.activation]
    inputs, scaled, scores, mixed, hidden, y = [q], [], [], [], [], q
    for layer, slot in enumerate(slots):
        x = inputs[-1]
        scaled.append(scaled_rows(x, c.read[..., : slot.shape[1]]))
        scores.append(torch.bmm(x, w.inputs[layer].mT))
        mixed.append(scores[-1] * c.mix)
        y = rows_times(scaled[-1], stacked(slot)).baddbmm_(mixed[-1], w.errors[layer], alpha=-1)
        if layer < len(slots) - 1:
            hidden.append(y)
            inputs.append(activation.value(y))
    norm = _Norm(y) if architecture.norm else None
    output = y if norm is None else norm.y
    if architecture.residual:
        output = output + q
    return Reads(inputs, scaled, scores, mixed, hidden, norm, output)


def carry_over(w: Writes, slots: list[Tensor], c: Coefficients) -> list[Tensor]:
    """Return every layer's slots after the chunk's last token, `[G, n, in, out]`."""
    carried = []
    for a, error, slot in zip(w.inputs, w.errors, slots, strict=True):
        groups, n = a.shape[0], c.carry.shape[-1]
        if slot.shape[0] != groups:
            slot = slot.repeat_interleave(groups // slot.shape[0], 0)
        old = c.carry[..., : slot.shape[1]] @ slot.flatten(2)
        written = scaled_rows(a, c.write.mT).mT
        new = old.view(groups, -1, slot.shape[-1]).baddbmm_(written, error, alpha=-1)
        carried.append(new.view(groups, n, *slot.shape[2:]))
    return carried
