"""What is seen of a memory while it reads, as values."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Trace:
    """What happens at every token, `[B, T, H]` each; gates per layer or channel are averaged.

    Attributes:
        open: how far the gate of the step size stands open: the step as a share of the largest that it can be, in
            [0, 1].
        lr: step size.
        momentum: share of the past surprise kept; None if the rule has none.
        decay: share of the memory forgotten; None if the rule has none.
        loss: the inner loss, at the weights that its gradient is taken at.
        surprise: Frobenius norm of that gradient, over all weights that learn.

    Example:
        >>> import torch
        >>> step = torch.rand(2, 5, 4)
        >>> trace = Trace(step, 0.1 * step, None, None, loss=step, surprise=step)
        >>> trace.lr.shape
        torch.Size([2, 5, 4])
    """

    open: Tensor
    lr: Tensor
    momentum: Tensor | None
    decay: Tensor | None
    loss: Tensor
    surprise: Tensor


@dataclass(frozen=True, eq=False)
class Growth:
    """The memory's weights at the ends of its chunks, the first before any token.

    Attributes:
        tokens: how many had been read, `[N]`.
        norm: Frobenius norm of the weights that learn, `[B, N, H]`.
        moved: that of their difference from the weights at the start, `[B, N, H]`.

    Example:
        >>> import torch
        >>> growth = Growth(torch.tensor([0, 16, 32]), norm=torch.ones(1, 3, 4), moved=torch.zeros(1, 3, 4))
        >>> growth.norm[:, -1].shape
        torch.Size([1, 4])
    """

    tokens: Tensor
    norm: Tensor
    moved: Tensor


@dataclass(frozen=True, eq=False)
class Retrieval:
    """What queries find, in one row.

    Attributes:
        row: which.
        queries: places of the tokens that ask, `[Q]`.
        shares: `[Q, T, H]`: how much of what a query finds is there because a token was written. What it finds is the
            read without what the first weights would answer; its derivative by the logarithm of the token's step size
            is taken along it, as a share of it; negative where the write takes away. In a matrix memory's first chunk,
            without decay, a query's shares add up to 1.

    Example:
        >>> import torch
        >>> found = Retrieval(row=0, queries=torch.tensor([40]), shares=torch.tensor([[[0.1], [0.7], [0.2]]]))
        >>> int(found.shares[0, :, 0].argmax())  # the token whose write the query finds most of
        1
    """

    row: int
    queries: Tensor
    shares: Tensor


@dataclass(frozen=True)
class Use:
    """What a model's output owes to memories: its change without them, over its own deviation from its mean.

    Attributes:
        off: where what was read is taken away.
        frozen: where the memory keeps its first weights: it writes nothing and forgets nothing.
        loss_off: likewise by how much the model's loss is higher; None where no loss is known.
        loss_frozen: likewise.

    Example:
        >>> from titans_seq.inspection import verdict_of_all
        >>> verdict_of_all(Use(off=0.004, frozen=0.001), memories=2)
        'all 2 memories together: UNUSED: without its read the output changes by 0.40%'
    """

    off: float
    frozen: float
    loss_off: float | None = None
    loss_frozen: float | None = None


@dataclass(frozen=True, eq=False)
class MemoryInspection:
    """One memory layer over one input, B rows of T tokens, with H heads.

    Attributes:
        name: of the module.
        trace: what happens at every token.
        growth: its weights.
        key_rank: effective rank of the keys of each row and head, `[B, H]`, from 1 to `key_limit`.
        key_limit: the largest there can be: tokens or width, whichever is less.
        retrieval: what queries find.
        use: what the output owes to it.

    Example:
        >>> import torch
        >>> from titans_seq.blocks import LMMConfig
        >>> from titans_seq.inspection import inspect_memories
        >>> model, x = LMMConfig().build(32).eval(), torch.randn(2, 40, 32)
        >>> (memory,) = inspect_memories(model, lambda: model(x)[0]).memories
        >>> memory.name, memory.heads, memory.trace.surprise.shape
        ('mixer', 4, torch.Size([2, 40, 4]))
        >>> memory.growth.tokens.tolist(), memory.key_limit  # at the ends of chunks of 16; keys are 8 wide
        ([0, 16, 32, 40], 8)
    """

    name: str
    trace: Trace
    growth: Growth
    key_rank: Tensor
    key_limit: int
    retrieval: Retrieval
    use: Use

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.key_rank.shape[1]

    @property
    def is_tiny(self) -> Tensor:
        """Whether a token's gate stands open by less than `TINY`, `[B, T, H]`."""
        return self.trace.open < TINY

    @property
    def tiny_writes(self) -> float:
        """Share of tiny writes."""
        return self.is_tiny.double().mean().item()

    @property
    def half_life(self) -> float:
        """Tokens after which half of what is stored is forgotten, at the mean rate; infinite for none."""
        decay = 0.0 if self.trace.decay is None else self.trace.decay.double().clamp(max=1).mean().item()
        return math.log(0.5) / math.log1p(-decay) if 0 < decay < 1 else (math.inf if decay == 0 else 0.0)


TINY = 0.01
"""Openness of a gate below which a write is called tiny."""


@dataclass(frozen=True, eq=False)
class Inspection:
    """All memories of a model over one input.

    Attributes:
        memories: first layer first.
        together: what the output owes to all of them at once, which may be more than to any.
    """

    memories: tuple[MemoryInspection, ...]
    together: Use
