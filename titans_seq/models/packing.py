"""A model's state as plain values and tensors, for a file that needs no pickled classes."""

import dataclasses
from typing import Any

from torch import Tensor

from titans_seq.blocks import MACState
from titans_seq.layers import AttentionState, NeuralMemoryState
from titans_seq.layers.row_state import Ragged
from titans_seq.memory import MemoryState
from titans_seq.models.backbone import BackboneState

_CLASS = "class"
_CLASSES: dict[str, Any] = {
    cls.__name__: cls for cls in (AttentionState, BackboneState, MACState, MemoryState, NeuralMemoryState, Ragged)
}


def pack_state(state: Any) -> Any:
    """Turn a model's state into dictionaries, tuples, whole numbers, None and its tensors themselves.

    Raises:
        TypeError: if it holds a value of another type.

    Example:
        >>> import torch
        >>> from titans_seq.blocks import LMMConfig
        >>> from titans_seq.models import CausalLM, CausalLMConfig
        >>> model = CausalLM(CausalLMConfig(vocabulary=10, dim=32, blocks=(LMMConfig(),), depth=1))
        >>> _, state = model(torch.tensor([[1, 2, 3]]))
        >>> packed = pack_state(state)
        >>> packed["class"], packed["blocks"][0]["memory"]["position"]
        ('BackboneState', 3)
        >>> y, _ = model(torch.tensor([[4]]), unpack_state(packed))
        >>> torch.equal(y, model(torch.tensor([[4]]), state)[0])
        True
    """
    if state is None or isinstance(state, (Tensor, int)):
        return state
    if isinstance(state, tuple):
        return tuple(map(pack_state, state))
    if type(state).__name__ not in _CLASSES:
        raise TypeError(f"a model's state cannot hold {type(state).__name__}: expected one of {', '.join(_CLASSES)}")
    fields = {field.name: pack_state(getattr(state, field.name)) for field in dataclasses.fields(state)}
    return {_CLASS: type(state).__name__} | fields


def unpack_state(packed: Any) -> Any:
    """Rebuild what `pack_state` was given; lists count as tuples.

    Raises:
        ValueError: if a class is not one of a model's state.
    """
    if isinstance(packed, (tuple, list)):
        return tuple(map(unpack_state, packed))
    if not isinstance(packed, dict):
        return packed
    fields = {name: unpack_state(value) for name, value in packed.items() if name != _CLASS}
    if packed.get(_CLASS) not in _CLASSES:
        raise ValueError(f"no class of a model's state: {packed.get(_CLASS)!r}; expected one of {', '.join(_CLASSES)}")
    return _CLASSES[packed[_CLASS]](**fields)
