"""Attentional bias: the inner loss that says how badly a memory maps a key to its value."""

import abc
from dataclasses import dataclass

from torch import Tensor

from titans_seq.config import register


class Bias(abc.ABC):
    """An inner loss of prediction and target, with its error signal and that signal's derivative."""

    @abc.abstractmethod
    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the loss, summed over the last axis."""

    @abc.abstractmethod
    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return d loss / d prediction."""

    @abc.abstractmethod
    def error_backward(self, prediction: Tensor, target: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Pull a gradient with respect to the error back to (prediction, target)."""


@register("l2")
@dataclass(frozen=True)
class L2(Bias):
    """`1/2 ||M(k) - v||^2` (Titans eq. 12 with the 1/2 of its appendix C, which only rescales the step).

    Example:
        >>> import torch
        >>> L2().error(torch.tensor([3.0]), torch.tensor([1.0]))
        tensor([2.])
    """

    def loss(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return half the squared distance, `[...]` for inputs `[..., V]`."""
        return 0.5 * (prediction - target).square().sum(-1)

    def error(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return `prediction - target`."""
        return prediction - target

    def error_backward(self, prediction: Tensor, target: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """Return `(gradient, -gradient)`."""
        return gradient, -gradient
