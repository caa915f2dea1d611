"""Retention gate: how a memory forgets.

A retention has a linear part, the share of the memory kept before each token's write, and may have a part that is not
linear and acts when a chunk ends (MIRAS 5.3):

    A  = what the algorithm has accumulated over the chunk, linearly
    A <- settle(A, start)      start: the weights at which the chunk's last gradient was taken
    W  = weights(A)            what is read, and where the next chunk's gradients are taken

With chunks of one token that is each paper's exact rule. Inside a longer chunk a memory of this kind is read as its
gradients are taken, as it stood when the chunk began; the chunk's last token already reads what its write completed.

Reference: MIRAS (arXiv 2504.13173), eq. 19-27.
"""

import abc
import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from titans_seq.checks import check_choice, check_types
from titans_seq.config import register

Over = Literal["matrix", "row"]


class Retention(abc.ABC):
    """How a memory forgets.

    Attributes:
        gated: whether it reads a `decay` per token.
        per_channel: whether that decay is one number a row of every weight matrix, and not one for all.
        before_gradient: whether a token's surprise is measured on the memory that its own decay has already shrunk.
        linear: whether keeping a share is all it does.

    Example:
        >>> [(rule.gated, rule.linear) for rule in (NoRetention(), WeightDecay(), ElasticNet())]
        [(False, True), (True, True), (True, False)]
    """

    gated: bool = False
    per_channel: bool = False
    before_gradient: bool = False
    linear: bool = True

    @abc.abstractmethod
    def keep(self, decay: Tensor | None, like: Tensor) -> Tensor:
        """Return the share kept, in [0, 1], shaped like `decay` where it is read, else like `like`, `[B, T, H]`."""

    def settle(self, accumulated: Tensor, start: Tensor) -> Tensor:
        """Return what is carried into the next chunk; all matrices are `[..., out, in]`."""
        return accumulated

    def weights(self, accumulated: Tensor) -> Tensor:
        """Return the weights that stand for what was accumulated, `[..., out, in]`."""
        return accumulated

    def accumulated(self, weights: Tensor) -> Tensor:
        """Return what an initial memory has accumulated, for weights as `initial_weights` draws them."""
        return weights

    def check_heads(self, heads: int) -> None:  # noqa: B027 - most retentions fit any number
        """Raise ValueError if it has numbers for another number of heads."""


@register("no_retention")
@dataclass(frozen=True)
class NoRetention(Retention):
    """Nothing is forgotten (Titans eq. 9; the paper's ablation without weight decay).

    Example:
        >>> NoRetention().keep(None, torch.zeros(1))
        tensor([1.])
    """

    def keep(self, decay: Tensor | None, like: Tensor) -> Tensor:
        """Return ones."""
        return torch.ones_like(like)


@register("weight_decay")
@dataclass(frozen=True)
class WeightDecay(Retention):
    """Weight decay per token and head, or per token, head and layer: keep `1 - decay_t` (Titans eq. 13, alpha).

    Which of the two is the decay's shape: `[B, T, H]`, or `[B, T, H, layers]`.

    Args:
        before_gradient: measure a token's surprise on the memory already decayed, up to and including this token's
            decay (Gated DeltaNet, eq. 34), instead of on the memory as it stood when the chunk began (Titans). In
            chunks of one token the two papers differ in nothing else.

    Raises:
        ValueError: if it is neither True nor False.

    Example:
        >>> WeightDecay().keep(torch.tensor([0.25]), torch.ones(1))
        tensor([0.7500])
    """

    before_gradient: bool = False
    gated = True

    def __post_init__(self) -> None:
        check_types(self)

    def keep(self, decay: Tensor | None, like: Tensor) -> Tensor:
        """Return `1 - decay`.

        Raises:
            ValueError: if there is no decay.
        """
        if decay is None:
            raise ValueError("weight decay needs the gate `decay`, got None")
        return 1 - decay


@register("channel_decay")
@dataclass(frozen=True)
class ChannelDecay(WeightDecay):
    """Weight decay per token, head and channel: a number for each row of each weight matrix (NeurIPS version, alpha).

    The paper makes alpha a vector of the model's width and does not say which axis of a wide matrix it scales. Rows are
    a layer's outputs, so every unit of the memory forgets at its own pace; and a decay of rows leaves the read a sum
    over tokens, which one of columns would not for a deep memory. The gate is `[B, T, H, rows of all layers]`. Where a
    decay per head costs a number for every two tokens of a chunk, this costs one for each row: keep chunks short.

    Args:
        before_gradient: see `WeightDecay`.

    Example:
        >>> decay = torch.tensor([0.25, 0.5]).expand(1, 3, 1, 2)  # two rows; three tokens of one head
        >>> ChannelDecay().keep(decay, torch.ones(1, 3, 1))[0, 0]
        tensor([[0.7500, 0.5000]])
    """

    per_channel = True


@register("constant_decay")
@dataclass(frozen=True)
class ConstantDecay(Retention):
    """A share kept that depends on the head alone (RetNet, arXiv 2307.08621).

    Args:
        keeps: the share each head keeps, in [0, 1]; None gives RetNet's `1 - 2^(-5 - h)` for head h = 0, 1, ...
        before_gradient: see `WeightDecay`.

    Raises:
        ValueError: if a share is not in [0, 1], or there is none.

    Example:
        >>> ConstantDecay().keep(None, torch.zeros(1, 1, 2))
        tensor([[[0.9688, 0.9844]]])
    """

    keeps: tuple[float, ...] | None = None
    before_gradient: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        if self.keeps is not None and not (self.keeps and all(0 <= keep <= 1 for keep in self.keeps)):
            raise ValueError(f"the shares kept must lie in [0, 1], one a head, got {self.keeps}")

    def keep(self, decay: Tensor | None, like: Tensor) -> Tensor:
        """Return each head's share, `[B, T, H]`.

        Raises:
            ValueError: if there are shares for another number of heads.
        """
        heads = like.shape[2]
        self.check_heads(heads)
        keeps = tuple(1 - 2.0 ** (-5 - h) for h in range(heads)) if self.keeps is None else self.keeps
        return like.new_tensor(keeps).expand(like.shape[:3])

    def check_heads(self, heads: int) -> None:
        """Raise ValueError unless there is a share for each head."""
        if self.keeps is not None and len(self.keeps) != heads:
            raise ValueError(f"constant decay has shares for {len(self.keeps)} heads, the memory has {heads}")


@dataclass(frozen=True)
class _Settling(Retention):
    """A retention that is not linear, upon a linear decay of what is accumulated."""

    decay: Retention = field(default_factory=WeightDecay)
    linear = False

    def __post_init__(self) -> None:
        check_types(self)
        if not self.decay.linear:
            raise ValueError(f"the decay under {type(self).__name__} must be a linear retention, got {self.decay}")

    @property
    def gated(self) -> bool:  # type: ignore[override]
        return self.decay.gated

    @property
    def per_channel(self) -> bool:  # type: ignore[override]
        return self.decay.per_channel

    @property
    def before_gradient(self) -> bool:  # type: ignore[override]
        return self.decay.before_gradient

    def keep(self, decay: Tensor | None, like: Tensor) -> Tensor:
        return self.decay.keep(decay, like)

    def check_heads(self, heads: int) -> None:
        self.decay.check_heads(heads)


@dataclass(frozen=True)
class _Dual(_Settling):
    """A retention whose weights are a function of what is accumulated: mirror descent."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.before_gradient:
            raise ValueError(
                f"{type(self).__name__} decays what it accumulates, not the weights at which gradients are taken: "
                f"before_gradient has no meaning here; leave it out"
            )


@register("lq")
@dataclass(frozen=True)
class LqNormalisation(_Dual):
    """`W = A / ||A||_q^(q-2)` of the accumulated A (MONETA, MIRAS eq. 24; q = 4 there).

    The paper does not say over which axes the norm runs. Here it is a whole weight matrix of one head: the retention
    is then a function of the memory, as its derivation has it; rows are the other option. It derives 1 < q <= 2 and
    uses 4, where the weights grow as A shrinks: a memory that decays is read louder. The guard keeps an empty memory
    empty: the norm is `(sum |A|^q + 1e-30)^(1/q)`. Initial weights are what is read: A starts as their inverse image.

    Args:
        decay: linear decay of A; MONETA has a gated one.
        q: at least 1; 2 is no normalisation.
        over: what the norm runs over: a whole "matrix" of a head, or each "row".

    Raises:
        ValueError: if a value is out of its range, the decay is no linear retention, or it comes before the gradient.

    Example:
        >>> LqNormalisation().weights(torch.tensor([[2.0, 0.0], [0.0, 0.0]]))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.0000]])
    """

    q: float = 4
    over: Over = "matrix"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("over", self.over, Over)
        if not 1 <= self.q < math.inf:
            raise ValueError(f"Lq normalisation needs a finite q of at least 1, got {self.q}")

    def weights(self, accumulated: Tensor) -> Tensor:
        """Return the normalised matrix."""
        return accumulated / self._norm(accumulated).pow(self.q - 2)

    def accumulated(self, weights: Tensor) -> Tensor:
        """Return the matrix whose normalised form is `weights`; for q = 3, which forgets the scale, `weights`."""
        return weights if self.q == 3 else weights * self._norm(weights).pow((self.q - 2) / (3 - self.q))

    def _norm(self, x: Tensor) -> Tensor:
        # Squares first: the derivative of |x|^q at zero is then defined for every q of at least 2.
        total = (x.square() + 1e-24).pow(self.q / 2).sum(_axes(self.over), keepdim=True)
        return (total + 1e-30).pow(1 / self.q)


@register("softmax")
@dataclass(frozen=True)
class SoftmaxRetention(_Dual):
    """`W = c softmax(A)` of accumulated logits A: stay near the last weights in relative entropy (MEMORA, eq. 27).

    With `A = log W` up to a constant a slice, which softmax forgets, this is the paper's
    `W_t = c softmax(keep_t log W_{t-1} - lr_t u_t)`, exactly, for every token whose gradient is taken at W_{t-1}. The
    paper's chunks need a "lag token" because they take the log of what a softmax returned; logits that are
    carried need none, so all gradients of a chunk are taken at its first weights, as everywhere here.

    The paper gives neither the slices nor c. A slice here is a row, the weights into one unit, and its mean weight is
    `mean`: 1 is the scale that `initial_weights` gives. All weights are positive; the memory's LayerNorm and residual
    supply the signs. Initial logits are the drawn weights scaled to variance 1. Where decay has made a row nearly
    uniform that LayerNorm amplifies rounding: decays of 10% a token need float64, those of 1% do not.

    Args:
        decay: linear decay of the logits towards uniform weights.
        over: the slice: a "row", or a whole "matrix" of a head.
        mean: mean weight of a slice, c over its length; above 0.

    Raises:
        ValueError: if a value is out of its range, the decay is no linear retention, or it comes before the gradient.

    Example:
        >>> SoftmaxRetention().weights(torch.zeros(1, 2))
        tensor([[1., 1.]])
    """

    over: Over = "row"
    mean: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("over", self.over, Over)
        if not 0 < self.mean < math.inf:
            raise ValueError(f"the mean weight must be above 0 and finite, got {self.mean}")

    def weights(self, accumulated: Tensor) -> Tensor:
        """Return positive weights."""
        flat = accumulated.flatten(-2) if self.over == "matrix" else accumulated
        return (flat.softmax(-1) * (self.mean * flat.shape[-1])).view_as(accumulated)

    def accumulated(self, weights: Tensor) -> Tensor:
        """Return logits of variance 1."""
        return weights / weights.square().mean((-2, -1), keepdim=True).add(1e-12).sqrt()


@register("elastic_net")
@dataclass(frozen=True)
class ElasticNet(_Settling):
    """Soft thresholding, `W <- sign(W) max(|W| - shrink, 0)`, when a chunk ends (MIRAS eq. 22).

    The paper ties the threshold to the step size; here it is a constant per chunk, chosen by itself, as its decay is.

    Args:
        decay: linear decay of the weights (the paper's lambda).
        shrink: the threshold (the paper's gamma), at least 0.

    Raises:
        ValueError: if the threshold is out of its range, or the decay is no linear retention.

    Example:
        >>> ElasticNet(shrink=0.5).settle(torch.tensor([[2.0, -0.1]]), torch.zeros(1, 2))
        tensor([[1.5000, 0.0000]])
    """

    shrink: float = 1e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.shrink < math.inf:
            raise ValueError(f"shrink must be at least 0 and finite, got {self.shrink}")

    def settle(self, accumulated: Tensor, start: Tensor) -> Tensor:
        """Return the matrix with every entry moved towards 0."""
        return accumulated - accumulated.clamp(-self.shrink, self.shrink)


@register("row_norm")
@dataclass(frozen=True)
class RowNormalisation(_Settling):
    """Every row keeps its length: scaled back to what it was when the chunk began (LaCT, arXiv 2505.23884).

    So each row has its learned initial length for ever. The guard adds 1e-12 to each squared length.

    Args:
        decay: linear decay of the weights; LaCT has none.

    Raises:
        ValueError: if the decay is no linear retention.

    Example:
        >>> RowNormalisation().settle(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 1.0]]))
        tensor([[0.6000, 0.8000]])
    """

    decay: Retention = field(default_factory=NoRetention)

    def settle(self, accumulated: Tensor, start: Tensor) -> Tensor:
        """Return the matrix with the rows' lengths of `start`."""
        return accumulated * (_row_length(start) / _row_length(accumulated))


def _axes(over: Over) -> tuple[int, ...]:
    return (-2, -1) if over == "matrix" else (-1,)


def _row_length(x: Tensor) -> Tensor:
    return (x.square().sum(-1, keepdim=True) + 1e-12).sqrt()
