"""Attentional bias: the inner loss that says how badly a memory maps a key to its value.

Below, r is the residual `prediction - target`. A member needs its `loss` only; the error signal and its derivative then
come from automatic differentiation, and a member that is used a lot may give them in closed form.

Reference: MIRAS (arXiv 2504.13173), eq. 10-17 and 26.
"""

import abc
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from titans_seq.checks import check_choice
from titans_seq.config import register

HuberForm = Literal["coordinate", "norm", "switch"]


class Bias(abc.ABC):
    """An inner loss of prediction and target, with its error signal and that signal's derivative.

    Attributes:
        gated: whether the loss reads a `threshold` per token.
        curvature: the largest second derivative at residuals of about size 1, at least 1, by which a layer bounds its
            steps; 0 says that the error does not depend on the prediction at all.

    Example:
        >>> class LogCosh(Bias):
        ...     def loss(self, prediction, target, threshold):
        ...         return (prediction - target).cosh().log().sum(-1)
        >>> LogCosh().error(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0]), None)  # tanh(r)
        tensor([0.9640, 0.0000])
    """

    gated: bool = False
    curvature: float = 1.0

    @abc.abstractmethod
    def loss(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return the loss, `[...]` for inputs `[..., V]` and a threshold `[..., 1]`, if the member reads one."""

    def error(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return d loss / d prediction, shaped like both, `[..., V]`."""
        return torch.func.grad(lambda p: self.loss(p, target, threshold).sum())(prediction)

    def error_backward(
        self, prediction: Tensor, target: Tensor, threshold: Tensor | None, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Pull a gradient with respect to the error back to prediction, target and threshold."""
        if threshold is None:
            pull = torch.func.vjp(lambda p, v: self.error(p, v, None), prediction, target)[1]
            return *pull(gradient), None
        return torch.func.vjp(self.error, prediction, target, threshold)[1](gradient)


@register("l2")
@dataclass(frozen=True)
class L2(Bias):
    """`1/2 ||r||^2` (Titans eq. 12 with the 1/2 of its appendix C, which only rescales the step).

    Example:
        >>> L2().error(torch.tensor([3.0]), torch.tensor([1.0]), None)
        tensor([2.])
    """

    def loss(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return half the squared distance."""
        return 0.5 * (prediction - target).square().sum(-1)

    def error(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return r."""
        return prediction - target

    def error_backward(
        self, prediction: Tensor, target: Tensor, threshold: Tensor | None, gradient: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        """Return `(gradient, -gradient, None)`."""
        return gradient, -gradient, None


@register("dot_product")
@dataclass(frozen=True)
class DotProduct(Bias):
    """`-<prediction, target>`: a Hebbian write that never looks at what is stored (linear attention; LaCT).

    Example:
        >>> DotProduct().error(torch.tensor([3.0]), torch.tensor([1.0]), None)
        tensor([-1.])
    """

    curvature = 0.0

    def loss(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return the negative inner product."""
        return -(prediction * target).sum(-1)

    def error(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return `-target`."""
        return -target

    def error_backward(
        self, prediction: Tensor, target: Tensor, threshold: Tensor | None, gradient: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        """Return `(0, -gradient, None)`."""
        return torch.zeros_like(gradient), -gradient, None


@register("lp")
@dataclass(frozen=True)
class Lp(Bias):
    """`||r||_p^p`, smoothed at zero: `sum_i (r_i^2 + eps)^(p/2)` (MIRAS eq. 10-11; MONETA has p = 3).

    p = 1 is the smooth L1 loss, whose error, almost a sign, forgets how large the residual was ("value-less", eq. 12).
    The paper smooths `|x|` as `sqrt(x^2 + eps)` with eps = 1e-6, and the sign separately, by `tanh(a x)` with an a that
    it does not give. Here the sign is `x / sqrt(x^2 + eps)`, so that the error is the exact gradient of the loss.

    Args:
        p: power, at least 1.
        eps: smoothing, above 0.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> Lp(3).error(torch.tensor([3.0]), torch.tensor([1.0]), None)
        tensor([12.0000])
    """

    p: float = 3
    eps: float = 1e-6

    def __post_init__(self) -> None:
        if not 1 <= self.p < math.inf:
            raise ValueError(f"an Lp loss needs a finite p of at least 1, got {self.p}: below 1 it is not convex")
        if not 0 < self.eps < math.inf:
            raise ValueError(f"eps must be above 0 and finite, got {self.eps}: without it the error jumps at zero")

    @property
    def curvature(self) -> float:  # type: ignore[override]
        """Second derivative at residuals of size 1, where that is at least 1."""
        return max(1.0, self.p * (self.p - 1))

    def loss(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return the smoothed sum of powers."""
        return ((prediction - target).square() + self.eps).pow(self.p / 2).sum(-1)

    def error(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return `p r (r^2 + eps)^(p/2 - 1)`, which tends to `p sign(r) |r|^(p-1)`."""
        r = prediction - target
        return self.p * r * (r.square() + self.eps).pow(self.p / 2 - 1)

    def error_backward(
        self, prediction: Tensor, target: Tensor, threshold: Tensor | None, gradient: Tensor
    ) -> tuple[Tensor, Tensor, None]:
        """Return `(g, -g, None)` with g the gradient times the loss's second derivative."""
        square = (prediction - target).square()
        pulled = gradient * self.p * (square + self.eps).pow(self.p / 2 - 2) * ((self.p - 1) * square + self.eps)
        return pulled, -pulled, None


@register("huber")
@dataclass(frozen=True)
class Huber(Bias):
    """Quadratic near zero and at most linear beyond a threshold delta (MIRAS eq. 13-16).

    | form | error | |
    |---|---|---|
    | coordinate | `clamp(r, -delta, delta)` | eq. 14: each coordinate by itself |
    | norm | `r min(1, delta / ||r||)` | eq. 15: clips each token's gradient |
    | switch | `r` if `||r|| <= delta`, else `delta sign(r)` | eq. 16 and 26 (YAAD): L2, or delta times L1 |

    The switch's loss is not continuous, as printed. Its L1 branch is smoothed like `Lp(1)`, with eps = 1e-6.

    Args:
        form: which of the three.
        delta: the threshold, above 0; None reads it per token and head from the gate `threshold`, as YAAD does.

    Raises:
        ValueError: if there is no such form, or delta is not above 0 and finite.

    Example:
        >>> Huber("norm", delta=1.0).error(torch.tensor([3.0, 4.0]), torch.zeros(2), None)
        tensor([0.6000, 0.8000])
    """

    form: HuberForm = "switch"
    delta: float | None = None

    def __post_init__(self) -> None:
        check_choice("form", self.form, HuberForm)
        if self.delta is not None and not 0 < self.delta < math.inf:
            raise ValueError(f"a Huber loss needs a finite delta above 0, got {self.delta}")

    @property
    def gated(self) -> bool:  # type: ignore[override]
        """Whether delta is read per token."""
        return self.delta is None

    def loss(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return the loss of the form chosen."""
        r, delta = prediction - target, self._delta(threshold, prediction)
        if self.form == "coordinate":
            size = r.abs()
            return torch.where(size <= delta, 0.5 * r.square(), delta * (size - 0.5 * delta)).sum(-1)
        square, delta = r.square().sum(-1), delta.squeeze(-1)
        if self.form == "norm":
            inside = square <= delta.square()
            length = torch.where(inside, torch.ones_like(square), square).sqrt()
            return torch.where(inside, 0.5 * square, delta * (length - 0.5 * delta))
        absolute = (r.square() + _SIGN_EPS).sqrt().sum(-1)
        return torch.where(square <= delta.square(), 0.5 * square, delta * absolute)

    def error(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        """Return the error of the form chosen."""
        r, delta = prediction - target, self._delta(threshold, prediction)
        if self.form == "coordinate":
            return torch.minimum(torch.maximum(r, -delta), delta)
        square = r.square().sum(-1, keepdim=True)
        inside = square <= delta.square()
        if self.form == "norm":
            # Where the branch is not taken its square root must have a finite derivative too.
            return torch.where(inside, r, r * (delta * torch.where(inside, torch.ones_like(square), square).rsqrt()))
        return torch.where(inside, r, delta * r * (r.square() + _SIGN_EPS).rsqrt())

    def _delta(self, threshold: Tensor | None, like: Tensor) -> Tensor:
        if self.delta is not None:
            return like.new_tensor(self.delta).expand(*like.shape[:-1], 1)
        if threshold is None:
            raise ValueError("this Huber loss needs the gate `threshold`, got None")
        return threshold


_SIGN_EPS = 1e-6
