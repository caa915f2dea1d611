"""All k-mers of many sequences as numbers, the same for both strands: what overlaps are found by."""

from collections.abc import Iterator, Sequence

import numpy as np

from titans_seq.errors import UserError

from .alphabet import encode

LONGEST = 64

_UNKNOWN = 4
_BLOCK = 32
_BASES_AT_ONCE = 1 << 22


def kmer_complements(k: int) -> np.ndarray:
    """Return the number of each k-mer's reverse complement, int64 `[4 ** k]`; numbers read bases as digits of base 4.

    Args:
        k: bases, at least 1.

    Example:
        >>> kmer_complements(1).tolist()
        [3, 2, 1, 0]
    """
    rest, turned = np.arange(4**k), np.zeros(4**k, dtype=np.int64)
    for _ in range(k):
        rest, last = rest // 4, rest % 4
        turned = 4 * turned + 3 - last
    return turned


def canonical_kmers(sequences: Sequence[str], k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the k-mers of sequences, some million bases at a time.

    A k-mer and its reverse complement have the same number. Up to 31 bases different k-mers have different numbers;
    beyond, two of a thousand million share one with a chance of about 3 %. K-mers with a letter other than A, C, G, T
    are left out.

    Args:
        sequences: clean sequences.
        k: bases of a k-mer, in [1, 64].

    Yields:
        The numbers, uint64 `[M]`, and the index of the sequence that each is in, int64 `[M]`, not decreasing.

    Raises:
        UserError: if k is out of range.

    Example:
        >>> (numbers, owners), = canonical_kmers(["AAC", "GTT"], 3)
        >>> bool(numbers[0] == numbers[1]), owners.tolist()
        (True, [0, 1])
    """
    if not 1 <= k <= LONGEST:
        raise UserError(f"k-mers must have from 1 to {LONGEST} bases, got {k}")
    first, held, size = 0, [], 0
    for index, sequence in enumerate(sequences):
        # A letter that no k-mer may hold keeps two sequences apart.
        held += [encode(sequence).astype(np.uint8), np.array([_UNKNOWN], dtype=np.uint8)]
        size += len(sequence) + 1
        if size >= _BASES_AT_ONCE or index == len(sequences) - 1:
            lengths = [len(ids) + 1 for ids in held[::2]]
            owners = np.repeat(np.arange(first, index + 1), lengths)
            numbers, valid = _numbers(np.concatenate(held), k)
            yield numbers[valid], owners[: len(valid)][valid]
            first, held, size = index + 1, [], 0


def _numbers(ids: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The number of the k-mer at each place, and whether it holds known bases alone; both `[T - k + 1]`."""
    count = max(len(ids) - k + 1, 0)
    if count == 0:
        return np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=bool)
    unknown = np.concatenate([[0], np.cumsum(ids >= _UNKNOWN)])
    valid = unknown[k:] == unknown[:count]
    bases = np.minimum(ids, 3).astype(np.uint64)
    forward, backward = _packed(bases, k), _packed(3 - bases[::-1], k)[::-1]
    return np.minimum(forward, backward), valid


def _packed(bases: np.ndarray, k: int) -> np.ndarray:
    """Two bits a base for up to 32 bases; of longer k-mers the numbers of two halves that overlap, mixed."""
    width = min(k, _BLOCK)
    packed, done = _twice_as_wide(bases, width)
    count = len(bases) - width + 1
    number = np.zeros(count, dtype=np.uint64)
    at = 0
    for pieces, size in zip(packed, done, strict=True):
        number = (number << np.uint64(2 * size)) | pieces[at : at + count]
        at += size
    if k == width:
        return number
    return _mixed(_mixed(number[: len(bases) - k + 1]) + number[k - width :])


def _twice_as_wide(bases: np.ndarray, width: int) -> tuple[list[np.ndarray], list[int]]:
    """Numbers of the 1, 2, 4, ...-mers that make up a `width`-mer, and how many bases each has."""
    pieces, sizes = [], []
    numbers, size = bases, 1
    while size <= width:
        if width & size:
            pieces.append(numbers)
            sizes.append(size)
        numbers = (numbers[:-size] << np.uint64(2 * size)) | numbers[size:]
        size *= 2
    return pieces, sizes


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """A one-to-one map that spreads numbers over all 64 bits (the last steps of splitmix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
