"""What the states of sequence models have in common: they are immutable values with tensors in them."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


class State:
    """Base of the frozen dataclasses that layers, blocks and models carry between calls.

    Every subclass is a node of PyTorch's pytrees, so that `torch.export` and `torch.utils._pytree` look into it, and
    may stand in a file that `torch.load` reads with `weights_only=True`.

    Attributes:
        static: names of the fields that hold no tensors but whole numbers, or tuples of them.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Sum(State):
        ...     total: Tensor
        ...     count: int
        ...     static: ClassVar[tuple[str, ...]] = ("count",)
        >>> state = Sum(torch.ones(2, 3), count=5)
        >>> state.to(torch.float64).total.dtype, state.rows([1]).total.shape
        (torch.float64, torch.Size([1, 3]))
        >>> len(pytree.tree_leaves(state))
        1
    """

    static: ClassVar[tuple[str, ...]] = ()
    _dynamic: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # A plain tuple of names, because torch.export does not understand `dataclasses.fields`.
        declared = (name for name, hint in cls.__annotations__.items() if "ClassVar" not in str(hint))
        cls._dynamic = tuple(name for name in declared if name not in cls.static)
        if cls not in pytree.SUPPORTED_NODES:
            pytree.register_pytree_node(
                cls,
                _flatten,
                lambda children, context: _unflatten(cls, children, context),
                serialized_type_name=f"{cls.__module__}.{cls.__qualname__}",
                to_dumpable_context=json.dumps,
                from_dumpable_context=lambda text: _tuples(json.loads(text)),
                flatten_with_keys_fn=_flatten_with_keys,
            )
        torch.serialization.add_safe_globals([cls])

    @property
    def device(self) -> torch.device:
        """Where its first tensor is."""
        return next(leaf for leaf in pytree.tree_leaves(self) if isinstance(leaf, Tensor)).device

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return the state with `function` applied to every tensor, e.g. `Tensor.cpu`."""
        return self._with(lambda value: map_state(value, function))

    def detach(self) -> Self:
        """Return the same values, cut off from the graph: truncated back-propagation."""
        return self.map(Tensor.detach)

    def to(
        self, *args: torch.device | torch.dtype | str | int, device: Any = None, dtype: torch.dtype | None = None
    ) -> Self:
        """Return the state on another device, in another dtype, or both, as `Tensor.to`.

        Whole numbers keep their dtype, and a memory's weights are never less than float32.
        """
        for arg in args:
            device, dtype = (device, arg) if isinstance(arg, torch.dtype) else (arg, dtype)
        return self._moved(device, dtype)

    def _moved(self, device: Any, dtype: torch.dtype | None) -> Self:
        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, dtype if tensor.is_floating_point() else None)

        return self._with(lambda value: _apply(value, lambda state: state._moved(device, dtype), move))

    def rows(self, index: Sequence[int]) -> Self:
        """Return a state whose rows are these of the batch, in this order: beams, repeated prompts."""

        def pick(tensor: Tensor) -> Tensor:
            return tensor.index_select(0, torch.tensor(index, dtype=torch.long, device=tensor.device))

        return self._with(lambda value: _apply(value, lambda state: state.rows(index), pick))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        # PyTorch copies no tensor inside a graph; a clone is the same value and lets gradients through.
        return self.map(torch.clone)

    def _with(self, change: Callable[[Any], Any]) -> Self:
        """The state with `change` applied to every field that is not static."""
        changed = {name: change(getattr(self, name)) for name in self._dynamic}
        return dataclasses.replace(self, **changed)  # type: ignore[type-var]


def map_state(state: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Return a model's state with `function` applied to every tensor in it, e.g. `Tensor.detach`.

    Args:
        state: a tensor, a `State`, None, or a tuple of such.
        function: what to apply.

    Example:
        >>> map_state((torch.ones(1), None), torch.neg)
        (tensor([-1.]), None)
    """
    return _apply(state, lambda part: part.map(function), function)


def select_rows(state: Any, index: Sequence[int]) -> Any:
    """Return a model's state with these rows of the batch, in this order; see `State.rows`.

    Args:
        state: a `State`, None, or a tuple of such.
        index: the rows; -1 stands for a row that has read nothing, in states of models that can hold such.
    """
    return _apply(state, lambda part: part.rows(index), lambda tensor: tensor[list(index)])


def _apply(value: Any, on_state: Callable[[Any], Any], on_tensor: Callable[[Tensor], Tensor]) -> Any:
    if value is None:
        return None
    if isinstance(value, Tensor):
        return on_tensor(value)
    if isinstance(value, tuple):
        return tuple(_apply(part, on_state, on_tensor) for part in value)
    return on_state(value)


def _flatten(state: State) -> tuple[list[Any], tuple[Any, ...]]:
    children = [getattr(state, name) for name in state._dynamic]
    return children, tuple([getattr(state, name) for name in state.static])


def _flatten_with_keys(state: State) -> tuple[list[tuple[Any, Any]], tuple[Any, ...]]:
    children, context = _flatten(state)
    return [(pytree.GetAttrKey(name), child) for name, child in zip(state._dynamic, children, strict=True)], context


def _unflatten(cls: type[State], children: Any, context: tuple[Any, ...]) -> State:
    # Not through the constructor: PyTorch puts other things than tensors in their places, which it would refuse.
    state = object.__new__(cls)
    for name, value in [*zip(cls._dynamic, children, strict=True), *zip(cls.static, context, strict=True)]:
        object.__setattr__(state, name, value)
    return state


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
