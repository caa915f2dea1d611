"""State carried from one training step to the next: which rows go on with a document, and which begin a new one."""

import functools
import math
from typing import Any

import torch
from torch import Tensor, nn

from titans_seq.blocks import MACState, MemoryAsContext, MemoryAsGate, MemoryAsLayer
from titans_seq.errors import UserError
from titans_seq.layers import AttentionState, CausalAttention, NeuralMemory, NeuralMemoryState
from titans_seq.layers.row_state import Ragged
from titans_seq.memory import MemoryState
from titans_seq.models import Backbone, BackboneState, CausalLM


def reset_rows(model: CausalLM | Backbone, state: BackboneState | None, fresh: Tensor) -> BackboneState | None:
    """Return a state in which some rows of the batch have read nothing yet, and the others are as they were.

    A row that was reset gives the outputs that it would give without any state, and its gradients reach the learned
    start of every memory; rows never see each other. All rows have one place in their chunk and segment, so the rows
    can be reset only where a new sequence's place is the same: pieces of a multiple of `common_length` tokens. After a
    padded batch rows are not in step, and may be reset anywhere.

    A layer of a memory that does not learn belongs to the model, not to the sequence: every row gets it as it is now.

    Args:
        model: what made the state.
        state: after a piece; None stays None, for then all rows are new.
        fresh: which rows begin anew, `[B]` of bool, on the state's device.

    Raises:
        ValueError: if the state is inside a chunk or segment.
        TypeError: if a block's mixer is of a class that has no rule here; `begin_rows.register` gives it one.

    Example:
        >>> from titans_seq.blocks import LMMConfig
        >>> from titans_seq.models import CausalLMConfig
        >>> model = CausalLM(CausalLMConfig(vocabulary=10, dim=32, blocks=(LMMConfig(),), depth=1))
        >>> first, second = torch.randint(10, (2, 16)), torch.randint(10, (2, 16))
        >>> _, state = model(first)
        >>> y, _ = model(second, reset_rows(model, state, torch.tensor([True, False])))
        >>> alone, _ = model(second[:1])
        >>> torch.allclose(y[:1], alone, atol=1e-5)
        True
    """
    if state is None:
        return None
    blocks: Any = (model.backbone if isinstance(model, CausalLM) else model).blocks
    pairs = zip(blocks, state.blocks, strict=True)
    return BackboneState(tuple(begin_rows(block.mixer, before, fresh) for block, before in pairs))


def common_length(model: nn.Module) -> int:
    """Return the tokens after which all chunks and segments of a model begin anew: their least common multiple.

    Example:
        >>> from titans_seq.models import language_model
        >>> common_length(CausalLM(language_model("tiny-mac", vocabulary=10)))
        64
    """
    lengths = [1]
    for module in model.modules():
        if isinstance(module, NeuralMemory):
            lengths.append(module.config.chunk_size)
        elif isinstance(module, MemoryAsContext):
            lengths.append(module.config.segment)
    return math.lcm(*lengths)


def begun_length(model: nn.Module) -> int:
    """Return the tokens that a model's memories have read before each sequence: their persistent ones.

    0 where it is not the same for all chunks and segments, which can then not end together.

    Example:
        >>> from titans_seq.models import language_model
        >>> [begun_length(CausalLM(language_model(name, vocabulary=10))) for name in ("tiny-lmm", "tiny-mac")]
        [4, 0]
    """
    found = set()
    for module in model.modules():
        if isinstance(module, NeuralMemory):
            tokens = module.config.persistent_tokens
            found.add(tokens if tokens % module.config.chunk_size else 0)
        elif isinstance(module, MemoryAsContext):
            found.add(0)
    return found.pop() if len(found) == 1 else 0


def check_length(model: nn.Module, length: int) -> None:
    """Refuse a training length that would cut a chunk or a segment in two.

    Raises:
        UserError: naming the lengths next to it that are possible.
    """
    step = common_length(model)
    if length < 1 or length % step:
        below = length // step * step
        near = f"{below} or {below + step}" if below > 0 else str(step)
        raise UserError(
            f"the training length {length} is not a multiple of {step}, which all chunks and segments of the model "
            f"divide: state is carried from one piece to the next, so take {near}"
        )


def _begun_apart(state: Ragged, fresh: Tensor) -> Any:
    """Reset rows that need not be in step."""
    return state.rows([-1 if new else row for row, new in enumerate(fresh.tolist())])


@functools.singledispatch
def begin_rows(mixer: Any, state: Any, fresh: Tensor) -> Any:
    """Return a mixer's state with some rows reset; see `reset_rows`."""
    raise TypeError(f"no rule to reset single rows of the state of {type(mixer).__name__}: register one")


@begin_rows.register
def _(mixer: CausalAttention, state: AttentionState | Ragged, fresh: Tensor) -> Any:
    if isinstance(state, Ragged):
        return _begun_apart(state, fresh)
    tokens = state.keys.shape[2]
    begins = fresh.new_zeros(fresh.shape, dtype=torch.long) if state.begins is None else state.begins
    return AttentionState(state.keys, state.values, begins.masked_fill(fresh, tokens))


@begin_rows.register
def _(mixer: NeuralMemory, state: NeuralMemoryState | Ragged, fresh: Tensor) -> Any:
    if isinstance(state, Ragged):
        return _begun_apart(state, fresh)
    new = mixer.begun(1)
    if state.memory.position != new.memory.position:
        raise ValueError(
            f"rows can be reset only where a chunk of {mixer.config.chunk_size} tokens is as far as in a new sequence, "
            f"{new.memory.position} tokens, got a state after {state.memory.position}: use pieces of whole chunks"
        )
    memory = _joined(mixer, new.memory, state.memory, fresh)
    recent, key = (_either(fresh, *pair) for pair in ((new.recent, state.recent), (new.key, state.key)))
    return NeuralMemoryState(memory, recent, key)


@begin_rows.register
def _(mixer: MemoryAsContext, state: MACState | Ragged, fresh: Tensor) -> Any:
    if isinstance(state, Ragged):
        return _begun_apart(state, fresh)
    if state.keys.shape[3] or state.memory is None:
        raise ValueError(
            f"rows can be reset only between segments, got a state after {state.keys.shape[3]} of a segment's "
            f"{mixer.config.segment} tokens: use pieces of whole segments"
        )
    memory = begin_rows(mixer.memory, state.memory, fresh)
    rule = mixer.config.memory.rule
    new, first = rule.current_weights(mixer.memory.initial_state()), rule.architecture.first_learning
    context = (_where(fresh, *pair) for pair in zip(new[first:], state.context[first:], strict=True))
    return MACState(memory, (*new[:first], *context), state.keys, state.values)


@begin_rows.register
def _(mixer: MemoryAsGate, state: tuple, fresh: Tensor) -> tuple:
    seen, stored = state
    return begin_rows(mixer.attention, seen, fresh), begin_rows(mixer.memory, stored, fresh)


@begin_rows.register
def _(mixer: MemoryAsLayer, state: tuple, fresh: Tensor) -> tuple:
    stored, seen = state
    return begin_rows(mixer.memory, stored, fresh), begin_rows(mixer.attention, seen, fresh)


def _joined(layer: NeuralMemory, new: MemoryState, old: MemoryState, fresh: Tensor) -> MemoryState:
    first, still = layer.config.rule.architecture.first_learning, layer.initial_state()

    def join(name: str) -> tuple[Tensor, ...]:
        pairs = zip(getattr(new, name)[first:], getattr(old, name)[first:], strict=True)
        return *getattr(still, name)[:first], *(_where(fresh, *pair) for pair in pairs)

    # A new memory has written nothing yet, which is the same as having written zeros.
    recent = new.recent or tuple(map(torch.zeros_like, old.recent))
    return MemoryState(
        join("weights"),
        join("momentum"),
        join("anchor"),
        old.position,
        tuple(_where(fresh, *pair) for pair in zip(recent, old.recent, strict=True)),
    )


def _either(fresh: Tensor, new: Tensor | None, old: Tensor | None) -> Tensor | None:
    """As `_where`; a new sequence without such a tensor has zeros there."""
    if old is None:
        return None
    return _where(fresh, torch.zeros_like(old) if new is None else new, old)


def _where(fresh: Tensor, new: Tensor, old: Tensor) -> Tensor:
    """Where fresh `new`, which may lack the batch dimension or have one row, elsewhere `old`, `[B, ...]`."""
    return torch.where(fresh.view(-1, *[1] * (old.dim() - 1)), new.to(old.dtype), old)
