"""Weights of words against k-mer counts times the same weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from genomics.baselines.features import PER_BASES, kmer_frequencies
from genomics.batching import pad
from genomics.models import words as module
from genomics.models.words import WordWeights, word_counts
from genomics.tokens import Nucleotides

SEQUENCES = ["ACGTNACGGTCATTTACG", "AC", "N", "TTTTTGACCA", "GATTACA"]


def drawn(longest: int, outputs: int) -> WordWeights:
    words = WordWeights(longest, outputs).double()
    words.weight.normal_(generator=torch.Generator().manual_seed(0))
    return words


@pytest.mark.parametrize(("piece", "numbers"), [(16_384, 1 << 22), (4, 1 << 10)])
@torch.no_grad()
def test_weights_of_words_are_counts_times_weights(monkeypatch, piece, numbers):
    monkeypatch.setattr(module, "_PIECE", piece)
    monkeypatch.setattr(module, "_NUMBERS", numbers)
    words = drawn(3, 2)
    counts = kmer_frequencies(SEQUENCES, (1, 2, 3), symmetric=False).toarray() / PER_BASES
    expected = torch.from_numpy(counts @ words.weight.numpy())
    batch = pad([Nucleotides().encode(one) for one in SEQUENCES], Nucleotides().pad)
    shares = F.one_hot(batch.ids, Nucleotides().vocabulary).double()
    padded = F.pad(batch.ids, (0, 5), value=2), F.pad(shares, (0, 0, 0, 3), value=0.3)
    for ids in (batch.ids, batch.ids.int(), shares, *padded):
        torch.testing.assert_close(words(ids, batch.lengths), expected, rtol=0, atol=1e-12)
    # A share of each of two sequences is that share of both sums, for single bases.
    single = drawn(1, 2)
    mixed = 0.25 * shares[:1] + 0.75 * shares[3:4]
    whole = torch.tensor([18])
    torch.testing.assert_close(
        single(mixed, whole), 0.25 * single(shares[:1], whole) + 0.75 * single(shares[3:4], whole)
    )


def gradient(words: WordWeights, shares: Tensor, lengths: Tensor, weights: Tensor, *, twice: bool = False) -> Tensor:
    shares = shares.clone().requires_grad_()
    score = (words(shares, lengths) * weights).sum()
    (first,) = torch.autograd.grad(score, shares, create_graph=twice)
    return torch.autograd.grad(first.square().sum(), shares)[0] if twice else first


@pytest.mark.parametrize("piece", [16_384, 4])
def test_one_hot_shares_have_the_gradient_of_any_shares(monkeypatch, piece):
    words, weights = drawn(4, 2), torch.tensor([[1.0, -2.0]]).double()
    batch = pad([Nucleotides().encode(one) for one in SEQUENCES], Nucleotides().pad)
    shares = F.one_hot(batch.ids, Nucleotides().vocabulary).double()
    for twice in (False, True):
        monkeypatch.setattr(module, "_is_one_hot", lambda shares: False)
        expected = gradient(words, shares, batch.lengths, weights, twice=twice)
        monkeypatch.undo()
        monkeypatch.setattr(module, "_PIECE", piece)
        torch.testing.assert_close(gradient(words, shares, batch.lengths, weights, twice=twice), expected)
    by_func = torch.func.grad(lambda x: (words(x, batch.lengths) * weights).sum())(shares)
    torch.testing.assert_close(by_func, gradient(words, shares, batch.lengths, weights))


def test_the_gradient_by_shares_is_what_a_substitution_changes():
    words, lengths = drawn(4, 1), torch.tensor([7])
    ids = torch.tensor([[0, 1, 3, 2, 2, 0, 1]])
    shares = F.one_hot(ids, Nucleotides().vocabulary).double()
    found = gradient(words, shares, lengths, torch.ones(1, 1).double())
    for place, base in ((0, 2), (3, 0), (6, 3)):
        other = ids.clone()
        other[0, place] = base
        change = words(other, lengths) - words(ids, lengths)
        torch.testing.assert_close(found[0, place, base] - found[0, place, ids[0, place]], change[0, 0])


def test_there_are_weights_for_every_word():
    assert word_counts(2) == [4, 16]
    assert WordWeights(longest=2, outputs=3).weight.shape == (20, 3)
    assert not list(WordWeights(longest=2, outputs=3).parameters())
    assert np.all(WordWeights(longest=2, outputs=3).weight.numpy() == 0)
