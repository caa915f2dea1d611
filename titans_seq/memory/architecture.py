"""What a memory stores: a matrix, or the weights of a small network."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.autodiff import transformed
from titans_seq.checks import check_choice, check_types, check_whole
from titans_seq.config import register
from titans_seq.memory.activation import ACTIVATIONS

NORM_EPS = 1e-5

ActivationName = Literal["gelu", "silu", "relu", "swiglu"]

Learning = Literal["all", "last"]


class Architecture(abc.ABC):
    """A chain of matrices with an activation between them: `y = [x +] [LN](W_L f(... f(W_1 x)))`.

    Attributes:
        depth: number of matrices, at least 1.
        activation: key of the activation between them.
        residual: whether the input is added to the output (needs equal widths).
        norm: whether the network's output is normalised before that: LayerNorm, no affine parameters, eps 1e-5.
        learns: which matrices learn while reading: all of them, or the last one alone. The others then are what outer
            training made them, shared by all sequences: a fixed feature map (arXiv 2602.21204 finds that enough).

    Example:
        >>> memory = MLPMemory(depth=3, expansion=2, learns="last")
        >>> memory.shapes(key_dim=8, value_dim=8), memory.first_learning
        (((16, 8), (16, 16), (8, 16)), 2)
    """

    depth: int
    activation: ActivationName
    residual: bool
    norm: bool
    learns: Learning

    @abc.abstractmethod
    def shapes(self, key_dim: int, value_dim: int) -> tuple[tuple[int, int], ...]:
        """Return (out, in) of each layer's matrix, first layer first."""

    @property
    def first_learning(self) -> int:
        """Index of the first layer that learns while reading."""
        return self.depth - 1 if self.learns == "last" else 0

    def matrices(self, layer: int) -> int:
        """Return how many matrices are stacked, one upon the other, in a layer's weights."""
        return 1 if layer == self.depth - 1 else ACTIVATIONS[self.activation].width

    def _check_widths(self, key_dim: int, value_dim: int) -> None:
        if self.residual and key_dim != value_dim:
            raise ValueError(
                f"a residual memory adds the key to the output, so key and value widths must agree: got key width "
                f"{key_dim}, value width {value_dim}; make them equal or pass residual=False"
            )


def _hidden_width(expansion: float, key_dim: int) -> int:
    hidden = int(expansion * key_dim)
    if hidden < 1:
        raise ValueError(f"expansion {expansion} of key width {key_dim} leaves no hidden unit")
    return hidden


def _check(expansion: float, learns: Learning) -> None:
    if not 0 < expansion < math.inf:
        raise ValueError(f"memory expansion must be above 0 and finite, got {expansion}")
    check_choice("learns", learns, Learning)


@register("linear")
@dataclass(frozen=True)
class LinearMemory(Architecture):
    """A matrix memory, `M(k) = W k`: online linear regression (Titans 3.1).

    Example:
        >>> LinearMemory().shapes(64, 32)
        ((32, 64),)
    """

    depth = 1
    activation = "gelu"  # there is nothing for it to act between
    residual = False
    norm = False
    learns = "all"

    def shapes(self, key_dim: int, value_dim: int) -> tuple[tuple[int, int], ...]:
        """Return (out, in) of the one matrix."""
        return ((value_dim, key_dim),)


@register("mlp")
@dataclass(frozen=True)
class MLPMemory(Architecture):
    """A deep memory; the defaults are the NeurIPS form `M(k) = k + LN(W_2 gelu(W_1 k))` with expansion 4.

    The paper does not say whether the LayerNorm has affine parameters or whether those would be outer or inner
    weights; here it has none, so that every inner weight is a matrix.

    Args:
        depth: number of matrices, at least 1.
        expansion: hidden width over key width, above 0.
        activation: between the matrices.
        residual: add the input to the output; needs key width = value width.
        norm: LayerNorm on the network's output (before the residual). Without it nothing bounds the inner loss's
            curvature once weights have grown: feed such a memory normalised inputs, as the blocks do.
        learns: whether all matrices learn while reading, or the last one alone.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> MLPMemory(depth=2, expansion=4).shapes(16, 16)
        ((64, 16), (16, 64))
    """

    depth: int = 2
    expansion: float = 4
    activation: ActivationName = "gelu"
    residual: bool = True
    norm: bool = True
    learns: Learning = "all"

    def __post_init__(self) -> None:
        check_types(self)
        check_whole(self, depth=1)
        _check(self.expansion, self.learns)
        pointwise = [name for name, activation in ACTIVATIONS.items() if activation.width == 1]
        if self.activation not in pointwise:
            raise ValueError(
                f"an MLP memory's activation is one of {', '.join(pointwise)}, got {self.activation!r}; "
                f"GatedMLPMemory has swiglu"
            )

    def shapes(self, key_dim: int, value_dim: int) -> tuple[tuple[int, int], ...]:
        """Return (out, in) of each layer's matrix, first layer first.

        Raises:
            ValueError: if `residual` is set and the widths differ, or the hidden width rounds to 0.
        """
        self._check_widths(key_dim, value_dim)
        widths = [key_dim, *[_hidden_width(self.expansion, key_dim)] * (self.depth - 1), value_dim]
        return tuple((o, i) for i, o in zip(widths, widths[1:], strict=False))


@register("gated_mlp")
@dataclass(frozen=True)
class GatedMLPMemory(Architecture):
    """A SwiGLU memory, `M(k) = W_2 (silu(W_gate k) * W_in k)` (LaCT, arXiv 2505.23884; ATLAS++, arXiv 2505.23735).

    The first layer's weights are W_gate upon W_in: a layer like any other, with an activation of two pre-activations.

    Args:
        expansion: hidden width over key width, above 0.
        residual: add the input to the output; needs key width = value width. ATLAS++ has it, LaCT has not.
        norm: LayerNorm on the network's output (before the residual).
        learns: whether all matrices learn while reading, or the last one alone.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> GatedMLPMemory(expansion=2).shapes(16, 8)
        ((64, 16), (8, 32))
    """

    expansion: float = 1
    residual: bool = False
    norm: bool = False
    learns: Learning = "all"
    depth = 2
    activation = "swiglu"

    def __post_init__(self) -> None:
        check_types(self)
        _check(self.expansion, self.learns)

    def shapes(self, key_dim: int, value_dim: int) -> tuple[tuple[int, int], ...]:
        """Return (out, in) of both layers' matrices.

        Raises:
            ValueError: if `residual` is set and the widths differ, or the hidden width rounds to 0.
        """
        self._check_widths(key_dim, value_dim)
        hidden = _hidden_width(self.expansion, key_dim)
        return (2 * hidden, key_dim), (value_dim, hidden)


def layer_norm(x: Tensor) -> tuple[Tensor, Tensor]:
    """Normalise over the last axis in plain operations; return also one over the deviations, `[..., 1]`.

    PyTorch's own has wrong third derivatives: it takes the mean and the deviation for constants there. An inner
    gradient is one derivative, and the outer training's second derivative two more.

    Example:
        >>> layer_norm(torch.tensor([1.0, 3.0]))[0]
        tensor([-1.0000,  1.0000])
    """
    centred = x - x.mean(-1, keepdim=True)
    scale = (centred.square().mean(-1, keepdim=True) + NORM_EPS).rsqrt()
    return centred * scale, scale


def read_memory(architecture: Architecture, weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """Read a memory with many queries: `M_W(x_t)` for every t.

    Args:
        architecture: which network.
        weights: one tensor `[..., out, in]` per layer.
        x: `[..., T, in]`, whose leading dimensions broadcast with the weights'.

    Returns:
        `[..., T, out]` of the last layer.

    Example:
        >>> read_memory(LinearMemory(), [torch.eye(2)], torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        tensor([[1., 2.],
                [3., 4.]])
    """
    y = x
    for layer, weight in enumerate(weights):
        y = y @ weight.mT
        if layer < len(weights) - 1:
            y = ACTIVATIONS[architecture.activation].value(y)
    if architecture.norm:
        y = layer_norm(y)[0] if transformed() else F.layer_norm(y, y.shape[-1:], eps=NORM_EPS)
    return x + y if architecture.residual else y


def apply_memory(architecture: Architecture, weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """Read a memory with one query: `M_W(x)`.

    Args:
        architecture: which network.
        weights: one tensor `[..., out, in]` per layer.
        x: `[..., in]` with the same leading dimensions.

    Returns:
        `[..., out]` of the last layer.

    Example:
        >>> apply_memory(LinearMemory(), [torch.eye(2)], torch.tensor([1.0, 2.0]))
        tensor([1., 2.])
    """
    return read_memory(architecture, weights, x.unsqueeze(-2)).squeeze(-2)


def initial_weights(
    architecture: Architecture,
    heads: int,
    key_dim: int,
    value_dim: int,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, ...]:
    """Draw initial weights, one set a head, which outer training then learns.

    The paper gives neither scale nor form. Entries are normal with variance `1 / in`, with two exceptions. Keys have
    unit length, so a deep memory's first layer has variance 1 to give its units variance 1. Before a LayerNorm the
    scale only sets how fast a layer learns (gradients shrink as it grows); there the last layer has variance 1, which
    keeps the inner loss's curvature near 1 whatever the width.

    Args:
        architecture: which network.
        heads: number of heads, at least 1.
        key_dim: width of a key.
        value_dim: width of a value.
        generator: source of randomness; PyTorch's global one if None.

    Returns:
        One tensor `[heads, out, in]` per layer, in PyTorch's default dtype: float32.

    Raises:
        ValueError: if the architecture has no matrices for these widths; see `MLPMemory.shapes`.

    Example:
        >>> [tuple(w.shape) for w in initial_weights(MLPMemory(expansion=2), heads=4, key_dim=8, value_dim=8)]
        [(4, 16, 8), (4, 8, 16)]
    """
    shapes = architecture.shapes(key_dim, value_dim)
    scales = [1 / math.sqrt(i) for _, i in shapes]
    if architecture.depth > 1:
        scales[0] = 1.0
    if architecture.norm:
        scales[-1] = 1.0
    return tuple(s * torch.randn(heads, *shape, generator=generator) for s, shape in zip(scales, shapes, strict=True))
