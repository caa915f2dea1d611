"""The loss by whether a token completes a pair that its document held before, and how far back that was.

Over all tokens the gain of a memory is hardly seen, because few of them depend on what is out of attention's sight.
A token that repeats a pair from there is one that a memory could know.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from titans_seq.blocks import AttentionBlockConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.models import CausalLMConfig

from ..data.token_shards import TokenShards

REACHES = (1, 2, 8, 64)
"""Ends of the ranges of distances, in windows."""
RARE = 10
"""A pair that comes fewer times in training is rare."""

_BLOCK = 1 << 20
_TOKEN_BITS = 32


@dataclass(frozen=True)
class RecencyLoss:
    """The loss of the tokens whose pair was last seen in a range of distances.

    Attributes:
        first: shortest distance of the range in tokens; 0 for pairs that were not seen before.
        last: longest; 0 for pairs that were not seen before, None where there is no end.
        rare: whether these are the rare pairs only, or those that are not; None for both.
        tokens: how many.
        carried: mean loss in nats, with everything before in the state; NaN without tokens.
        cut: the same tokens, with the state reset every so many tokens.
    """

    first: int
    last: int | None
    rare: bool | None
    tokens: int
    carried: float
    cut: float


def attention_window(config: CausalLMConfig) -> int | None:
    """Return the tokens that a model's attention sees, the most of all blocks, or a segment of MAC; None if unbounded.

    Example:
        >>> from titans_seq.models import language_model
        >>> attention_window(language_model("tiny-mag")), attention_window(language_model("tiny-lmm"))
        (64, None)
    """
    windows = [
        block.segment if isinstance(block, MACConfig) else block.attention.window
        for block in config.blocks
        if isinstance(block, (MACConfig, MAGConfig, MALConfig, AttentionBlockConfig))
    ]
    return None if not windows or None in windows else max(window for window in windows if window is not None)


def pair_keys(tokens: np.ndarray, before: int) -> np.ndarray:
    """Return one number for each token and the one before it.

    Args:
        tokens: of one document, `[T]`, in [0, 2**31).
        before: what stands before the first: `end_of_document`.

    Returns:
        int64 `[T]`.
    """
    tokens = tokens.astype(np.int64)
    return np.concatenate([[before], tokens[:-1]]) << _TOKEN_BITS | tokens


def pair_distances(keys: np.ndarray) -> np.ndarray:
    """Return how many tokens back each pair was last seen; 0 where it was not.

    Args:
        keys: of one document, see `pair_keys`.

    Returns:
        int64 `[T]`.

    Example:
        >>> pair_distances(pair_keys(np.array([1, 2, 3, 1, 2, 1, 2]), before=9)).tolist()
        [0, 0, 0, 0, 3, 0, 2]
    """
    # Equal keys lie side by side, in the order of their places.
    order = np.argsort(keys, kind="stable")
    again = keys[order[1:]] == keys[order[:-1]]
    distances = np.zeros(len(keys), dtype=np.int64)
    distances[order[1:]] = np.where(again, order[1:] - order[:-1], 0)
    return distances


def count_pairs(shards: TokenShards, keys: np.ndarray) -> np.ndarray:
    """Return how often each pair comes in some shards.

    Args:
        shards: of the same tokenizer.
        keys: see `pair_keys`, `[T]`.

    Returns:
        int64 `[T]`.

    Example:
        >>> shards = TokenShards.from_documents([[1, 2, 1, 2, 9], [1, 9]], end_of_document=9)
        >>> count_pairs(shards, pair_keys(np.array([1, 2, 3]), before=9)).tolist()
        [2, 2, 0]
    """
    wanted, places = np.unique(keys, return_inverse=True)
    counts = np.zeros(len(wanted), dtype=np.int64)
    for tokens, ends in shards.arrays():
        for start in range(0, len(tokens), _BLOCK):
            block = np.asarray(tokens[start : start + _BLOCK])
            found = pair_keys(block, int(tokens[start - 1]) if start else shards.end_of_document)
            # A document's first token is read behind an end of document, whatever stands before it in the shard.
            first = ends[(ends >= start) & (ends < start + len(block))] - start
            found[first] = shards.end_of_document << _TOKEN_BITS | block[first].astype(np.int64)
            at = np.minimum(np.searchsorted(wanted, found), len(wanted) - 1)
            counts += np.bincount(at[wanted[at] == found], minlength=len(wanted))
    return counts[places]


def losses_by_recency(
    documents: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    end_of_document: int,
    window: int,
    training: TokenShards | None = None,
    rare: int = RARE,
) -> tuple[RecencyLoss, ...]:
    """Split the losses of some documents by how far back the pair was last seen that each token completes.

    Args:
        documents: tokens, losses carried and losses cut of each, `[T]`.
        end_of_document: what is given before a document's first token.
        window: tokens that attention sees, at least 1.
        training: what the model was trained on, if rare pairs are to stand apart.
        rare: a pair that comes fewer times there is rare.

    Returns:
        The ranges never, to 1, 2, 8 and 64 windows, and beyond, for all pairs; then, with `training`, for the rare and
        for the others.

    Example:
        >>> tokens, losses = np.array([1, 2, 3, 1, 2]), np.array([4.0, 4.0, 4.0, 4.0, 1.0])
        >>> [(part.first, part.last, part.tokens, part.carried) for part in
        ...     losses_by_recency([(tokens, losses, losses)], 9, window=2) if part.tokens]
        [(0, 0, 4, 4.0), (3, 4, 1, 1.0)]
    """
    ends = window * np.array(REACHES)
    keys = [pair_keys(tokens, end_of_document) for tokens, *_ in documents]
    # The place of a range: 0 is never.
    places = np.concatenate([np.searchsorted([0, *ends], pair_distances(one)) for one in keys])
    carried, cut = (np.concatenate([document[number] for document in documents]) for number in (1, 2))
    groups: list[tuple[bool | None, np.ndarray]] = [(None, np.ones(len(places), dtype=bool))]
    if training is not None:
        is_rare = count_pairs(training, np.concatenate(keys)) < rare
        groups += [(True, is_rare), (False, ~is_rare)]
    firsts, lasts = [0, 1, *(ends + 1).tolist()], [0, *ends.tolist(), None]
    parts = []
    for name, chosen in groups:
        count, *sums = (
            np.bincount(places[chosen], values, minlength=len(firsts))
            for values in (None, carried[chosen], cut[chosen])
        )
        means = (np.divide(one, count, out=np.full(len(firsts), np.nan), where=count > 0) for one in sums)
        for first, last, tokens, *losses in zip(firsts, lasts, count.tolist(), *means, strict=True):
            parts.append(RecencyLoss(first, last, name, tokens, *map(float, losses)))
    return tuple(parts)
