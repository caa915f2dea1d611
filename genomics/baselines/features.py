"""Sequences as rows of numbers for linear models."""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_matrix, hstack

from ..sequences.alphabet import encode, reverse_complement
from ..sequences.kmers import kmer_complements

BASES = 4
PER_BASES = 100
"""K-mers are counted per so many bases."""

Features = Callable[[Sequence[str]], csr_matrix]
"""From N sequences to `[N, F]`."""


def kmer_frequencies(sequences: Sequence[str], sizes: Sequence[int], symmetric: bool) -> csr_matrix:
    """Count how often each k-mer of A, C, G and T occurs, per position, times 100.

    Per position, so that a linear model over these reads composition, not length.

    Args:
        sequences: of any length.
        sizes: values of k, in [1, 12].
        symmetric: add each k-mer and its reverse complement up, which makes the row the same for both strands.

    Returns:
        Float64 `[N, sum of 4 ** k]`; with `symmetric` half of a pair stays empty.

    Example:
        >>> kmer_frequencies(["ACCN"], [1], False).toarray().tolist()
        [[25.0, 50.0, 0.0, 0.0]]
    """
    lengths = np.array([len(sequence) for sequence in sequences])
    codes = encode("".join(sequences)) if len(sequences) else np.empty(0, dtype=np.int64)
    rows = np.repeat(np.arange(len(sequences)), lengths)
    return csr_matrix(hstack([_one_size(codes, rows, lengths, size, symmetric) for size in sizes], format="csr"))


def _one_size(codes: np.ndarray, rows: np.ndarray, lengths: np.ndarray, size: int, symmetric: bool) -> csr_matrix:
    places = max(0, len(codes) - size + 1)
    kmers = np.zeros(places, dtype=np.int64)
    valid = rows[:places] == rows[len(rows) - places :]
    for offset in range(size):
        letter = codes[offset : offset + places]
        kmers = kmers * BASES + letter
        valid &= letter < BASES
    kmers, owners = kmers[valid], rows[:places][valid]
    if symmetric:
        kmers = np.minimum(kmers, kmer_complements(size)[kmers])
    weight = PER_BASES / np.maximum(lengths, 1)
    shape = (len(lengths), BASES**size)
    return csr_matrix((weight[owners], (owners, kmers)), shape=shape)


def of_both_strands(features: Features, sequences: Sequence[str]) -> csr_matrix:
    """Return each sequence's features and those of its reverse complement, added up."""
    return features(sequences) + features([reverse_complement(sequence) for sequence in sequences])


def one_hot_ends(sequences: Sequence[str], left: int, right: int) -> csr_matrix:
    """Return the first `left` and the last `right` bases, one-hot; other letters and missing positions are 0.

    Args:
        sequences: of any length.
        left: positions counted from the first base, at least 0.
        right: positions counted from the last base, at least 0.

    Returns:
        Float64 `[N, 4 * (left + right)]`.

    Example:
        >>> one_hot_ends(["AT"], 1, 2).toarray().tolist()
        [[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]]
    """
    lengths = np.array([len(sequence) for sequence in sequences])
    codes = encode("".join(sequences)) if len(sequences) else np.empty(0, dtype=np.int64)
    starts = lengths.cumsum() - lengths
    rows = np.repeat(np.arange(len(sequences)), lengths)
    from_left = np.arange(len(codes)) - starts[rows]
    from_right = lengths[rows] - 1 - from_left
    base = codes < BASES
    in_left, in_right = base & (from_left < left), base & (from_right < right)
    columns = np.concatenate([from_left[in_left], left + from_right[in_right]]) * BASES
    columns += np.concatenate([codes[in_left], codes[in_right]])
    owners = np.concatenate([rows[in_left], rows[in_right]])
    return csr_matrix((np.ones(len(owners)), (owners, columns)), shape=(len(lengths), BASES * (left + right)))
