"""Weights of words against k-mer counts times the same weights."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from genomics.baselines.features import PER_BASES, kmer_frequencies
from genomics.batching import pad
from genomics.models import words as module
from genomics.models.words import WordWeights, word_counts
from genomics.tokens import Nucleotides

SEQUENCES = ["ACGTNACGGTCATTTACG", "AC", "N", "TTTTTGACCA", "GATTACA"]


@pytest.mark.parametrize("piece", [16_384, 4])
@torch.no_grad()
def test_weights_of_words_are_counts_times_weights(monkeypatch, piece):
    monkeypatch.setattr(module, "_PIECE", piece)
    words = WordWeights(longest=3, outputs=2).double()
    words.weight.normal_(generator=torch.Generator().manual_seed(0))
    counts = kmer_frequencies(SEQUENCES, (1, 2, 3), symmetric=False).toarray() / PER_BASES
    expected = torch.from_numpy(counts @ words.weight.numpy())
    batch = pad([Nucleotides().encode(one) for one in SEQUENCES], Nucleotides().pad)
    shares = F.one_hot(batch.ids, Nucleotides().vocabulary).double()
    for ids in (
        batch.ids,
        batch.ids.int(),
        F.pad(batch.ids, (0, 5), value=2),
        shares,
        F.pad(shares, (0, 0, 0, 3), value=0.3),
    ):
        torch.testing.assert_close(words(ids, batch.lengths), expected, rtol=0, atol=1e-12)


def test_the_derivative_by_shares_is_what_a_substitution_changes():
    words = WordWeights(longest=4, outputs=1).double()
    words.weight.normal_(generator=torch.Generator().manual_seed(0))
    ids, lengths = torch.tensor([[0, 1, 3, 2, 2, 0, 1]]), torch.tensor([7])
    shares = F.one_hot(ids, Nucleotides().vocabulary).double().requires_grad_()
    (gradient,) = torch.autograd.grad(words(shares, lengths).sum(), shares)
    for place, base in ((0, 2), (3, 0), (6, 3)):
        other = ids.clone()
        other[0, place] = base
        change = words(other, lengths) - words(ids, lengths)
        torch.testing.assert_close(gradient[0, place, base] - gradient[0, place, ids[0, place]], change[0, 0])


def test_there_are_weights_for_every_word():
    assert word_counts(2) == [4, 16]
    assert WordWeights(longest=2, outputs=3).weight.shape == (20, 3)
    assert not list(WordWeights(longest=2, outputs=3).parameters())
    assert np.all(WordWeights(longest=2, outputs=3).weight.numpy() == 0)
