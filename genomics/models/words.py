"""Words: each output's own weight for every k-mer, wherever it stands in a sequence."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from titans_seq.autodiff import differentiable_gradients, transformed

BASES = 4
_PIECE = 16_384
"""Bases of each sequence that are read at once."""
_NUMBERS = 1 << 22
"""Most products of shares that are held at once."""


class WordWeights(nn.Module):
    """Add up the weights of all k-mers of a sequence, divided by its length, as k-mer regression does.

    The weights are no parameters: a regression sets them once training is over (`runs.stacking`), and they begin at
    zero. K-mers with an unknown base do not count.

    Args:
        longest: bases of the longest k-mers, at least 1; all shorter ones have weights too.
        outputs: of the model.

    Example:
        >>> words = WordWeights(longest=2, outputs=1)
        >>> words.weight[0], words.weight[4 + 1] = 2.0, 10.0  # A, and AC behind the four single bases
        >>> words(torch.tensor([[0, 1, 0, 4]]), torch.tensor([4])).tolist()  # ACAN: twice A, once AC
        [[3.5]]
    """

    weight: Tensor

    def __init__(self, longest: int, outputs: int) -> None:
        super().__init__()
        self.longest = longest
        self.register_buffer("weight", torch.zeros(sum(word_counts(longest)), outputs))

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Add up, some thousand bases at a time.

        Args:
            ids: nucleotides, of any integer type `[B, T]`, padded on the right, or shares of the tokens
                `[B, T, vocabulary]`. What is not one-hot takes the product of all shares, `4 ** longest` a base.
            lengths: int64 `[B]`, in [1, T].

        Returns:
            `[B, outputs]`.
        """
        valid = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        size, sums = _PIECE, self.sums
        if not ids.is_floating_point():
            ids = torch.where(valid, ids, BASES)
        else:
            ids = (ids * valid[..., None])[..., :BASES]
            if not transformed() and _is_one_hot(ids):
                sums = self._sums_of_one_hot
            else:
                size, sums = max(1, _NUMBERS // (len(ids) * BASES**self.longest)), self._sums_of_any
        starts = range(0, ids.shape[1], size)
        # A k-mer belongs to the piece that it begins in.
        pieces = [sums(ids[:, start : start + size + self.longest - 1], size) for start in starts]
        return torch.stack(pieces).sum(0) / lengths[:, None]

    def sums(self, ids: Tensor, begun: int) -> Tensor:
        """Add up the weights of k-mers of nucleotides `[B, T]` that begin in the first `begun` places."""
        known, bases = ids < BASES, ids.clamp(max=BASES - 1).long()
        codes, whole = torch.zeros_like(bases), torch.ones_like(known)
        total = self.weight.new_zeros(len(ids), self.weight.shape[1])
        for place, weight in enumerate(self.by_size(ids.shape[1])):
            count = ids.shape[1] - place
            codes = BASES * codes[:, :count] + bases[:, place:]
            whole = whole[:, :count] & known[:, place:]
            counted = whole[:, :begun].to(weight.dtype)
            total = total + F.embedding_bag(codes[:, :begun], weight, mode="sum", per_sample_weights=counted)
        return total

    def sums_of_shares(self, shares: Tensor, begun: int) -> Tensor:
        """Do the same for shares of the bases, `[B, T, 4]`: that of a k-mer is the product of those of its bases."""
        words = shares.new_ones(*shares.shape[:2], 1)
        total = shares.new_zeros(len(shares), self.weight.shape[1])
        for place, weight in enumerate(self.by_size(shares.shape[1])):
            count = shares.shape[1] - place
            words = (words[:, :count, :, None] * shares[:, place:, None]).flatten(-2)
            total = total + words[:, :begun].sum(1) @ weight
        return total

    def by_size(self, length: int) -> tuple[Tensor, ...]:
        """Return the weights of the single bases, of pairs and so on, as far as a sequence is long enough for them."""
        return self.weight.split(word_counts(self.longest))[:length]

    def _sums_of_one_hot(self, shares: Tensor, begun: int) -> Tensor:
        return _OneHotSums.apply(shares, self, begun)  # pyright: ignore[reportReturnType]

    def _sums_of_any(self, shares: Tensor, begun: int) -> Tensor:
        if transformed() or not shares.requires_grad:
            return self.sums_of_shares(shares, begun)
        return checkpoint(self.sums_of_shares, shares, begun, use_reentrant=False)  # pyright: ignore


class _OneHotSums(torch.autograd.Function):
    """`sums_of_shares` of one-hot shares: k-mers are looked up, for the gradient those that are one base off."""

    @staticmethod
    def forward(ctx: Any, shares: Tensor, words: WordWeights, begun: int) -> Tensor:
        ids = torch.where(shares.sum(-1) > 0, shares.argmax(-1), BASES)
        ctx.save_for_backward(shares, ids)
        ctx.words, ctx.begun = words, begun
        return words.sums(ids, begun)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, None, None]:
        shares, ids = ctx.saved_tensors
        if torch.is_grad_enabled():

            def function(x: Tensor) -> tuple[Tensor]:
                return (ctx.words.sums_of_shares(x, ctx.begun),)

            return differentiable_gradients(function, (shares,), gradients)[0], None, None
        return _substituted(ids, ctx.words.by_size(ids.shape[1]), gradients[0], ctx.begun), None, None


def _substituted(ids: Tensor, weights: tuple[Tensor, ...], gradient: Tensor, begun: int) -> Tensor:
    """What each base at each place adds to the sums, times their gradient `[B, outputs]`: `[B, T, 4]`."""
    known, bases, rows = ids < BASES, ids.clamp(max=BASES - 1), torch.arange(len(ids), device=ids.device)[:, None]
    result = gradient.new_zeros(*ids.shape, BASES)
    for size, weight in enumerate(weights, 1):
        worth = weight @ gradient.T
        units = BASES ** torch.arange(size - 1, -1, -1, device=ids.device)
        letters, seen = bases.unfold(1, size, 1)[:, :begun], known.unfold(1, size, 1)[:, :begun]
        codes, count = (letters * units).sum(-1), letters.shape[1]
        for place, unit in enumerate(units.tolist()):
            others = codes - letters[..., place] * unit
            whole = (seen.sum(-1) - seen[..., place].long() == size - 1).to(worth.dtype)
            for base in range(BASES):
                result[:, place : place + count, base] += worth[others + base * unit, rows] * whole
    return result


def _is_one_hot(shares: Tensor) -> bool:
    return bool(((shares == 0) | (shares == 1)).all() and (shares.sum(-1) <= 1).all())


def word_counts(longest: int) -> list[int]:
    """Return how many k-mers of each size there are, from one base on.

    Example:
        >>> word_counts(3)
        [4, 16, 64]
    """
    return [BASES**size for size in range(1, longest + 1)]
