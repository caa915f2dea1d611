"""Activations of a memory network, with the derivatives that learning to learn needs.

The inner gradient takes the first derivative, and training through it takes the second.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_aten = torch.ops.aten


@dataclass(frozen=True)
class Activation:
    """A pointwise function and its first two derivatives.

    Attributes:
        value: z -> f(z).
        backward: (g, z) -> g * f'(z), one fused kernel.
        second: z -> f''(z).
    """

    value: Callable[[Tensor], Tensor]
    backward: Callable[[Tensor, Tensor], Tensor]
    second: Callable[[Tensor], Tensor]


def _gelu_second(z: Tensor) -> Tensor:
    z = z.clamp(-40, 40)  # where the exponential has long vanished, and z * z cannot overflow
    return torch.exp(-0.5 * z * z) * (2.0 - z * z) / math.sqrt(2.0 * math.pi)


def _silu_second(z: Tensor) -> Tensor:
    s = torch.sigmoid(z)
    return s * (1.0 - s) * (2.0 + z * (1.0 - 2.0 * s))


ACTIVATIONS: dict[str, Activation] = {
    "gelu": Activation(F.gelu, lambda g, z: _aten.gelu_backward(g, z), _gelu_second),
    "silu": Activation(F.silu, lambda g, z: _aten.silu_backward(g, z), _silu_second),
    "relu": Activation(F.relu, lambda g, z: _aten.threshold_backward(g, z, 0), torch.zeros_like),
}
