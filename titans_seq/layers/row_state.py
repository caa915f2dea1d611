"""States of layers, row by row: which rows are in step, and what stands where they are not."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from titans_seq.autodiff import mixed_precision
from titans_seq.state import State


class RowState(State):
    """State of a layer for a batch whose rows are in step.

    A subclass says what rows must share to run as one batch (`place`) and how such batches are joined (`joined`).
    """

    @property
    def batch(self) -> int:
        """Number of rows."""
        raise NotImplementedError

    @property
    def place(self) -> Hashable:
        """Equal for two states if and only if their rows can run as one batch."""
        raise NotImplementedError

    @classmethod
    def joined(cls, states: Sequence[Any]) -> Self:
        """Return one state with the rows of all, which have the same place."""
        raise NotImplementedError

    def picked(self, index: Sequence[int]) -> Self:
        """Return a state with these rows, all of which have read something."""
        return self if index == list(range(self.batch)) else super().rows(index)

    def rows(self, index: Sequence[int]) -> Any:
        """Return a state whose rows are these, in this order; -1 stands for a row that has read nothing."""
        check_rows(index, self.batch)
        read = [at for at, row in enumerate(index) if row >= 0]
        new = [at for at, row in enumerate(index) if row < 0]
        return gathered([(self.picked([index[at] for at in read]), read), (None, new)])


@dataclass(frozen=True)
class Ragged(State):
    """State of a layer for a batch whose rows are not in step.

    Attributes:
        groups: states of rows that are in step; None for rows that have read nothing.
        members: of each group, which rows of the batch it holds.
    """

    groups: tuple[RowState | None, ...]
    members: tuple[tuple[int, ...], ...]
    static: ClassVar[tuple[str, ...]] = ("members",)

    @property
    def batch(self) -> int:
        """Number of rows."""
        return sum(map(len, self.members))

    def rows(self, index: Sequence[int]) -> Any:
        """Return a state whose rows are these, in this order; -1 stands for a row that has read nothing."""
        check_rows(index, self.batch)
        parts: list[tuple[RowState | None, list[int]]] = [(None, [at for at, row in enumerate(index) if row < 0])]
        for group, members in zip(self.groups, self.members, strict=True):
            places = {row: place for place, row in enumerate(members)}
            wanted = [at for at, row in enumerate(index) if row in places]
            parts.append((group and group.picked([places[index[at]] for at in wanted]), wanted))
        return gathered(parts)


def check_rows(index: Sequence[int], batch: int) -> None:
    """Raise ValueError if one of `index` is no row of a batch and not -1."""
    if any(not -1 <= row < batch for row in index):
        raise ValueError(f"rows must be of 0 .. {batch - 1}, or -1 for a new one, got {list(index)}")


def check_state(state: Any, kind: type[RowState], x: Tensor, **shapes: tuple[int | None, ...] | None) -> None:
    """Make sure that a layer can go on from a state.

    Args:
        state: what was given.
        kind: the layer's own.
        x: the layer's input, `[B, ...]`.
        shapes: of the state's tensors by name, None for an axis of any length; None for a tensor that is absent.

    Raises:
        ValueError: saying what differs, and what to do.
    """
    if not isinstance(state, kind):
        raise ValueError(f"expected the {kind.__name__} of this layer, got a {type(state).__name__} of another model")
    for name, shape in shapes.items():
        tensor = getattr(state, name)
        if tensor is not None and (tensor.shape, tensor.device, tensor.dtype) == (shape, x.device, x.dtype):
            continue
        if (tensor is None) != (shape is None):
            raise ValueError(f"the state is of another model: {name} {'is' if tensor is None else 'should be'} absent")
        if tensor is None or shape is None:
            continue
        if tensor.shape[0] != x.shape[0]:
            raise ValueError(
                f"the state is of {tensor.shape[0]} rows and the input of {x.shape[0]}: pick rows with state.rows"
            )
        if _differ(tensor.shape, shape):
            raise ValueError(f"the state is of another model: {name} is {tuple(tensor.shape)}, expected {shape}")
        if tensor.device != x.device:
            raise ValueError(f"the state is on {tensor.device} and the input on {x.device}: move it with state.to")
        mixed = mixed_precision(x.device.type)
        if not mixed and torch.promote_types(tensor.dtype, x.dtype) != x.dtype:
            raise ValueError(
                f"the state is {tensor.dtype} and the input {x.dtype}: convert it with state.to({x.dtype})"
            )


def check_in_step(name: str, state: Any, others: Mapping[str, Any]) -> None:
    """Make sure that a layer reads rows of one length, which go on in step.

    Args:
        name: of the layer, for the message.
        state: that it goes on from.
        others: its other arguments by name.

    Raises:
        ValueError: if it reads packed or padded documents, or its state is of rows that are not in step.
    """
    if isinstance(state, Ragged) or any(others.get(key) is not None for key in ("cu_seqlens", "attention_mask")):
        raise ValueError(f"{name} reads packed or padded documents: give it rows of one length")


def _differ(shape: Sequence[int], expected: Sequence[int | None]) -> bool:
    pairs = zip(shape, expected, strict=False)
    return len(shape) != len(expected) or any(b is not None and a != b for a, b in pairs)


def gathered(parts: Sequence[tuple[RowState | None, Sequence[int]]]) -> Any:
    """Return the state of a batch from states of some of its rows.

    Args:
        parts: states, None for what has read nothing, each with the rows of the batch that it holds; together all.

    Returns:
        A plain state if all rows are in step, else a `Ragged`; None if no row has read anything.
    """
    groups: dict[Hashable, list[tuple[RowState | None, Sequence[int]]]] = {}
    for state, members in parts:
        if members:
            groups.setdefault(None if state is None else (type(state), state.place), []).append((state, members))
    states, rows = [], []
    for place, pieces in groups.items():
        known = [state for state, _ in pieces if state is not None]
        joined = None if place is None else known[0] if len(known) == 1 else type(known[0]).joined(known)
        members = [row for _, some in pieces for row in some]
        order = sorted(range(len(members)), key=members.__getitem__)
        if joined is not None and order != list(range(len(members))):
            joined = joined.picked(order)
        states.append(joined)
        rows.append(tuple(sorted(members)))
    if len(states) == 1:
        return states[0]
    return Ragged(tuple(states), tuple(rows)) if any(state is not None for state in states) else None
