"""A piece of sequences as a neural memory reads it: rows in step, or documents packed end to end.

What works token by token does not know which. A piece says what stands before its tokens, how the convolution and the
keys that wait for values go on from the states, and which outputs are the piece's own.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.layers.convolution import CausalConvolution
from titans_seq.layers.documents import States, joined_rows, laid_out, without_first
from titans_seq.layers.neural_memory_state import NeuralMemoryState
from titans_seq.memory import MemoryState


@dataclass(frozen=True)
class RowsInStep:
    """A batch whose rows are equally far.

    Attributes:
        length: tokens of each row.
        state: what the rows have read before; None if they start.
        return_state: whether the state after the piece is wanted.
    """

    length: int
    state: NeuralMemoryState | None = None
    return_state: bool = False

    def begun(self, x: Tensor, persistent: Tensor | None) -> Tensor:
        """Put the persistent tokens `[P, dim]` before each sequence that starts here."""
        if persistent is None or self.state is not None:
            return x
        return torch.cat([persistent.to(x.dtype).expand(x.shape[0], -1, -1), x], 1)

    def convolved(self, convolution: CausalConvolution, qkv: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve what was projected; return also the inputs to pass on."""
        return convolution(qkv, None if self.state is None else self.state.recent)

    def ahead(self, k: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys of the tokens before, and the last keys, which wait for their values."""
        # Nothing waits for the first token's value: a key of zero writes nothing.
        waiting = None if self.state is None else self.state.key
        before = k.new_zeros(k[:, :1].shape) if waiting is None else waiting
        # A copy, because a view would keep the whole piece in memory for as long as the state lives.
        return torch.cat([before, k[:, :-1]], 1), k[:, -1:].clone()

    def options(self, new: Callable[[], MemoryState]) -> dict[str, Any]:
        """Return the arguments of `memory_scan` that say what a piece goes on from; `new` makes a memory."""
        return {"state": new() if self.state is None else self.state.memory, "return_state": self.return_state}

    def own(self, x: Tensor) -> Tensor:
        """Leave out what was read at persistent tokens, which is no output."""
        return x if x.shape[1] == self.length else x[:, -self.length :]


@dataclass(frozen=True)
class PackedDocuments:
    """Documents behind each other in one row, `[1, N, ...]`, read in one pass.

    What works token by token sees them as one sequence. The convolution sees what each has read before, or zeros.

    Attributes:
        borders: of the documents, from 0 to N; none is empty.
        states: what they have read before.
        wanted: the documents whose state after the piece is wanted.
        persistent: number of persistent tokens.
    """

    borders: Sequence[int]
    states: States
    wanted: Sequence[int]
    persistent: int

    @cached_property
    def first(self) -> list[int]:
        """Persistent tokens before each document."""
        new = {document for state, members in self.states if state is None for document in members}
        return [self.persistent if document in new else 0 for document in range(len(self.borders) - 1)]

    @cached_property
    def ends(self) -> list[int]:
        """Where each document ends, with persistent tokens before those that start."""
        pairs = zip(self.first, itertools.pairwise(self.borders), strict=True)
        return list(itertools.accumulate(b - a + more for more, (a, b) in pairs))

    def begun(self, x: Tensor, persistent: Tensor | None) -> Tensor:
        """Put the persistent tokens `[P, dim]` before each sequence that starts here."""
        if persistent is None or not any(self.first):
            return x
        persistent = persistent.to(x.dtype)
        return torch.cat(laid_out(x[0], self.borders, [persistent if n else None for n in self.first])).unsqueeze(0)

    def convolved(self, convolution: CausalConvolution, qkv: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve what was projected; return also the inputs to pass on."""
        past = convolution.weight.shape[-1] - 1
        recent = qkv.new_zeros(len(self.ends), past, qkv.shape[2])
        for state, members in self.states:
            if state is not None:
                recent = recent.index_copy(0, _index(members, qkv), state.recent.to(qkv.dtype))
        starts, ends = _index([0, *self.ends[:-1]], qkv).unsqueeze(1), _index(self.ends, qkv).unsqueeze(1)
        steps = torch.arange(past, device=qkv.device)
        # As if all were one document; then again where it saw another one's tokens.
        y, _ = convolution(qkv)
        first = torch.minimum(starts + steps, ends - 1)
        again, _ = convolution(qkv[0].index_select(0, first.flatten()).unflatten(0, first.shape), recent)
        there = (starts + steps < ends).flatten().nonzero().squeeze(1)
        places, again = first.flatten().index_select(0, there), again.flatten(0, 1).index_select(0, there)
        return y.index_copy(1, places, again.unsqueeze(0)), self._recent(qkv[0], recent, starts, ends)

    def _recent(self, qkv: Tensor, recent: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
        """Return the last inputs of the documents wanted, those from before the piece where it is shorter."""
        wanted, past = _index(self.wanted, qkv), recent.shape[1]
        starts, places = starts[wanted], ends[wanted] + torch.arange(-past, 0, device=qkv.device)
        older = (places - starts + past).clamp(0, past - 1)
        kept = recent[wanted.unsqueeze(1), older]
        return torch.where((places < starts).unsqueeze(-1), kept, qkv[torch.maximum(places, starts)])

    def ahead(self, k: Tensor) -> tuple[Tensor, Tensor]:
        """Return the keys of the tokens before, and the last keys, which wait for their values."""
        waiting = k.new_zeros(len(self.ends), *k.shape[2:])
        for state, members in self.states:
            if state is not None:
                waiting = waiting.index_copy(0, _index(members, k), state.key[:, 0].to(k.dtype))
        starts = _index([0, *self.ends[:-1]], k)
        before = F.pad(k[:, :-1], (0, 0, 0, 0, 1, 0)).index_copy(1, starts, waiting.unsqueeze(0))
        return before, k[0, [self.ends[i] - 1 for i in self.wanted]].unsqueeze(1)

    def options(self, new: Callable[[], MemoryState]) -> dict[str, Any]:
        """Return the arguments of `memory_scan` that say what a piece goes on from; `new` makes a memory."""
        stored = [(None if state is None else state.memory, members) for state, members in self.states]
        carried = any(memory is not None for memory, _ in stored)
        return {
            "state": joined_rows(stored, new().spread) if carried else new(),
            "cu_seqlens": torch.tensor([0, *self.ends]),
            "return_state": list(self.wanted),
        }

    def own(self, x: Tensor) -> Tensor:
        """Leave out what was read at persistent tokens, which is no output."""
        return without_first(x, self.borders, self.first)


Piece = RowsInStep | PackedDocuments


def _index(numbers: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor(numbers, dtype=torch.long, device=like.device)


def in_step(state: NeuralMemoryState | None) -> list[tuple[NeuralMemoryState, list[int]]]:
    """Part the rows of a state by their places in the open chunk: states of rows in step, each with its rows."""
    if state is None:
        return []
    places: dict[int, list[int]] = {}
    for row, position in enumerate(state.memory.positions(state.batch)):
        places.setdefault(position, []).append(row)
    return [(state.picked(rows), rows) for rows in places.values()]
