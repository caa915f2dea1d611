"""Batches whose rows are not in step: padded ones, and documents packed end to end.

Everything is brought into one form: documents behind each other in one row, `[1, N, ...]`, with their borders
`cu_seqlens`, `[S + 1]` from 0 to N, as flash attention and flash-linear-attention have it. What works token by token
never learns of documents. What carries a state runs those that are as far as each other as rows of one batch.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from titans_seq.borders import borders_of, tokens_at, wanted_of
from titans_seq.layers.row_state import Ragged, RowState, gathered

States = Sequence[tuple[Any, Sequence[int]]]
"""States of some documents or rows, None for what has read nothing, each with the numbers of those that it holds."""

Together = Callable[[Tensor, Sequence[int], States, Sequence[int]], tuple[Tensor, States]]

ReturnState = bool | Sequence[int]
"""Whether the state after a call is wanted; of packed documents also: of which."""


def without_padding(
    module: Callable[..., Any],
    x: Tensor,
    state: Any,
    attention_mask: Tensor,
    cu_seqlens: Tensor | None,
    return_state: ReturnState,
) -> tuple[Tensor, Any]:
    """Run a module on the tokens of a padded batch alone, each row as if there were no others.

    Args:
        module: takes `x, state, cu_seqlens, return_state`.
        x: `[B, T, ...]`.
        state: one row a sequence, or None.
        attention_mask: `[B, T]`, 1 where there is a token and 0 at padding, which may lie anywhere.
        cu_seqlens: None; who packs documents has no padding.
        return_state: as the module has it.

    Returns:
        Outputs `[B, T, ...]`, zero at padding, and the state after each row's last token.

    Raises:
        ValueError: if the mask has another shape than x, other numbers or no token, or there are borders too.
    """
    if cu_seqlens is not None:
        raise ValueError("give attention_mask or cu_seqlens, not both: packed documents have no padding")
    attention_mask = torch.as_tensor(attention_mask, device=x.device)  # tokenizers may give lists
    if attention_mask.shape != x.shape[:2]:
        raise ValueError(
            f"attention_mask must be {tuple(x.shape[:2])} as the tokens, got {tuple(attention_mask.shape)}"
        )
    kept = attention_mask.bool()
    if not (attention_mask == kept).all():
        raise ValueError(
            "attention_mask must be 1 at tokens and 0 at padding, got other numbers: give a mask that is added to "
            "scores as mask == 0, and documents in one row by cu_seqlens"
        )
    if kept.all() and isinstance(return_state, bool):
        return module(x, state, return_state=return_state)
    if not kept.any():
        raise ValueError("attention_mask shows no token at all")
    index = kept.flatten().nonzero().squeeze(1)
    borders = torch.nn.functional.pad(kept.sum(1).cumsum(0), (1, 0)).cpu()
    packed = x.flatten(0, 1).index_select(0, index).unsqueeze(0)
    y, state = module(packed, state, cu_seqlens=borders, return_state=return_state)
    return y.new_zeros(kept.numel(), *y.shape[2:]).index_copy(0, index, y[0]).unflatten(0, kept.shape), state


@torch.compiler.disable(reason="how documents are read depends on their borders: leave fullgraph out")
def by_documents(
    layer: Callable[..., Any],
    x: Tensor,
    state: Any,
    cu_seqlens: Tensor | None,
    return_state: ReturnState,
    step: int,
    together: Together | None = None,
    begun: Callable[[int], RowState] | None = None,
) -> tuple[Tensor, Any]:
    """Run a layer on documents that are packed, or on rows that are not in step, each as if it were alone.

    Without a way of the layer's own, documents that are as far as each other are rows of one batch, which loses rows as
    they end. Nothing runs on padding but the end of a document's last piece, and there only if its state is not wanted.

    Args:
        layer: takes `x, state, return_state` of rows in step.
        x: `[1, N, ...]`; without `cu_seqlens` `[B, T, ...]`.
        state: one row a document, or None.
        cu_seqlens: borders, `[S + 1]`; None for one document a row.
        return_state: whether the state is wanted, or of which documents.
        step: documents of which no state is wanted run to a multiple of so many tokens: fewer and larger pieces.
        together: a way of the layer's own to run documents in one pass: takes them packed, `[1, N, ...]`, none of them
            empty, with their borders, their states, and the numbers of those whose state is wanted; returns outputs
            like them, and states, each with which of the wanted it holds.
        begun: makes the state of rows before their first token, with which new documents may run beside others.

    Returns:
        Outputs shaped like x, and the state, one row for each document that was asked for.
    """
    if cu_seqlens is None:
        borders = list(range(0, x.shape[0] * x.shape[1] + 1, x.shape[1]))
    else:
        borders = borders_of(cu_seqlens, *x.shape[:2])
    tokens, count = x.flatten(0, 1), len(borders) - 1
    if state is not None and state.batch != count:
        raise ValueError(f"the state is of {state.batch} rows, got {count} documents: give it one row a document")
    wanted = wanted_of(return_state, count)
    lengths = [stop - start for start, stop in itertools.pairwise(borders)]
    states, after = _with_tokens(state, lengths, wanted)
    if together is not None and max(lengths) > 1:
        number = {document: at for at, document in enumerate(i for i, length in enumerate(lengths) if length)}
        own = [(held, [number[document] for document in members]) for held, members in states]
        asked = [document for document in wanted if lengths[document]]
        y, new = together(tokens.unsqueeze(0), sorted(set(borders)), own, [number[document] for document in asked])
        after += [(held, [wanted.index(asked[row]) for row in rows]) for held, rows in new]
        return y[0].unflatten(0, x.shape[:2]), gathered(after) if wanted else None
    if begun is not None and any(state is not None for state, _ in states):
        joined = gathered([(state or begun(len(members)), members) for state, members in states])
        everyone = sorted(document for _, members in states for document in members)
        states = list(_groups(joined, 0)) if isinstance(joined, Ragged) else [(joined, everyone)]
    outputs, places = [], []
    for state, members in states:
        stops = {i: lengths[i] if i in wanted else -(-lengths[i] // step) * step for i in members}
        active, begin = list(members), 0
        for stop in sorted(set(stops.values())):
            going = [row for row, document in enumerate(active) if lengths[document] > begin]
            if not going:
                break
            state, active = state and state.picked(going), [active[row] for row in going]
            more = any(lengths[document] > stop or document in wanted for document in active)
            spans = [(borders[document], lengths[document]) for document in active]
            index, there = tokens_at(spans, [begin] * len(active), stop - begin)
            kept = there.flatten().nonzero().squeeze(1)
            piece = tokens.index_select(0, index.flatten().to(x.device)).unflatten(0, index.shape)
            y, state = layer(piece, state, return_state=more)
            outputs.append(y.flatten(0, 1).index_select(0, kept.to(x.device)))
            places.append(index.flatten()[kept])
            done = [row for row, document in enumerate(active) if lengths[document] == stop and document in wanted]
            if done:
                after.append((state.picked(done), [wanted.index(active[row]) for row in done]))
            begin = stop
    y = torch.cat(outputs)
    y = torch.empty_like(y).index_copy(0, torch.cat(places).to(x.device), y).unflatten(0, x.shape[:2])
    return y, gathered(after) if wanted else None


def laid_out(tokens: Tensor, borders: Sequence[int], before: Sequence[Tensor | None]) -> list[Tensor]:
    """Part documents `[N, ...]` where something stands before one: what, if put end to end, has it there.

    Example:
        >>> torch.cat(laid_out(torch.tensor([1, 2, 3]), [0, 2, 3], [torch.tensor([9]), None])).tolist()
        [9, 1, 2, 3]
    """
    fronts = [(border, front) for border, front in zip(borders, before, strict=False) if front is not None]
    places = [0, *(border for border, _ in fronts), borders[-1]]
    # Split at once, which has one derivative; that of a slice is as long as all tokens.
    first, *runs = tokens.split([b - a for a, b in itertools.pairwise(places)])
    return [first, *itertools.chain.from_iterable(zip((front for _, front in fronts), runs, strict=True))]


def without_first(x: Tensor, borders: Sequence[int], before: Sequence[int]) -> Tensor:
    """Leave out what lies before the documents, so many tokens each, of `[1, N + sum(before), ...]`; see `laid_out`."""
    if not any(before):
        return x
    places = [0, *(border for border, more in zip(borders, before, strict=False) if more), borders[-1]]
    runs = [b - a for a, b in itertools.pairwise(places)]
    sizes = [runs[0], *itertools.chain.from_iterable(zip(filter(None, before), runs[1:], strict=True))]
    return torch.cat(x.split(sizes, 1)[::2], 1)


def joined_rows(states: States, new: Callable[[int], Any]) -> Any:
    """Return one state of all documents, whose states have a `joined` and `rows`.

    Args:
        states: of the documents.
        new: makes rows that have read nothing.
    """
    held = [(new(len(members)) if state is None else state, members) for state, members in states]
    joined = type(held[0][0]).joined([state for state, _ in held])
    members = [document for _, some in held for document in some]
    return joined.rows(sorted(range(len(members)), key=members.__getitem__))


def _with_tokens(state: Any, lengths: Sequence[int], wanted: Sequence[int]) -> tuple[list, list]:
    """The states of the documents that have tokens, and of the wanted ones that have none; see `States`."""
    read, after = [], []
    for begun, members in _groups(state, len(lengths)):
        for found, there in ((read, True), (after, False)):
            rows = [row for row, document in enumerate(members) if bool(lengths[document]) is there]
            rows = rows if there else [row for row in rows if members[row] in wanted]
            if rows:
                documents = [members[row] if there else wanted.index(members[row]) for row in rows]
                found.append((begun and begun.picked(rows), documents))
    return read, after


def _groups(state: Any, count: int) -> Iterator[tuple[RowState | None, Sequence[int]]]:
    if isinstance(state, Ragged):
        yield from zip(state.groups, state.members, strict=True)
    else:
        yield state, range(count)
