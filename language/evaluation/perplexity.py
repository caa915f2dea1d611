"""The loss on a text by position: with state carried from its start, and with windows cut at a fixed length."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.models import CausalLM

from ..data.token_shards import TokenShards
from ..inference.opening import TrainedModel
from ..inference.reading import check_finite, piece_tokens, score_tokens, shifted
from ..inference.text import TextTokens, blocks
from .recency import RecencyLoss, losses_by_recency

FIRST_EDGE = 16
"""End of the first range of positions; each range after it ends at twice that."""

_EDGES = np.concatenate([[0], FIRST_EDGE * 2 ** np.arange(48)])


@dataclass(frozen=True)
class PositionLoss:
    """The loss of the tokens in a range of positions.

    Attributes:
        first: first position of the range, counted from 0 in each document.
        last: last position that any document reached in it.
        tokens: how many.
        carried: mean loss in nats, with everything before in the state.
        cut: the same tokens, with the state reset every `length` tokens.
    """

    first: int
    last: int
    tokens: int
    carried: float
    cut: float


@dataclass(frozen=True)
class Evaluation:
    """The loss on some documents, every token of them.

    Attributes:
        documents: how many.
        tokens: of all.
        text_bytes: of all, in UTF-8; None if the tokenizer loses some of the text, see `TextTokens.seen_bytes`.
        length: after so many tokens the cut state is reset.
        carried: mean loss in nats, with state carried from each document's start.
        cut: the same with the state reset every `length` tokens: no more than that can have been used. A model that was
            trained with carried state seldom began anew, and pays for that here too.
        by_position: the same in ranges of positions, whose ends double.
        window: tokens whose multiples the distances in `by_recency` are; None if it was not asked for.
        by_recency: the same by how far back the pair was last seen that a token completes.
    """

    documents: int
    tokens: int
    text_bytes: int | None
    length: int
    carried: float
    cut: float
    by_position: tuple[PositionLoss, ...]
    window: int | None = None
    by_recency: tuple[RecencyLoss, ...] = ()

    def bits_per_byte(self, loss: float) -> float | None:
        """Return a mean loss in bits a byte of text; of a range of positions, at the mean bytes a token of all text.

        None if the tokenizer loses some of the text: a loss spread over bytes that the model never saw says nothing.
        """
        return None if self.text_bytes is None else bits_per_byte(loss * self.tokens, self.text_bytes)


def perplexity(loss: float) -> float:
    """Return the number of equally likely tokens that a mean loss in nats stands for.

    Example:
        >>> perplexity(0.0)
        1.0
    """
    return math.exp(loss) if loss < 700 else math.inf


def bits_per_byte(loss: float, text_bytes: int | float) -> float:
    """Return the bits a byte that the whole loss of a text, in nats, comes to.

    Example:
        >>> round(bits_per_byte(6.931, 10), 3)
        1.0
    """
    return loss / math.log(2) / text_bytes


def evaluate_texts(
    trained: TrainedModel,
    documents: Iterable[TextTokens],
    length: int,
    *,
    window: int | None = None,
    training: TokenShards | None = None,
    piece: int | None = None,
    report: Callable[[TextTokens, int, float], None] = lambda *_: None,
) -> Evaluation:
    """Score every token of some documents, twice: with state carried through each, and with windows cut.

    Both are given the same tokens, so that the ranges compare like with like. As in training, a document's first token
    is predicted from `end_of_document`, and the first of a window from the token before it.

    Args:
        trained: the model and its tokenizer.
        documents: one or more.
        length: tokens of a window, at least 1.
        window: of attention, to split the losses by recency of pairs, see `losses_by_recency`; that keeps 20 bytes a
            token.
        training: what the model was trained on, to count how rare a pair is.
        piece: tokens that are read at once; changes memory and time, not the result.
        report: called as it goes on, with the document, its tokens so far and their carried loss in all.

    Raises:
        UserError: if the length or window is below 1, a document cannot be read, or the loss is not finite.
    """
    if length < 1:
        raise UserError(f"the length of a window must be at least 1 token, got {length}")
    if window is not None and window < 1:
        raise UserError(f"the window must be at least 1 token, got {window}")
    model, piece = trained.model, piece or piece_tokens(trained.model.config.vocabulary)
    # Rows: loss carried, loss cut, tokens; in float64, in which so few sums lose nothing.
    sums, farthest = np.zeros((3, len(_EDGES))), 0
    count, sizes, kept = 0, [], []
    for document in documents:
        parts = []
        last, position, state, total = trained.tokenizer.end_of_document, 0, None, 0.0
        # Windows begin where blocks do.
        for block in blocks(document, max(1, piece // length) * length):
            ids, targets = shifted(last, block)
            scores = score_tokens(model, ids, targets, state, piece)
            carried, state = scores.losses[0], scores.state
            cut = cut_losses(model, ids[0], targets[0], length, piece)
            check_finite(str(document.path), position, carried + cut, None)
            places = np.searchsorted(_EDGES, np.arange(position, position + len(block)), side="right") - 1
            for row, values in enumerate((carried.numpy(), cut.numpy(), None)):
                sums[row] += np.bincount(places, values, minlength=len(_EDGES))
            if window is not None:
                parts.append((block.astype(np.int32), carried.numpy(), cut.numpy()))
            last, position, total = int(block[-1]), position + len(block), total + float(carried.sum())
            report(document, position, total)
        count, farthest = count + 1, max(farthest, position)
        sizes.append(document.seen_bytes)
        if parts:
            kept.append(tuple(map(np.concatenate, zip(*parts, strict=True))))
    if not count:
        raise UserError("no text is given: name at least one file")
    tokens = int(sums[2].sum())
    ranges = tuple(
        PositionLoss(
            int(_EDGES[i]),
            min(farthest, int(_EDGES[i + 1])) - 1,
            int(sums[2, i]),
            float(sums[0, i] / sums[2, i]),
            float(sums[1, i] / sums[2, i]),
        )
        for i in np.flatnonzero(sums[2])
    )
    means = sums[:2].sum(1) / tokens
    text_bytes = None if None in sizes else sum(sizes)
    recency = () if window is None else losses_by_recency(kept, trained.tokenizer.end_of_document, window, training)
    return Evaluation(count, tokens, text_bytes, length, float(means[0]), float(means[1]), ranges, window, recency)


def cut_losses(model: CausalLM, ids: Tensor, targets: Tensor, length: int, piece: int) -> Tensor:
    """Return the loss of every token with the state reset every `length` tokens, in nats.

    Args:
        model: the language model.
        ids: what it is given, `[T]`, T >= 1.
        targets: what comes next, `[T]`.
        length: tokens of a window; the last one may be shorter.
        piece: tokens that are read at once.

    Returns:
        `[T]` in float64.
    """
    whole = len(ids) // length * length
    losses = []
    for part in (slice(0, whole), slice(whole, None)):
        if len(ids[part]):
            rows = max(1, len(ids[part]) // length)
            scores = score_tokens(model, ids[part].view(rows, -1), targets[part].view(rows, -1), piece=piece)
            losses.append(scores.losses.flatten())
    return torch.cat(losses)
