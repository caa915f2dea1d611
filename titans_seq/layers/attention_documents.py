"""Attention within documents that are packed in one row, in one pass.

The row, with what each document still sees in front of it, is cut into blocks so long that no query looks back further
than into the block before its own. The blocks are rows of one batch.
"""

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.layers.documents import States, laid_out
from titans_seq.layers.heads import attend, rotated

# Tokens of a block at least.
_BLOCK = 64

# Queries times keys at a time: it bounds the scores.
_SCORES = 1 << 23


def behind_states(qkv: Tensor, borders: Sequence[int], states: States) -> tuple[Tensor, list[int]]:
    """Put what each document still sees in front of it.

    Args:
        qkv: queries, keys and values of the documents, `[N, 3, heads, D]`.
        borders: of the documents.
        states: theirs, an `AttentionState` or None each.

    Returns:
        Queries, keys and values, `[N + M, 3, heads, D]`, where those of tokens in front have no queries, and how many
        tokens are in front of each document.
    """
    tokens, before = [qkv], [range(0)] * (len(borders) - 1)
    for state, members in states:
        if state is not None:
            seen, begin = state.keys.shape[2], sum(map(len, tokens))
            past = torch.stack([torch.zeros_like(state.keys), state.keys, state.values], 1)
            tokens.append(past.permute(0, 3, 1, 2, 4).flatten(0, 1).to(qkv.dtype))
            begins = [0] * len(members) if state.begins is None else state.begins.tolist()
            for row, (document, unseen) in enumerate(zip(members, begins, strict=True)):
                before[document] = range(begin + row * seen + unseen, begin + (row + 1) * seen)
    return laid_out(torch.cat(tokens), borders, before), list(map(len, before))


def attend_documents(
    laid: Tensor, lengths: Sequence[int], reach: int, prefix: tuple[Tensor, Tensor], rope_base: float
) -> Tensor:
    """Attend within documents.

    Args:
        laid: queries, keys and values, `[N, 3, heads, D]`.
        lengths: of the documents, N together.
        reach: keys that a query sees, the one at its own place included.
        prefix: keys and values that all see, `[1, heads, P, D]` each.
        rope_base: base of the rotary angles; 0 for none.

    Returns:
        `[N, heads, D]`.
    """
    block, count = max(reach, _BLOCK), prefix[0].shape[2]
    missing = -len(laid) % block
    q, k, v = F.pad(laid, (0, 0, 0, 0, 0, 0, 0, missing)).unflatten(0, (-1, block)).permute(2, 0, 3, 1, 4)
    k, v = (torch.cat([F.pad(part[:-1], (0, 0, 0, 0, 0, 0, 1, 0)), part], 2) for part in (k, v))
    # Padding is a document of its own, and nothing is before the first block.
    numbers = torch.arange(len(lengths) + 1).repeat_interleave(torch.tensor([*lengths, missing]))
    own = numbers.to(laid.device).unflatten(0, (-1, block))
    seen_by = torch.cat([F.pad(own[:-1], (0, 0, 1, 0), value=-1), own], 1)
    places = torch.arange(2 * block, device=laid.device)
    behind = places[block:, None] - places
    near = (behind >= 0) & (behind < reach)
    outputs, at_once = [], max(1, _SCORES // (2 * block**2))
    parts = (part.split(at_once) for part in (q, k, v, own, seen_by))
    for queries, keys, values, document, other in zip(*parts, strict=True):
        mask = near & (document.unsqueeze(-1) == other.unsqueeze(1))
        mask = F.pad(mask, (count, 0), value=True).unsqueeze(1)
        turned = rotated(queries, block, rope_base), rotated(keys, 0, rope_base)
        if count:
            front = [part.expand(len(queries), -1, -1, -1) for part in prefix]
            keys, values = torch.cat([front[0], keys], 2), torch.cat([front[1], values], 2)
        outputs.append(attend(queries, keys, values, mask, turned, count))
    return torch.cat(outputs).transpose(1, 2).flatten(0, 1)[: len(laid)]


def seen_after(
    laid: Tensor, lengths: Sequence[int], wanted: Sequence[int], window: int | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return what the next tokens of some documents may still see; see `attend_documents`.

    Args:
        laid: queries, keys and values, `[N, 3, heads, D]`.
        lengths: of the documents, N together.
        wanted: the documents, at least one.
        window: tokens that each token sees; None for all.

    Returns:
        Keys, values and beginnings, as an `AttentionState` has them.
    """
    ends = list(itertools.accumulate(lengths))
    seen = [lengths[i] if window is None else min(lengths[i], window - 1) for i in wanted]
    longest = max(seen)
    ends_of = torch.tensor([ends[i] for i in wanted], device=laid.device)
    begins = longest - torch.tensor(seen, device=laid.device)
    places = torch.arange(longest, device=laid.device)
    held = laid[(ends_of.unsqueeze(1) - longest + places).clamp(min=0), 1:]
    held = held.masked_fill((places < begins.unsqueeze(1))[..., None, None, None], 0)
    keys, values = held.permute(2, 0, 3, 1, 4)
    return keys, values, begins if min(seen) < longest else None
