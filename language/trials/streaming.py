"""Scoring a model on sequences of any length, read in pieces with carried state."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..tasks import IGNORE, TaskBatch
from .answer_model import AnswerModel

PIECE = 1_024
"""Tokens of a sequence that are read at once."""

_TOKENS_AT_ONCE = 1 << 17


def sequences_at_once(length: int) -> int:
    """Return how many sequences to draw and read together, so that they are about as many tokens at every length.

    Example:
        >>> [sequences_at_once(length) for length in (256, 65_536, 1_000_000)]
        [512, 2, 1]
    """
    return max(1, _TOKENS_AT_ONCE // length)


@torch.inference_mode()
def score(
    reader: AnswerModel,
    draw: Callable[[int], TaskBatch],
    metric: Callable[[Tensor, Tensor], float],
    sequences: int,
    length: int,
    piece: int = PIECE,
) -> float:
    """Score a model on sequences, whose activations take the memory of a piece, whatever their length.

    Args:
        reader: the model.
        draw: makes so many sequences of `length` tokens.
        metric: score of predicted tokens `[B, N]` against targets `[B, N]`.
        sequences: how many in all, at least 1.
        length: tokens of a sequence.
        piece: tokens that are read at once, at least 1; changes nothing but time and memory.

    Returns:
        What `metric` says of all sequences together.

    Example:
        >>> from language.tasks import Parity, token_accuracy
        >>> from language.trials import trial_model
        >>> reader = AnswerModel(trial_model("lmm", Parity().vocabulary), "position")
        >>> draw = lambda count: Parity().batch(count, 41, torch.Generator().manual_seed(0))
        >>> 0 <= score(reader, draw, token_accuracy, 100, 41) <= 1
        True
    """
    parts, left = [], sequences
    while left:
        count = min(left, sequences_at_once(length))
        batch = draw(count)
        # Columns in which no sequence is asked anything are not kept.
        asked = (batch.targets != IGNORE).any(0)
        parts.append((_predictions(reader, batch, piece)[:, asked], batch.targets[:, asked]))
        left -= count
    width = max(targets.shape[1] for _, targets in parts)
    predicted, targets = (
        torch.cat([F.pad(part, (0, width - part.shape[1]), value=IGNORE) for part in side])
        for side in zip(*parts, strict=True)
    )
    return metric(predicted, targets)


def _predictions(reader: AnswerModel, batch: TaskBatch, piece: int) -> Tensor:
    """The likeliest token wherever something is asked, `IGNORE` elsewhere, `[B, T]`."""
    device = next(reader.parameters()).device
    asked, predicted = batch.targets != IGNORE, torch.full_like(batch.targets, IGNORE)
    outputs, state = None, None
    for start in range(0, batch.ids.shape[1], piece):
        span = slice(start, start + piece)
        more = start + piece < batch.ids.shape[1]
        outputs, state = reader(batch.ids[:, span].to(device), state, return_state=more)
        if reader.decoder is None and asked[:, span].any():
            logits = reader.logits(outputs, asked[:, span].to(device))
            predicted[:, span][asked[:, span]] = logits.argmax(-1).cpu()
    if reader.decoder is not None:
        assert outputs is not None
        predicted[asked] = reader.logits(outputs, asked.to(device)).argmax(-1).cpu()
    return predicted
