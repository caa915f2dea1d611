"""Activations of a memory network, with the derivatives that learning to learn needs.

The inner gradient takes the first derivative, and training through it takes the second. Below, z are pre-activations,
g is a gradient with respect to the activation's output, and the slope is the derivative at z, shaped like z.
"""

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.autodiff import by_autograd

_aten = torch.ops.aten


class Activation(abc.ABC):
    """A function of a layer's pre-activations `[..., width * units]` to `[..., units]`.

    Attributes:
        width: pre-activations of a unit.

    Example:
        >>> relu, swiglu = ACTIVATIONS["relu"], ACTIVATIONS["swiglu"]
        >>> z = torch.tensor([-1.0, 2.0])
        >>> relu.value(z), relu.slope(z)
        (tensor([0., 2.]), tensor([0., 1.]))
        >>> swiglu.width, swiglu.value(torch.ones(3, 8)).shape
        (2, torch.Size([3, 4]))
    """

    width: int

    @abc.abstractmethod
    def value(self, z: Tensor) -> Tensor:
        """Return f(z)."""

    @abc.abstractmethod
    def slope(self, z: Tensor) -> Tensor:
        """Return f'(z): of each unit with respect to each of its pre-activations."""

    @abc.abstractmethod
    def pull(self, g: Tensor, z: Tensor) -> Tensor:
        """Return the vector-Jacobian product `f'(z)^T g`: the gradient with respect to z."""

    @abc.abstractmethod
    def spread(self, g: Tensor) -> Tensor:
        """Repeat `[..., units]` for each unit's pre-activations, so that pull is slope times this."""

    @abc.abstractmethod
    def collect(self, d: Tensor) -> Tensor:
        """Sum `[..., width * units]` over each unit's pre-activations: the transpose of `spread`."""

    @abc.abstractmethod
    def bend(self, d: Tensor, g: Tensor, z: Tensor) -> Tensor:
        """Return the second derivative, that of `(d * pull(g, z)).sum()` with respect to z: `f''(z) d g` pointwise."""


@dataclass(frozen=True)
class _Pointwise(Activation):
    """A function of one pre-activation: its value, `g * f'(z)` in one fused kernel, and f''(z)."""

    function: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    second: Callable[[Tensor], Tensor]
    width = 1

    def value(self, z: Tensor) -> Tensor:
        return self.function(z)

    def slope(self, z: Tensor) -> Tensor:
        return self.backward(torch.ones_like(z), z)

    def pull(self, g: Tensor, z: Tensor) -> Tensor:
        return self.backward(g, z)

    def spread(self, g: Tensor) -> Tensor:
        return g

    def collect(self, d: Tensor) -> Tensor:
        return d

    def bend(self, d: Tensor, g: Tensor, z: Tensor) -> Tensor:
        return self.second(z).mul_(d).mul_(g)


@dataclass(frozen=True)
class _Gated(Activation):
    """`f(a) * b` for the two halves a, b of the pre-activations (SwiGLU where f is SiLU; arXiv 2002.05202)."""

    gate: _Pointwise
    width = 2

    def value(self, z: Tensor) -> Tensor:
        a, b = z.chunk(2, -1)
        return self.gate.value(a) * b

    def slope(self, z: Tensor) -> Tensor:
        a, b = z.chunk(2, -1)
        return torch.cat([self.gate.pull(b, a), self.gate.value(a)], -1)

    def pull(self, g: Tensor, z: Tensor) -> Tensor:
        return self.slope(z) * self.spread(g)

    def spread(self, g: Tensor) -> Tensor:
        return torch.cat([g, g], -1)

    def collect(self, d: Tensor) -> Tensor:
        first, second = d.chunk(2, -1)
        return first + second

    def bend(self, d: Tensor, g: Tensor, z: Tensor) -> Tensor:
        (a, b), (d_a, d_b) = z.chunk(2, -1), d.chunk(2, -1)
        bent = self.gate.bend(d_a * b, g, a) + self.gate.pull(d_b * g, a)
        return torch.cat([bent, self.gate.pull(d_a * g, a)], -1)


# Numbers up to which oneDNN's GELU, PyTorch's choice for contiguous tensors on a CPU, begins longer than it computes.
_FEW = 8192


def _gelu(z: Tensor) -> Tensor:
    return F.gelu(z.transpose(0, -1)).transpose(0, -1) if z.numel() <= _FEW else F.gelu(z)


def _gelu_backward(g: Tensor, z: Tensor) -> Tensor:
    if z.numel() > _FEW:
        return _aten.gelu_backward(g, z)
    return _aten.gelu_backward(g.transpose(0, -1), z.transpose(0, -1)).transpose(0, -1)


def _gelu_second(z: Tensor) -> Tensor:
    square = z.square().clamp_(max=1600.0)  # there the exponential has long vanished; it times infinity is no number
    return torch.exp(-0.5 * square).mul_(square.sub_(2.0)).mul_(-1.0 / math.sqrt(2.0 * math.pi))


def _silu_second(z: Tensor) -> Tensor:
    s = torch.sigmoid(z)
    return s * (1.0 - s) * (2.0 + z * (1.0 - 2.0 * s))


def _silu_backward(g: Tensor, z: Tensor) -> Tensor:
    if by_autograd(g, z):
        s = torch.sigmoid(z)  # PyTorch knows no derivative of its own kernel
        return g * s * (1.0 + z * (1.0 - s))
    return _aten.silu_backward(g, z)


_SILU = _Pointwise(F.silu, _silu_backward, _silu_second)

ACTIVATIONS: dict[str, Activation] = {
    "gelu": _Pointwise(_gelu, _gelu_backward, _gelu_second),
    "silu": _SILU,
    "relu": _Pointwise(F.relu, lambda g, z: _aten.threshold_backward(g, z, 0), torch.zeros_like),
    "swiglu": _Gated(_SILU),
}
