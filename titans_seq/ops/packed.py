"""Documents end to end in one row, or rows at different tokens of their chunks: cut into ordinary calls.

Documents that are as far as each other in their chunks are rows of one batch. First those inside a chunk finish it;
then all walk on chunk by chunk, and the batch loses documents as they end; then come the tails of those whose state is
wanted. Where it is not, a tail is filled up to a whole chunk with copies of its last token, which no output of the
document sees. So there are few calls, and each document is computed as if it were alone.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import torch
from torch import Tensor

from titans_seq.borders import borders_of, tokens_at, wanted_of
from titans_seq.memory import MemoryState
from titans_seq.ops.chunked.scan import memory_scan_chunked, memory_scan_documents, runs_documents
from titans_seq.ops.inputs import Scan

Run = Callable[[Scan, bool], tuple[Tensor, MemoryState | None]]

_FILLED = 12
"""A call for documents that end takes about as long as so many chunks of padding do."""

_PER_TOKEN = ("q", "k", "v", "lr", "momentum", "decay", "threshold")


@dataclass(frozen=True)
class _Piece:
    """An ordinary call, or one for chunks of documents of unlike lengths.

    Attributes:
        members: its rows: which documents.
        starts: of each, the first token, counted from the document's.
        length: tokens of each; a document's last one stands for those that it lacks.
        active: if its rows are chunks: how many there are in each step, as `memory_scan_documents` has it.
        ended: if so, the documents whose states each step leaves.
    """

    members: list[int]
    starts: list[int]
    length: int
    active: tuple[int, ...] = ()
    ended: tuple[list[int], ...] = ()


def documents_of(scan: Scan, cu_seqlens: Tensor | None) -> list[range]:
    """Return the tokens of each document, counted through all rows.

    Args:
        scan: the call.
        cu_seqlens: borders of documents in one row; None if every row is a document.

    Raises:
        ValueError: if there is more than one row, or the borders do not rise from 0 to its length.
    """
    batch, length = scan.k.shape[:2]
    if cu_seqlens is None:
        return [range(row * length, (row + 1) * length) for row in range(batch)]
    return [range(*pair) for pair in pairwise(borders_of(cu_seqlens, batch, length))]


@torch.compiler.disable(reason="how documents are read depends on their borders: leave fullgraph out")
def memory_scan_packed(
    run: Run, scan: Scan, documents: Sequence[range], return_state: bool | Sequence[int]
) -> tuple[Tensor, MemoryState | None]:
    """Run a memory over documents, each as if it were alone.

    Args:
        run: an implementation.
        scan: the call; its state is new, or has a row for each document.
        documents: the tokens of each, from `documents_of`.
        return_state: whether the state after each is wanted, or after which.

    Returns:
        Outputs `[B, T, H, V]`, and the state with a row for each document asked for, in that order.

    Raises:
        ValueError: if a document is asked for that there is not.
    """
    count = len(documents)
    wanted = wanted_of(return_state, count)
    kept = set(wanted)
    lengths = [len(tokens) for tokens in documents]
    at_once = run is memory_scan_chunked and runs_documents(scan)
    plan = list(_plan(lengths, scan.state.positions(count), scan.chunk_size, kept, at_once))
    state = {i: (scan.state, i) for i in range(count)}
    outputs = []
    sources, places = _numbers_of(plan, documents, scan.k.shape[2])
    for piece, tensors in zip(plan, _cut(scan, plan, sources), strict=True):
        if piece.active:
            first = piece.members[: piece.active[0]]
            begun = replace(scan, **tensors, state=_gathered(state, first), sequences=len(first))
            y, after = memory_scan_documents(begun, piece.active, list(map(len, piece.ended)))
            members = list(chain(*piece.ended))
        else:
            ends = [start + piece.length for start in piece.starts]
            carries = any(i in kept or end < len(documents[i]) for i, end in zip(piece.members, ends, strict=True))
            y, after = run(replace(scan, **tensors, state=_gathered(state, piece.members), sequences=None), carries)
            members = piece.members
        outputs.append((y.transpose(1, 2) if piece.active else y).flatten(0, 2))
        if after is not None:
            state |= {i: (after, row) for row, i in enumerate(members)}
    found = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    y = found.index_select(0, places.to(scan.k.device)).unflatten(0, scan.k.shape[:3])
    return y, _gathered(state, wanted).spread(len(wanted)) if wanted else None


def memory_scan_token(run: Run, scan: Scan, return_state: bool) -> tuple[Tensor, MemoryState | None]:
    """Run a linear rule on one token of rows that stand at different tokens of their chunks, in one call.

    Where a chunk ends only says where the next anchor is taken, as such a rule has nothing to do there.
    """
    state, positions = scan.state, scan.state.positions(scan.k.shape[0])
    begins = torch.tensor(positions, device=scan.k.device)[:, None, None, None] == 0

    def anchor_of(weight: Tensor, anchor: Tensor) -> Tensor:
        return weight if weight.dim() == 3 else torch.where(begins, weight, anchor)

    anchors = tuple(map(anchor_of, state.weights, state.anchor))
    # Inside a chunk, long enough that the token does not end it.
    y, after = run(replace(scan, state=replace(state, anchor=anchors, position=1), chunk_size=3), return_state)
    return y, after and after.at([(position + 1) % scan.chunk_size for position in positions])


def _plan(
    lengths: Sequence[int], positions: Sequence[int], chunk_size: int, kept: set[int], at_once: bool
) -> Iterator[_Piece]:
    """Cut documents into calls: rests of open chunks, whole chunks, and tails after which a state is kept."""
    done = [0] * len(lengths)
    rests = defaultdict(list)
    for i, (length, position) in enumerate(zip(lengths, positions, strict=True)):
        if position and length:
            done[i] = min(chunk_size - position, length)
            rests[position, done[i]].append(i)
    for (_, length), members in rests.items():
        yield _Piece(members, [0] * len(members), length)
    left = [length - begun for length, begun in zip(lengths, done, strict=True)]
    chunks = [n // chunk_size if i in kept else -(-n // chunk_size) for i, n in enumerate(left)]
    # Of documents that end together, those that leave a state come first.
    going = sorted((i for i in range(len(lengths)) if chunks[i]), key=lambda i: (-chunks[i], i not in kept))
    if at_once and going:
        yield _chunks(going, chunks, done, chunk_size, kept)
    else:
        walked = 0
        for count in _stops(chunks, kept):
            going = [i for i in going if chunks[i] > walked]
            yield _Piece(going, [done[i] + walked * chunk_size for i in going], (count - walked) * chunk_size)
            walked = count
    tails = defaultdict(list)
    for i in sorted(kept):
        if left[i] % chunk_size:
            tails[left[i] % chunk_size].append(i)
    for length, members in tails.items():
        yield _Piece(members, [lengths[i] - length for i in members], length)


def _chunks(
    documents: list[int], chunks: Sequence[int], done: Sequence[int], chunk_size: int, kept: set[int]
) -> _Piece:
    """Take all whole chunks of documents, step by step."""
    members, starts, active, ended = [], [], [], []
    for step in range(chunks[documents[0]]):
        going = [i for i in documents if chunks[i] > step]
        members += going
        starts += [done[i] + step * chunk_size for i in going]
        active.append(len(going))
        ended.append([i for i in going if chunks[i] == step + 1 and i in kept])
    return _Piece(members, starts, chunk_size, tuple(active), tuple(ended))


def _stops(chunks: Sequence[int], kept: set[int]) -> list[int]:
    """Return the numbers of chunks after which a call ends: where documents do, unless it is cheaper to fill them up.

    Example:
        >>> _stops([1, 2, 2, 30, 50], kept=set()), _stops([1, 2, 2, 30, 50], kept={0})
        ([2, 30, 50], [1, 2, 30, 50])
    """
    ending, stops, filled = Counter(chunks), [], 0
    counts = sorted(set(chunks) - {0})
    for count, following in pairwise(counts):
        filled += ending[count]
        if filled * (following - count) > _FILLED or any(chunks[i] == count for i in kept):
            stops.append(count)
            filled = 0
    return [*stops, *counts[-1:]]


def _numbers_of(plan: Sequence[_Piece], documents: Sequence[range], heads: int) -> tuple[list[Tensor], Tensor]:
    """Return which of all tokens' heads, counted token by token, each piece takes, and where among the outputs each is.

    A piece takes `[rows, tokens, heads]`; chunks of documents `[rows, heads, tokens]`, as they are computed.
    """
    sources, places, offset = [], torch.empty(sum(map(len, documents)) * heads, dtype=torch.int64), 0
    for piece in plan:
        members = [(documents[i].start, len(documents[i])) for i in piece.members]
        source, there = (x.unsqueeze(-1) for x in tokens_at(members, piece.starts, piece.length))
        source, there = source * heads + torch.arange(heads), there.expand(-1, -1, heads)
        if piece.active:
            source, there = source.mT, there.mT
        places[source[there]] = offset + torch.arange(source.numel()).view(source.shape)[there]
        sources.append(source)
        offset += source.numel()
    return sources, places


def _cut(scan: Scan, plan: Sequence[_Piece], sources: Sequence[Tensor]) -> Iterator[dict[str, Tensor]]:
    """Return the inputs of each piece; all are gathered at once, which has one derivative and not one a piece."""
    index = torch.cat([source.flatten() for source in sources]).to(scan.k.device)
    sizes = [source.numel() for source in sources]
    given = {name: getattr(scan, name) for name in _PER_TOKEN if getattr(scan, name) is not None}
    parts = {name: x.flatten(0, 2).index_select(0, index).split(sizes) for name, x in given.items()}
    for number, (piece, source) in enumerate(zip(plan, sources, strict=True)):
        pieces = {name: part[number].unflatten(0, source.shape) for name, part in parts.items()}
        yield {name: x.transpose(1, 2) if piece.active else x for name, x in pieces.items()}


def _gathered(state: dict[int, tuple[MemoryState, int]], members: Sequence[int]) -> MemoryState:
    """Return one state for some documents, from states that each have a row of it."""
    rows: dict[int, tuple[MemoryState, list[int], list[int]]] = {}
    for place, i in enumerate(members):
        held, row = state[i]
        _, found, places = rows.setdefault(id(held), (held, [], []))
        found.append(row)
        places.append(place)
    parts = [held.rows(found) for held, found, _ in rows.values()]
    if len(parts) == 1:
        return parts[0]
    order = [place for _, _, places in rows.values() for place in places]
    joined = MemoryState.joined([part.spread(len(p)) for part, (_, _, p) in zip(parts, rows.values(), strict=True)])
    return joined.rows(sorted(range(len(order)), key=order.__getitem__))
