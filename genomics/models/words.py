"""Words: each output's own weight for every k-mer, wherever it stands in a sequence."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BASES = 4
_PIECE = 16_384


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
                `[B, T, vocabulary]`.
            lengths: int64 `[B]`, in [1, T].

        Returns:
            `[B, outputs]`.
        """
        valid = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        if ids.is_floating_point():
            sums, ids = self._sums_of_shares, ids * valid[..., None]
        else:
            sums, ids = self._sums, torch.where(valid, ids, BASES)
        starts = range(0, ids.shape[1], _PIECE)
        # A k-mer belongs to the piece that it begins in.
        pieces = [sums(ids[:, start : start + _PIECE + self.longest - 1]) for start in starts]
        return torch.stack(pieces).sum(0) / lengths[:, None]

    def _sums(self, ids: Tensor) -> Tensor:
        known, bases = ids < BASES, ids.clamp(max=BASES - 1).long()
        codes, whole = torch.zeros_like(bases), torch.ones_like(known)
        total = self.weight.new_zeros(len(ids), self.weight.shape[1])
        for place, weight in enumerate(self._by_size(ids.shape[1])):
            count = ids.shape[1] - place
            codes = BASES * codes[:, :count] + bases[:, place:]
            whole = whole[:, :count] & known[:, place:]
            begun = whole[:, :_PIECE].to(weight.dtype)
            total = total + F.embedding_bag(codes[:, :_PIECE], weight, mode="sum", per_sample_weights=begun)
        return total

    def _sums_of_shares(self, shares: Tensor) -> Tensor:
        bases, words = shares[..., :BASES], shares.new_ones(*shares.shape[:2], 1)
        total = shares.new_zeros(len(shares), self.weight.shape[1])
        for place, weight in enumerate(self._by_size(shares.shape[1])):
            count = shares.shape[1] - place
            words = (words[:, :count, :, None] * bases[:, place:, None]).flatten(-2)
            total = total + words[:, :_PIECE].sum(1) @ weight
        return total

    def _by_size(self, length: int) -> tuple[Tensor, ...]:
        """The weights of the single bases, of pairs and so on, as far as a sequence is long enough for them."""
        return self.weight.split(word_counts(self.longest))[:length]


def word_counts(longest: int) -> list[int]:
    """Return how many k-mers of each size there are, from one base on.

    Example:
        >>> word_counts(3)
        [4, 16, 64]
    """
    return [BASES**size for size in range(1, longest + 1)]
