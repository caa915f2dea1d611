"""A memory network read by rows of activations, whatever multiplies them at each layer, and its derivative."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.autodiff import by_autograd
from titans_seq.memory import ACTIVATIONS, NORM_EPS, Architecture, layer_norm

_aten = torch.ops.aten


@dataclass(frozen=True)
class Norm:
    """LayerNorm without affine parameters over the last axis: value, derivative and second derivative.

    Attributes:
        x: what is normalised.
        y: what comes out.
        rstd: by which x was scaled, `[..., 1]`.
        mean: of x, `[..., 1]`; None where PyTorch is to differentiate it.
    """

    x: Tensor
    y: Tensor
    rstd: Tensor
    mean: Tensor | None

    @classmethod
    def of(cls, x: Tensor) -> "Norm":
        """Normalise."""
        if by_autograd(x):
            return cls(x, *layer_norm(x), None)
        y, mean, rstd = torch.native_layer_norm(x, x.shape[-1:], None, None, NORM_EPS)
        return cls(x, y, rstd, mean)

    def backward(self, g: Tensor) -> Tensor:
        """Return J g; the Jacobian J is symmetric."""
        if self.mean is None or by_autograd(g):
            return self.rstd * (g - g.mean(-1, keepdim=True) - self.y * (g * self.y).mean(-1, keepdim=True))
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
class Pass:
    """What a network made of its input.

    Attributes:
        inputs: of each layer, `[G, C, in]`.
        hidden: pre-activations of each layer but the last.
        norm: of the last layer's output, if the memory has one.
        output: `[G, C, out]`, before the residual.
    """

    inputs: list[Tensor]
    hidden: list[Tensor]
    norm: Norm | None
    output: Tensor


def forward(architecture: Architecture, x: Tensor, product: Callable[[int, Tensor], Tensor]) -> Pass:
    """Run rows through the network; `product(layer, x)` multiplies them with a layer's weights."""
    activation = ACTIVATIONS[architecture.activation]
    inputs, hidden = [x], []
    for layer in range(architecture.depth - 1):
        hidden.append(product(layer, inputs[-1]))
        inputs.append(activation.value(hidden[-1]))
    y = product(architecture.depth - 1, inputs[-1])
    norm = Norm.of(y) if architecture.norm else None
    return Pass(inputs, hidden, norm, y if norm is None else norm.y)


def backward(
    architecture: Architecture,
    passed: Pass,
    d_z: Tensor,
    pull: Callable[[int, Tensor, Tensor], Tensor],
    bends: Sequence[Tensor | None] = (),
    slopes: Sequence[Tensor] = (),
) -> Tensor:
    """Walk back from the gradient of the last layer's product to that of the input.

    Args:
        architecture: which network.
        passed: what `forward` returned.
        d_z: gradient of the last layer's product, before the norm.
        pull: `pull(layer, x, d_z)` returns the gradient of a layer's input x, and keeps what else it finds.
        bends: further gradients of the pre-activations, by layer.
        slopes: the activation's, of the last layers' pre-activations; of others they are computed.
    """
    activation = ACTIVATIONS[architecture.activation]
    d_x = d_z
    for layer in reversed(range(architecture.depth)):
        d_x = pull(layer, passed.inputs[layer], d_z)
        if layer:
            known = layer - architecture.depth + len(slopes)
            d_z = (
                activation.spread(d_x) * slopes[known] if known >= 0 else activation.pull(d_x, passed.hidden[layer - 1])
            )
            bend = bends[layer - 1] if bends else None
            d_z = d_z if bend is None else d_z + bend
    return d_x
