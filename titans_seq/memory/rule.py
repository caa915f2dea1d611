"""A memory as a point in MIRAS's space: one value on each of four axes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from titans_seq.checks import check_choice, check_types
from titans_seq.memory.algorithm import Algorithm, Momentum
from titans_seq.memory.architecture import Architecture, MLPMemory
from titans_seq.memory.bias import L2, Bias
from titans_seq.memory.retention import Retention, WeightDecay
from titans_seq.memory.state import MemoryState

Read = Literal["after_write", "chunk_start"]


@dataclass(frozen=True)
class MemoryRule:
    """The four choices behind a neural memory (arXiv 2504.13173, section 3); the defaults are Titans'.

    Args:
        architecture: what is stored.
        bias: the inner loss.
        retention: how it forgets.
        algorithm: how it learns.
        read: `after_write` reads each token with its own write in the memory; `chunk_start` reads the weights at which
            its gradient is taken, which stood when its chunk began: "apply, then update" (LaCT). Titans' eq. 15 reads
            after the write, and the paper does not say more. A rule that is not linear writes when its chunk ends, so
            that until then the two agree. Decay before the gradient is decay before such a read too.

    Raises:
        ValueError: if a choice is not of its axis, there is no such read, or two of the choices have no meaning
            together; the message says why.

    Example:
        >>> from titans_seq.memory import GradientDescent, LinearMemory, MemoryRule, NoRetention
        >>> delta_rule = MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent())
        >>> delta_rule.algorithm.slots, delta_rule.linear
        (1, True)
    """

    architecture: Architecture = field(default_factory=MLPMemory)
    bias: Bias = field(default_factory=L2)
    retention: Retention = field(default_factory=WeightDecay)
    algorithm: Algorithm = field(default_factory=Momentum)
    read: Read = "after_write"

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("read", self.read, Read)
        self.algorithm.check(self.architecture, self.bias, self.retention)

    @property
    def linear(self) -> bool:
        """Whether the weights are linear in the gradients throughout a chunk, with nothing left for its end."""
        return self.retention.linear and self.algorithm.linear

    def weights(self, layer: int, accumulated: Tensor) -> Tensor:
        """Return the weights that stand for what one layer has accumulated, `[..., out, in]`.

        The identity except for retentions that keep something else (`LqNormalisation`, `SoftmaxRetention`).
        """
        return self.retention.weights(_split(accumulated, self.architecture.matrices(layer))).flatten(-3, -2)

    def current_weights(self, state: MemoryState) -> tuple[Tensor, ...]:
        """Return the weights that a query between two tokens reads, one `[B, H, out, in]` or `[H, out, in]` per layer.

        Those are what the last token's write left; under a rule that is not linear, what the last chunk's end left.
        """
        if self.linear:
            return state.weights
        if isinstance(state.position, int) and state.position:
            return state.anchor
        first = self.architecture.first_learning
        closed = [self.weights(layer, w) for layer, w in enumerate(state.weights[first:], first)]
        if isinstance(state.position, tuple):
            is_open = torch.tensor(state.position, device=closed[0].device)[:, None, None, None] > 0
            closed = [torch.where(is_open, a, w) for a, w in zip(state.anchor[first:], closed, strict=True)]
        return *state.weights[:first], *closed

    def accumulated(self, weights: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Return what a new memory has accumulated, for weights as `initial_weights` draws them, one per layer."""
        first = self.architecture.first_learning
        learning = (
            self.retention.accumulated(_split(w, self.architecture.matrices(layer))).flatten(-3, -2)
            for layer, w in enumerate(weights[first:], first)
        )
        return *weights[:first], *learning

    def close(
        self, layer: int, weight: Tensor, momentum: Tensor, lr: Tensor | None, start: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Finish a chunk in one layer: what algorithm and retention do that is not linear.

        Args:
            layer: which, from 0.
            weight: accumulated over the chunk, `[..., out, in]`.
            momentum: shaped like `weight`.
            lr: `[...]`, `Coefficients.closing_lr`.
            start: the weights at which the chunk's last gradient was taken, shaped like `weight`.

        Returns:
            What the next chunk starts from.
        """
        count = self.architecture.matrices(layer)
        weight, momentum, start = (_split(x, count) for x in (weight, momentum, start))
        weight, momentum = self.algorithm.close(weight, momentum, None if lr is None else lr[..., None, None, None])
        return self.retention.settle(weight, start).flatten(-3, -2), momentum.flatten(-3, -2)


def _split(x: Tensor, count: int) -> Tensor:
    """`[..., out, in]` to the matrices stacked in it, `[..., count, out / count, in]`."""
    return x.unflatten(-2, (count, -1))
