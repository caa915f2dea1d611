"""Tokens of a text that comes in pieces, the same as of the whole text, in memory that does not grow with it."""

import re
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from titans_seq.errors import UserError

BLOCK = 1 << 16
"""Characters that are encoded at once."""
CONTEXT = 1 << 11
"""Characters before a block that are encoded with it, so that it is read as in the midst of a text."""

_WORD_ENDS = re.compile(r"(?<=\S)(?=[ \n]\S)|(?<=\S\n)(?=\S)")
"""Places where hardly any tokenizer has a token across."""
_TRIED = 16
"""Places at which a cut is tried, before the block is made longer."""

Encode = Callable[[str], np.ndarray]


def encode_stream(
    encode: Encode, pieces: Iterable[str], block: int = BLOCK, context: int = CONTEXT
) -> Iterator[np.ndarray]:
    """Encode a text that comes in pieces, to the tokens of the whole text.

    How a tokenizer reads a piece depends on what is around it: a word may be cut in two, a space is put before the
    first word, a run of line ends is one token. So a text is cut only where it makes no difference, which is tried:
    the tokens up to the cut have to be the same whether the text ends there or goes on, and those behind the cut are
    taken from an encoding that begins `context` characters before it. What cannot be cut is encoded in one.

    It is exact for tokenizers whose tokens depend on less than `context` characters before and behind them, as those do
    that split a text into words first. SentencePiece's unigram model decides between equally likely tokens by the
    rounding of a sum over all text before: there the tokens are those of a text that begins a context before.

    Args:
        encode: the ids [T] of a text.
        pieces: of the text, of any lengths.
        block: characters that are encoded at once, if they can be cut; more than `context`.
        context: characters before them.

    Yields:
        Ids of consecutive parts of the text, none of them empty.

    Raises:
        UserError: if the tokens before a cut change with text that is more than `context` characters behind it.

    Example:
        >>> def words(text):
        ...     return np.array([len(word) for word in text.split()])
        >>> [ids.tolist() for ids in encode_stream(words, ["to be o", "r not to be"], block=8, context=4)]
        [[2, 2], [2, 3], [2, 2]]
    """
    before, waiting, wanted = "", "", block
    for piece in _slices(pieces, 16 * block):
        waiting += piece
        while len(waiting) >= wanted + context:
            cut = _cut(encode, before, waiting, wanted, context)
            if cut is None:
                # One long word, or a tokenizer that needs to see more.
                wanted *= 2
                continue
            at, ids = cut
            if len(ids):
                yield ids
            before, waiting, wanted = (before + waiting[:at])[-context:], waiting[at:], block
    if len(ids := _behind(encode, before, waiting)):
        yield ids


def _slices(pieces: Iterable[str], size: int) -> Iterator[str]:
    """Pieces of at most `size` characters: what is left of a piece is copied at every cut."""
    for piece in pieces:
        yield from (piece[start : start + size] for start in range(0, len(piece), size))


def _behind(encode: Encode, before: str, text: str) -> np.ndarray:
    """The ids of a text that stands behind another, between which a cut was found."""
    if not before:
        return encode(text)
    first, both = encode(before), encode(before + text)
    if not _begins(both, first):
        raise UserError(
            f"the tokenizer reads {before[-20:]!r} differently because of text far behind it: such a text cannot be "
            "encoded in pieces; cut it into shorter documents"
        )
    return both[len(first) :]


def _cut(encode: Encode, before: str, text: str, block: int, context: int) -> tuple[int, np.ndarray] | None:
    """Where a text can be cut without a change to its tokens, and the ids of what is before; None if nowhere.

    Args:
        encode: the ids of a text.
        before: what stands before the text.
        text: more than `block` characters.
        block: most characters before the cut.
        context: characters on both sides of a cut that are looked at.
    """
    for at in _places(text, block, context):
        left = (before + text[:at])[-context:]
        alone = encode(left)
        if _begins(encode(left + text[at : at + context]), alone):
            # Where the left side begins must make no difference any more where it ends.
            settled, ids = alone[len(alone) // 2 :], _behind(encode, before, text[:at])
            if len(ids) >= len(settled) and np.array_equal(ids[len(ids) - len(settled) :], settled):
                return at, ids
    return None


def _places(text: str, block: int, context: int) -> list[int]:
    """Places to try a cut at, those where one is likely first, each beside the end of the block."""
    near = max(1, block - context)
    ends = [match.start() for match in _WORD_ENDS.finditer(text, near, block)]
    return [*ends[::-1][:_TRIED], *range(block, max(near, block - _TRIED), -1)]


def _begins(ids: np.ndarray, first: np.ndarray) -> bool:
    return len(ids) >= len(first) and np.array_equal(ids[: len(first)], first)
