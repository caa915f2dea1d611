"""Attention within documents that are packed in one row, in one pass.

The row, with what each document still sees in front of it, is cut into blocks so long that no query looks back further
than into the block before its own. The blocks are rows of one batch.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.layers.documents import States, laid_out
from titans_seq.layers.heads import attend, rotated

# Tokens of a block at least.
_BLOCK = 64

# Queries times keys at a time: it bounds the scores.
_SCORES = 1 << 23


@dataclass(frozen=True)
class LaidDocuments:
    """Documents end to end, each behind what it still sees, in whole blocks with an empty one in front.

    Attributes:
        queries: `[blocks + 1, block, heads, D]`, zero for what lies in front of a document.
        keys: likewise, without such zeros.
        values: as the keys.
        past: tokens in front of each document.
        lengths: of the documents with what is in front of them.
        reach: keys that a query sees, the one at its own place included.
    """

    queries: Tensor
    keys: Tensor
    values: Tensor
    past: list[int]
    lengths: list[int]
    reach: int


def behind_states(qkv: Sequence[Tensor], borders: Sequence[int], states: States, window: int | None) -> LaidDocuments:
    """Put what each document still sees in front of it.

    Args:
        qkv: queries, keys and values of the documents, `[1, heads, N, D]` each.
        borders: of the documents.
        states: theirs, an `AttentionState` or None each.
        window: tokens that each token sees; None for all.
    """
    before: list[list[Tensor | None]] = [[None] * (len(borders) - 1) for _ in qkv]
    past = [0] * (len(borders) - 1)
    for state, members in states:
        if state is not None:
            begins = [0] * len(members) if state.begins is None else state.begins.tolist()
            for fronts, seen in zip(before, (torch.zeros_like(state.keys), state.keys, state.values), strict=True):
                rows = seen.transpose(1, 2).to(qkv[0].dtype).unbind()
                for document, row, unseen in zip(members, rows, begins, strict=True):
                    fronts[document] = row[unseen:]
                    past[document] = len(row) - unseen
    lengths = [b - a + more for more, (a, b) in zip(past, itertools.pairwise(borders), strict=True)]
    reach = min(max(lengths), window or max(lengths))
    block = max(reach, _BLOCK)
    laid: list[Tensor] = []
    for part, fronts in zip(qkv, before, strict=True):
        tokens = part[0].transpose(0, 1)
        empty = tokens.new_zeros(block, *tokens.shape[1:])
        parts = [empty, *laid_out(tokens, borders, fronts), empty[: -sum(lengths) % block]]
        laid.append(torch.cat(parts).unflatten(0, (-1, block)))
    queries, keys, values = laid
    return LaidDocuments(queries, keys, values, past, lengths, reach)


def attend_documents(laid: LaidDocuments, prefix: tuple[Tensor, Tensor], rope_base: float) -> Tensor:
    """Attend within documents.

    Args:
        laid: the documents.
        prefix: keys and values that all see, `[1, heads, P, D]` each.
        rope_base: base of the rotary angles; 0 for none.

    Returns:
        `[N, heads, D]`, N with what lies in front of documents.
    """
    block, count, total = laid.keys.shape[1], prefix[0].shape[2], sum(laid.lengths)
    q, k, v = (part.transpose(1, 2) for part in (laid.queries, laid.keys, laid.values))
    q, k, v = q[1:], torch.cat([k[:-1], k[1:]], 2), torch.cat([v[:-1], v[1:]], 2)
    # The empty block and padding are documents of their own.
    sizes = torch.tensor([block, *laid.lengths, -total % block])
    numbers = torch.arange(len(sizes)).repeat_interleave(sizes).to(q.device).unflatten(0, (-1, block))
    own, seen_by = numbers[1:], torch.cat([numbers[:-1], numbers[1:]], 1)
    places = torch.arange(2 * block, device=q.device)
    behind = places[block:, None] - places
    near = (behind >= 0) & (behind < laid.reach)
    outputs, at_once = [], max(1, _SCORES // (2 * block**2))
    parts = (part.split(at_once) for part in (q, k, v, own, seen_by))
    for queries, keys, values, document, other in zip(*parts, strict=True):
        mask = near & (document.unsqueeze(-1) == other.unsqueeze(1))
        mask = F.pad(mask, (count, 0), value=True).unsqueeze(1)
        turned = rotated(queries, block, rope_base), rotated(keys, 0, rope_base)
        if count:
            values = torch.cat([prefix[1].expand(len(queries), -1, -1, -1), values], 2)
        outputs.append(attend(queries, prefix[0], values, mask, turned))
    y = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    return y.transpose(1, 2).flatten(0, 1)[:total]


def seen_after(laid: LaidDocuments, wanted: Sequence[int], window: int | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return what the next tokens of some documents may still see; see `attend_documents`.

    Args:
        laid: the documents.
        wanted: those wanted, at least one.
        window: tokens that each token sees; None for all.

    Returns:
        Keys, values and beginnings, as an `AttentionState` has them.
    """
    block, device = laid.keys.shape[1], laid.keys.device
    ends = list(itertools.accumulate(laid.lengths, initial=block))[1:]
    seen = [laid.lengths[i] if window is None else min(laid.lengths[i], window - 1) for i in wanted]
    longest = max(seen)
    ends_of = torch.tensor([ends[i] for i in wanted], device=device)
    begins = longest - torch.tensor(seen, device=device)
    places = torch.arange(longest, device=device)
    tokens = (ends_of.unsqueeze(1) - longest + places).clamp(min=0)
    unseen = (places < begins.unsqueeze(1))[..., None, None]
    keys, values = (
        part.flatten(0, 1)[tokens].masked_fill(unseen, 0).transpose(1, 2) for part in (laid.keys, laid.values)
    )
    return keys, values, begins if min(seen) < longest else None
