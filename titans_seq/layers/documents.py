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

NewDocuments = Callable[[Tensor, Sequence[int], Sequence[int]], tuple[Tensor, Sequence[tuple[Any, Sequence[int]]]]]

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
        attention_mask: `[B, T]`, not zero where there is a token; padding may lie anywhere.
        cu_seqlens: None; who packs documents has no padding.
        return_state: as the module has it.

    Returns:
        Outputs `[B, T, ...]`, zero at padding, and the state after each row's last token.

    Raises:
        ValueError: if the mask has another shape than x or shows no token, or there are borders too.
    """
    if cu_seqlens is not None:
        raise ValueError("give attention_mask or cu_seqlens, not both: packed documents have no padding")
    if attention_mask.shape != x.shape[:2]:
        raise ValueError(
            f"attention_mask must be {tuple(x.shape[:2])} as the tokens, got {tuple(attention_mask.shape)}"
        )
    kept = attention_mask.bool()
    if kept.all():
        return module(x, state, return_state=return_state)
    if not kept.any():
        raise ValueError("attention_mask shows no token at all")
    index = kept.flatten().nonzero().squeeze(1)
    borders = torch.nn.functional.pad(kept.sum(1).cumsum(0), (1, 0)).cpu()
    packed = x.flatten(0, 1).index_select(0, index).unsqueeze(0)
    y, state = module(packed, state, cu_seqlens=borders, return_state=return_state)
    return y.new_zeros(kept.numel(), *y.shape[2:]).index_copy(0, index, y[0]).unflatten(0, kept.shape), state


def by_documents(
    layer: Callable[..., Any],
    x: Tensor,
    state: Any,
    cu_seqlens: Tensor | None,
    return_state: ReturnState,
    step: int,
    new_documents: NewDocuments | None = None,
) -> tuple[Tensor, Any]:
    """Run a layer on documents that are packed, or on rows that are not in step, each as if it were alone.

    Documents that are as far as each other are rows of one batch, which loses rows as they end. Nothing runs on
    padding but the end of a document's last piece, and there only if its state is not wanted.

    Args:
        layer: takes `x, state, return_state` of rows in step.
        x: `[1, N, ...]`; without `cu_seqlens` `[B, T, ...]`.
        state: one row a document, or None.
        cu_seqlens: borders, `[S + 1]`; None for one document a row.
        return_state: whether the state is wanted, or of which documents.
        step: documents of which no state is wanted run to a multiple of so many tokens: fewer and larger pieces.
        new_documents: a way of the layer's own to run those that nothing was read of: takes them packed, `[1, N, ...]`,
            none of them empty, with their borders, and which of their states are wanted; returns outputs like them,
            and states with which of them they hold.

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
    lengths = [stop - start for start, stop in zip(borders, borders[1:], strict=False)]
    stops = [length if at in set(wanted) else -(-length // step) * step for at, length in enumerate(lengths)]
    outputs, places, after = [], [], []
    for begun, members in _groups(state, count):
        active, begin = list(members), 0

        def end(at: int, begun: RowState | None, active: list[int]) -> None:
            done = [row for row, document in enumerate(active) if lengths[document] == at and document in wanted]
            if done:
                after.append((begun and begun.picked(done), [wanted.index(active[row]) for row in done]))

        end(0, begun, active)
        if begun is None and new_documents is not None:
            active = [document for document in active if lengths[document]]
            if not active:
                continue
            index = torch.cat([torch.arange(*borders[document : document + 2]) for document in active])
            own = [0, *itertools.accumulate(lengths[document] for document in active)]
            asked = [row for row, document in enumerate(active) if document in wanted]
            y, states = new_documents(tokens[index.to(x.device)].unsqueeze(0), own, asked)
            outputs.append(y[0])
            places.append(index)
            after.extend((state, [wanted.index(active[row]) for row in rows]) for state, rows in states)
            continue
        for stop in sorted({stops[document] for document in members} - {0}):
            going = [row for row, document in enumerate(active) if lengths[document] > begin]
            if not going:
                break
            begun, active = begun and begun.picked(going), [active[row] for row in going]
            more = any(lengths[document] > stop or document in wanted for document in active)
            spans = [(borders[document], lengths[document]) for document in active]
            index, there = tokens_at(spans, [begin] * len(active), stop - begin)
            kept = there.flatten().nonzero().squeeze(1)
            y, begun = layer(tokens[index.to(x.device)], begun, return_state=more)
            outputs.append(y.flatten(0, 1)[kept.to(x.device)])
            places.append(index.flatten()[kept])
            end(stop, begun, active)
            begin = stop
    y = torch.cat(outputs)
    y = torch.empty_like(y).index_copy(0, torch.cat(places).to(x.device), y).unflatten(0, x.shape[:2])
    return y, gathered(after) if wanted else None


def laid_out(tokens: Tensor, borders: Sequence[int], first: Sequence[int]) -> Tensor:
    """Put some of the tokens `[N, ...]` before each document once more, those with the numbers `first`.

    Example:
        >>> laid_out(torch.tensor([1, 2, 3, 9]), [0, 2, 3], [3]).tolist()
        [9, 1, 2, 9, 3]
    """
    if not len(first):
        return tokens[: borders[-1]]
    before = torch.tensor(list(first), dtype=torch.long)
    index = [part for pair in itertools.pairwise(borders) for part in (before, torch.arange(*pair))]
    return tokens[torch.cat(index).to(tokens.device)]


def without_first(x: Tensor, borders: Sequence[int], count: int) -> Tensor:
    """Leave out what lies before each document, `count` tokens each, of `[1, N + S * count, ...]`; see `laid_out`."""
    if not count:
        return x
    index = [torch.arange(*pair) + count * number for number, pair in enumerate(itertools.pairwise(borders), 1)]
    return x[:, torch.cat(index).to(x.device)]


def _groups(state: Any, count: int) -> Iterator[tuple[RowState | None, Sequence[int]]]:
    if isinstance(state, Ragged):
        yield from zip(state.groups, state.members, strict=True)
    else:
        yield state, range(count)
