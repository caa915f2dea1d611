"""Memory algorithm: how a memory turns one gradient a token into its weights.

Every algorithm here is linear in the gradients u_t while a chunk is open. As all u_t of a chunk are taken at the same
weights, it is a linear recurrence over a few *slots* (slot 0 holds the weights, slot 1 the momentum) and has a closed
form, its `Coefficients`. Nothing in it divides by a product of gates: gates of exactly 0 and 1 are exact, with finite
gradients. An algorithm that is not linear as a whole (`Muon`) does the rest when the chunk ends, in `close`.

Reference: arXiv 2501.00663, eq. 8-18.
"""

import abc
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from titans_seq.checks import check_choice, check_types, check_whole
from titans_seq.config import register
from titans_seq.memory.architecture import Architecture
from titans_seq.memory.bias import L2, Bias
from titans_seq.memory.coefficients import Coefficients, Gates, cumulative_products, momentum_coefficients
from titans_seq.memory.retention import NoRetention, Retention

Weighed = Literal["step", "token"]


class Algorithm(abc.ABC):
    """A learning rule that is linear in the gradients while a chunk is open.

    Attributes:
        slots: how many tensors the size of the weights are carried: the weights, and what the rule adds.
        gated: whether the rule reads a `momentum` per token.
        lookback: how many tokens before it every token writes again.
        linear: whether there is nothing left to do when a chunk ends.

    Example:
        >>> [(rule.slots, rule.gated, rule.linear) for rule in (GradientDescent(), Momentum(), Muon())]
        [(1, False, True), (2, True, True), (2, True, False)]
    """

    slots: int = 1
    gated: bool = False
    lookback: int = 0
    linear: bool = True

    @abc.abstractmethod
    def coefficients(self, gates: Gates) -> Coefficients:
        """Return the closed form for gates `[..., C]`."""

    @abc.abstractmethod
    def step(self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: Gates) -> tuple[Tensor, Tensor]:
        """Take one token's step: weights, momentum and gradient `[..., out, in]`, and gates broadcastable to them."""

    def close(self, weight: Tensor, momentum: Tensor, lr: Tensor | None) -> tuple[Tensor, Tensor]:
        """Finish a chunk: matrices `[..., out, in]` and the step's size, broadcastable to them, if there is one."""
        return weight, momentum

    def rate(self, lr: Tensor, k: Tensor) -> Tensor:
        """Return the step size `[..., H]` to use for keys `[..., H, K]`."""
        return lr

    def check(  # noqa: B027 - most algorithms have nothing to refuse
        self, architecture: Architecture, bias: Bias, retention: Retention
    ) -> None:
        """Raise ValueError if the algorithm has no meaning with a rule's other choices."""


@register("gradient_descent")
@dataclass(frozen=True)
class GradientDescent(Algorithm):
    """`W_t = keep_t W_{t-1} - lr_t u_t` (Titans eq. 8 and 16; the paper's ablation without momentum).

    Example:
        >>> gates = Gates(lr=torch.tensor(0.5), momentum=None, keep=torch.tensor(0.9))
        >>> weight, momentum, gradient = torch.ones(1, 2), torch.zeros(1, 2), torch.tensor([[1.0, 0.0]])
        >>> GradientDescent().step(weight, momentum, gradient, gates)[0]
        tensor([[0.4000, 0.9000]])
    """

    def coefficients(self, gates: Gates) -> Coefficients:
        """Return the closed form; `momentum` is not read."""
        kept = cumulative_products(gates.keep)
        read, mix = kept[..., :1], kept[..., 1:] * gates.lr.unsqueeze(-2)
        return Coefficients(read, mix, read[..., -1:, :], mix[..., -1:, :])

    def step(self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: Gates) -> tuple[Tensor, Tensor]:
        """Take one token's step; the momentum passes through."""
        return gates.keep * weight - gates.lr * gradient, momentum


@register("implicit_gradient_descent")
@dataclass(frozen=True)
class ImplicitGradientDescent(GradientDescent):
    """A step whose gradient is taken where it arrives, not where it starts (Longhorn, arXiv 2407.14207).

    For a linear memory and the L2 bias that is gradient descent with the step size `lr / (1 + lr ||k||^2)` (Titans
    eq. 35), which no lr can make overshoot a token. Exact in chunks of one token. Longhorn itself keeps the diagonal
    of `k k^T` alone, to scan; here the whole of it is kept.

    Example:
        >>> ImplicitGradientDescent().rate(torch.ones(1), torch.ones(1, 4))
        tensor([0.2000])
    """

    def rate(self, lr: Tensor, k: Tensor) -> Tensor:
        """Return `lr / (1 + lr ||k||^2)`."""
        return lr / (1 + lr * k.square().sum(-1))

    def check(self, architecture: Architecture, bias: Bias, retention: Retention) -> None:
        """Refuse all but a matrix memory with the L2 bias, whose implicit step has a closed form."""
        if architecture.depth > 1 or architecture.norm or type(bias) is not L2:
            raise ValueError(
                "an implicit step has a closed form only for a memory of one matrix without norm and the L2 bias, got "
                f"{architecture} and {bias}; use GradientDescent()"
            )
        if not (isinstance(retention, NoRetention) or (retention.linear and retention.before_gradient)):
            raise ValueError(
                "an implicit step solves for the memory it starts from, so that decay must come before it, got "
                f"{retention}; use NoRetention() or WeightDecay(before_gradient=True)"
            )


@register("momentum")
@dataclass(frozen=True)
class Momentum(Algorithm):
    """`S_t = momentum_t S_{t-1} - lr_t u_t`, `W_t = keep_t W_{t-1} + S_t` (Titans eq. 13-14).

    This is the "trace" convention, momentum * S + gradient, not the "moving average" one. S is carried across chunks.

    Example:
        >>> gates = Gates(lr=torch.tensor(0.5), momentum=torch.tensor(0.8), keep=torch.tensor(1.0))
        >>> weight, momentum, gradient = torch.ones(1, 2), torch.ones(1, 2), torch.tensor([[1.0, 0.0]])
        >>> Momentum().step(weight, momentum, gradient, gates)
        (tensor([[1.3000, 1.8000]]), tensor([[0.3000, 0.8000]]))
    """

    slots = 2
    gated = True

    def coefficients(self, gates: Gates) -> Coefficients:
        """Return the closed form."""
        return momentum_coefficients(gates)

    def step(self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: Gates) -> tuple[Tensor, Tensor]:
        """Take one token's step."""
        momentum = gates.fade * momentum - gates.lr * gradient
        return gates.keep * weight + momentum, momentum


@register("nesterov")
@dataclass(frozen=True)
class Nesterov(Momentum):
    """Momentum that looks ahead: `S_t` as in `Momentum`, `W_t = keep_t W_{t-1} + momentum_t S_t - lr_t u_t`.

    Example:
        >>> gates = Gates(lr=torch.tensor(0.5), momentum=torch.tensor(0.8), keep=torch.tensor(1.0))
        >>> weight, momentum, gradient = torch.ones(1, 2), torch.ones(1, 2), torch.tensor([[1.0, 0.0]])
        >>> Nesterov().step(weight, momentum, gradient, gates)
        (tensor([[0.7400, 1.6400]]), tensor([[0.3000, 0.8000]]))
    """

    def coefficients(self, gates: Gates) -> Coefficients:
        """Return the closed form."""
        kept, carried = cumulative_products(gates.keep), cumulative_products(gates.fade)
        since = kept[..., 1:]
        moved = since @ (gates.fade.unsqueeze(-1) * carried)
        read = torch.stack([kept[..., 0], moved[..., 0]], -1)
        lr = gates.lr.unsqueeze(-2)
        mix, past = (moved[..., 1:] + since) * lr, carried[..., -1:, 1:] * lr
        fade = torch.stack([torch.zeros_like(carried[..., -1, 0]), carried[..., -1, 0]], -1)
        carry = torch.stack([read[..., -1, :], fade], -2)
        return Coefficients(read, mix, carry, torch.cat([mix[..., -1:, :], past], -2))

    def step(self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: Gates) -> tuple[Tensor, Tensor]:
        """Take one token's step."""
        momentum = gates.fade * momentum - gates.lr * gradient
        return gates.keep * weight + gates.fade * momentum - gates.lr * gradient, momentum


@register("muon")
@dataclass(frozen=True)
class Muon(Algorithm):
    """One orthogonalised step a chunk: the gradients gather, and Newton-Schulz equalises their directions.

    | `weigh` | while a chunk is open | when it ends | |
    |---|---|---|---|
    | step | `S_t = momentum_t S_{t-1} - u_t`, `W_t = keep_t W_{t-1}` | `W + lr_C NS(S)` | ATLAS, arXiv 2505.23735 |
    | token | `S_t = momentum_t S_{t-1} - lr_t u_t`, `W_t = keep_t W_{t-1}` | `W + NS(S)` | LaCT, arXiv 2505.23884 |

    NS forgets the size of S, so lr has to stand outside to scale a step, or inside to weigh the tokens of one. ATLAS
    orthogonalises after every token, the same thing in chunks of one; a longer chunk takes one step, of the size that
    its last token says. Without `momentum`, S starts at 0 in every chunk (LaCT), and no gate is read.

    Args:
        weigh: what lr weighs.
        momentum: whether S lives on from chunk to chunk.
        iterations: of Newton-Schulz, at least 1; 5 as in Muon.

    Raises:
        ValueError: if `weigh` is neither, or there is no iteration.

    Example:
        >>> gathered = torch.diag(torch.tensor([-3.0, -1.0]))  # less the sum of a chunk's gradients
        >>> weight, _ = Muon().close(torch.zeros(2, 2), gathered, torch.tensor(0.1))
        >>> weight.diagonal().round(decimals=2)
        tensor([-0.0800, -0.1100])
    """

    weigh: Weighed = "step"
    momentum: bool = True
    iterations: int = 5
    slots = 2
    linear = False

    def __post_init__(self) -> None:
        check_types(self)
        check_choice("weigh", self.weigh, Weighed)
        check_whole(self, iterations=1)

    @property
    def gated(self) -> bool:  # type: ignore[override]
        """Whether S lives on by a gate."""
        return self.momentum

    def coefficients(self, gates: Gates) -> Coefficients:
        """Return the closed form of an open chunk and its closing step."""
        kept = cumulative_products(gates.keep)
        fade = gates.fade if self.momentum else torch.ones_like(gates.lr)
        carried = cumulative_products(fade)
        inside = carried[..., 1:] if self.weigh == "step" else carried[..., 1:] * gates.lr.unsqueeze(-2)
        read = torch.stack([kept[..., 0], torch.zeros_like(kept[..., 0])], -1)
        mix = torch.zeros_like(inside)
        fades = torch.stack([torch.zeros_like(carried[..., -1, 0]), carried[..., -1, 0]], -1)
        carry = torch.stack([read[..., -1, :], fades], -2)
        write = torch.stack([mix[..., -1, :], inside[..., -1, :]], -2)
        return Coefficients(read, mix, carry, write, gates.lr[..., -1] if self.weigh == "step" else None)

    def step(self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: Gates) -> tuple[Tensor, Tensor]:
        """Gather one token's gradient."""
        faded = gates.fade * momentum if self.momentum else momentum
        return gates.keep * weight, faded - (gradient if self.weigh == "step" else gates.lr * gradient)

    def close(self, weight: Tensor, momentum: Tensor, lr: Tensor | None) -> tuple[Tensor, Tensor]:
        """Step along the orthogonalised sum."""
        size = lr if self.weigh == "step" and lr is not None else 1.0
        weight = weight + size * orthogonalised(momentum, self.iterations)
        return weight, momentum if self.momentum else torch.zeros_like(momentum)


def orthogonalised(x: Tensor, iterations: int = 5) -> Tensor:
    """Bring the singular values of matrices `[..., out, in]` near 1 (roughly 0.7 to 1.2) by Newton-Schulz.

    A quintic iteration with the coefficients of Muon (Jordan et al., 2024), on matrices divided by their Frobenius
    norm. A zero matrix stays zero, and singular values far below that norm need more iterations.

    Example:
        >>> orthogonalised(torch.diag(torch.tensor([3.0, 1.0]))).diagonal().round(decimals=1)
        tensor([0.8000, 1.1000])
    """
    wide = x.shape[-2] <= x.shape[-1]
    y = x if wide else x.mT
    y = y / (y.square().sum((-2, -1), keepdim=True) + 1e-14).sqrt()
    for _ in range(iterations):
        square = y @ y.mT
        y = 3.4445 * y + (-4.7750 * square + 2.0315 * square @ square) @ y
    return y if wide else y.mT


@register("sliding_window")
@dataclass(frozen=True)
class SlidingWindow(Algorithm):
    """The Omega rule: every token's gradient is of the loss over the last `window` tokens (ATLAS, arXiv 2505.23735).

    All of them are taken at the weights of the token's own chunk, those of tokens from the chunk before too, whose keys
    and values the state therefore keeps. A window of 1 is `base` itself. The paper weighs the tokens of a window by
    further gates; here they count alike, so that a step is up to `window` times as large.

    Args:
        base: what is done with that gradient.
        window: tokens, at least 1.

    Raises:
        ValueError: if there is no token in the window, or `base` looks back itself.

    Example:
        >>> omega = SlidingWindow(GradientDescent(), window=3)
        >>> omega.slots, omega.lookback
        (1, 2)
        >>> gates = Gates(lr=torch.ones(2), momentum=None, keep=torch.ones(2))
        >>> omega.coefficients(gates).mix  # two tokens, and the two before them, which are written again
        tensor([[1., 1., 1., 0.],
                [1., 2., 2., 1.]])
    """

    base: Algorithm = field(default_factory=Momentum)
    window: int = 4

    def __post_init__(self) -> None:
        check_types(self)
        check_whole(self, window=1)
        if self.base.lookback:
            raise ValueError(f"windows do not nest: got {self.base} as base; choose the larger window")

    @property
    def slots(self) -> int:  # type: ignore[override]
        """Slots of the base."""
        return self.base.slots

    @property
    def gated(self) -> bool:  # type: ignore[override]
        """Whether the base reads `momentum`."""
        return self.base.gated

    @property
    def lookback(self) -> int:  # type: ignore[override]
        """Tokens of the window but the newest."""
        return self.window - 1

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Whether the base is linear."""
        return self.base.linear

    def coefficients(self, gates: Gates) -> Coefficients:
        """Return the base's closed form with every token's gradient replaced by its window's sum."""
        c = self.base.coefficients(gates)
        length = c.mix.shape[-1]
        columns = torch.arange(length + self.lookback, device=c.mix.device)
        rows = torch.arange(length, device=c.mix.device).unsqueeze(-1)
        band = ((columns >= rows) & (columns <= rows + self.lookback)).to(c.mix.dtype)
        return Coefficients(c.read, c.mix @ band, c.carry, c.write @ band, c.closing_lr)

    def step(self, weight: Tensor, momentum: Tensor, gradient: Tensor, gates: Gates) -> tuple[Tensor, Tensor]:
        """Take one token's step along its window's gradient."""
        return self.base.step(weight, momentum, gradient, gates)

    def close(self, weight: Tensor, momentum: Tensor, lr: Tensor | None) -> tuple[Tensor, Tensor]:
        """Finish a chunk as the base does."""
        return self.base.close(weight, momentum, lr)

    def check(self, architecture: Architecture, bias: Bias, retention: Retention) -> None:
        """Refuse what would make a token's gradient differ from step to step of its window."""
        if isinstance(self.base, ImplicitGradientDescent):
            raise ValueError("an implicit step is over one token, not over a window: use GradientDescent() as base")
        self.base.check(architecture, bias, retention)
        if retention.before_gradient:
            raise ValueError(
                "decay before the gradient would give a token another gradient at every step of its window: leave "
                "out before_gradient, or the window"
            )
