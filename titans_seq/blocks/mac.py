"""MAC: what the memory held before a segment is context for attention over the segment."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.blocks.base import Block
from titans_seq.checks import check_choice, check_input, check_types, check_whole
from titans_seq.config import register
from titans_seq.layers import Fusion, FusionName, NeuralMemory, NeuralMemoryConfig, NeuralMemoryState, RMSNorm
from titans_seq.layers.configured import Configured
from titans_seq.layers.documents import ReturnState, by_documents, without_padding
from titans_seq.layers.heads import HeadProjections, attend, check_rope_base, rotated
from titans_seq.layers.row_state import Ragged, RowState, check_state


@register("mac")
@dataclass(frozen=True)
class MACConfig:
    """Memory as a context (Titans section 4.1, eq. 21-25).

    Attributes:
        memory: the memory layer.
        heads: of attention, at least 1.
        segment: tokens of a segment, at least 1; 512 in the NeurIPS version.
        persistent_tokens: learned tokens that every segment begins with, at least 0; 128 there.
        rope_base: base of the rotary angles; 0 leaves positions out.
        fusion: how attention's output and the memory's are joined.
        hidden: hidden width of the feed-forward; 8/3 of the width if None.
        dropout: share of the mixer's and the feed-forward's outputs that training leaves out, in [0, 1).

    Raises:
        ValueError: if a value is out of its range or of another class; `build` refuses widths that do not fit.

    Example:
        >>> block = MACConfig(heads=2, segment=4, persistent_tokens=1).build(32)
        >>> y, state = block(torch.randn(1, 10, 32))
        >>> y.shape, state.keys.shape[3]  # two tokens are in the open segment
        (torch.Size([1, 10, 32]), 2)
    """

    memory: NeuralMemoryConfig = field(default_factory=NeuralMemoryConfig)
    heads: int = 4
    segment: int = 512
    persistent_tokens: int = 0
    rope_base: float = 10_000.0
    fusion: FusionName = "mix"
    hidden: int | None = None
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_types(self)
        check_whole(self, heads=1, segment=1, persistent_tokens=0)
        check_rope_base(self.rope_base)
        check_choice("fusion", self.fusion, FusionName)

    def build(self, dim: int) -> Block:
        """Build a block of width `dim`."""
        return Block(MemoryAsContext(self, dim), dim, self.hidden, self.dropout)


@dataclass(frozen=True)
class MACState(RowState):
    """What the mixer carries between calls.

    Attributes:
        memory: the memory, as the last token left it; None before the first.
        context: the memory's weights when the open segment began.
        keys: not rotated, of the open segment's memory tokens and tokens, `[B, H, 2, tokens, D]`.
        values: likewise.

    Example:
        >>> _, state = MemoryAsContext(MACConfig(heads=2, segment=4), dim=16)(torch.randn(3, 6, 16))
        >>> state.batch, state.keys.shape
        (3, torch.Size([3, 2, 2, 2, 8]))
    """

    memory: NeuralMemoryState | None
    context: tuple[Tensor, ...]
    keys: Tensor
    values: Tensor

    @property
    def batch(self) -> int:
        """Number of rows."""
        return self.keys.shape[0]

    @property
    def place(self) -> Hashable:
        """The places in the open segment and chunk, and whether the segment is the first."""
        memory = None if self.memory is None else self.memory.place
        return self.keys.shape[3], memory, self.context[-1].dim()

    @classmethod
    def joined(cls, states: Sequence["MACState"]) -> "MACState":
        """Return one state with the rows of all, which are equally far in their segments and chunks."""
        memories = [state.memory for state in states if state.memory is not None]
        contexts = zip(*(state.context for state in states), strict=True)
        return cls(
            NeuralMemoryState.joined(memories) if memories else None,
            tuple(layer[0] if any(w.dim() == 3 for w in layer) else torch.cat(layer) for layer in contexts),
            torch.cat([state.keys for state in states]),
            torch.cat([state.values for state in states]),
        )

    def picked(self, index: Sequence[int]) -> "MACState":
        """Return a state with these rows; weights that the batch shares stay as they are."""
        rows = replace(self, context=())
        rows = super(MACState, rows).picked(index)
        at = torch.tensor(index, dtype=torch.long, device=self.keys.device)
        return replace(rows, context=tuple(w.index_select(0, at) if w.dim() == 4 else w for w in self.context))

    def _moved(self, device: Any, dtype: torch.dtype | None) -> "MACState":
        wide = None if dtype is None else torch.promote_types(dtype, torch.float32)
        return replace(super()._moved(device, dtype), context=tuple(w.to(device, wide) for w in self.context))


class MemoryAsContext(Configured):
    """Mix segment by segment: retrieve, attend to [persistent | memory tokens | segment], write, read, join.

    With M the memory when a segment began, and x_i its tokens:

        h_i = M(q(x_i))                                   eq. 21: one memory token a token
        y_i = attention of x_i to P, h_1..i, x_1..i       eq. 22-23
        write RMSNorm(y_i); m_i = read of it after that   eq. 24-25
        o_i = Fusion(y_i, m_i)

    Choices that the paper leaves open. It says 256 memory tokens to a segment of 512 and not how they are made: here
    every token asks its own query, through the projections that read the memory elsewhere too, so there are as many as
    tokens. A token sees the memory tokens of tokens up to itself alone, and reads the memory as its own write left it,
    not as the segment's end will: otherwise later tokens would leak into earlier outputs. A memory token has its
    token's position; persistent tokens have none. Only the outputs at the segment's own tokens are written and
    returned: in eq. 22-24 y has rows for the persistent and the memory tokens too, whose writes no later section of
    the paper speaks of. The memory reads and writes y behind an RMSNorm with a learned scale (`memory_input_norm`),
    where eq. 24 has y itself: it is attention's output, which has no scale of its own.

    Args:
        config: the mixer's options.
        dim: width of inputs and outputs.

    Example:
        >>> mixer = MemoryAsContext(MACConfig(segment=4), dim=32)
        >>> x = torch.randn(1, 10, 32)
        >>> whole, _ = mixer(x)
        >>> first, state = mixer(x[:, :7])
        >>> second, _ = mixer(x[:, 7:], state)
        >>> torch.allclose(whole, torch.cat([first, second], 1), atol=1e-5)
        True
    """

    meaning = ("heads", "segment", "rope_base")

    def __init__(self, config: MACConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.dim = dim
        self.memory = NeuralMemory(config.memory, dim)
        self.heads = HeadProjections(config.heads, dim, config.persistent_tokens)
        self.memory_input_norm = RMSNorm(dim)
        self.fusion = Fusion(config.fusion, dim)

    def forward(
        self,
        x: Tensor,
        state: MACState | Ragged | None = None,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        return_state: ReturnState = True,
    ) -> tuple[Tensor, Any]:
        """Mix a piece of a sequence; arguments and results are those of `NeuralMemory.forward`."""
        check_input(x, self.dim)
        if attention_mask is not None:
            return without_padding(self, x, state, attention_mask, cu_seqlens, return_state)
        if cu_seqlens is not None or isinstance(state, Ragged):
            step, begun = self.config.segment, self._begun_rows
            return by_documents(self._forward, x, state, cu_seqlens, return_state, step, begun=begun)
        return self._forward(x, state, return_state=bool(return_state))

    def _forward(self, x: Tensor, state: MACState | None, *, return_state: bool) -> tuple[Tensor, Any]:
        """Mix for rows in step."""
        if state is not None:
            heads = self.config.heads
            check_state(state, MACState, x, keys=(x.shape[0], heads, 2, None, x.shape[2] // heads))
        outputs, start = [], 0
        while start < x.shape[1]:
            opened = 0 if state is None else state.keys.shape[3]
            stop = min(x.shape[1], start + self.config.segment - opened)
            more = return_state or stop < x.shape[1]
            y, state = self._forward_piece(x[:, start:stop], state, more)
            outputs.append(y)
            start = stop
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, 1), state

    def _forward_piece(self, x: Tensor, state: MACState | None, return_state: bool) -> tuple[Tensor, MACState | None]:
        """Mix tokens of one segment."""
        if state is None:
            state = self._started(x)
        h = self.memory.retrieve(x, state.context)
        q, k, v = self.heads(x)
        remembered = self.heads.keys_and_values(h)
        keys = torch.cat([state.keys, torch.stack([remembered[0], k], 2)], 3)
        values = torch.cat([state.values, torch.stack([remembered[1], v], 2)], 3)
        y = self._attend(q, keys, values)
        m, memory = self.memory(self.memory_input_norm(y), state.memory, return_state=return_state)
        o = self.fusion(y, m)
        if not return_state:
            return o, None
        if keys.shape[3] < self.config.segment:
            return o, MACState(memory, state.context, keys, values)
        return o, self._begun(memory, keys, values)

    def _attend(self, q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        length, past, base = q.shape[2], keys.shape[3] - q.shape[2], self.config.rope_base
        prefix = self.heads.prefix(q)
        turned = (rotated(q, past, base), rotated(keys, 0, base).flatten(2, 3))
        seen = torch.ones(length, past + length, dtype=torch.bool, device=q.device).tril(past)
        mask = F.pad(torch.cat([seen, seen], -1), (prefix[0].shape[2], 0), value=True)
        v = torch.cat([prefix[1], values.flatten(2, 3)], 2)
        return self.heads.joined(attend(q, prefix[0], v, mask, turned))

    def _begun_rows(self, rows: int) -> MACState:
        """The state of rows before their first token, for a batch in which others have read something."""
        rule = self.config.memory.rule
        weights, first = rule.current_weights(self.memory.initial_state()), rule.architecture.first_learning
        context = tuple(w if layer < first else w.expand(rows, *w.shape) for layer, w in enumerate(weights))
        memory = self.memory.begun(rows)
        empty = self.heads.project.weight.new_zeros(rows, self.config.heads, 2, 0, self.memory.dim // self.config.heads)
        return MACState(memory, context, empty, empty)

    def _started(self, x: Tensor) -> MACState:
        """The state before a sequence's first token."""
        empty = x.new_zeros(x.shape[0], self.config.heads, 2, 0, x.shape[-1] // self.config.heads)
        return self._begun(None, empty, empty)

    def _begun(self, memory: NeuralMemoryState | None, keys: Tensor, values: Tensor) -> MACState:
        """The state in which a segment begins."""
        rule = self.config.memory.rule
        stored = self.memory.initial_state() if memory is None else memory.memory
        return MACState(memory, rule.current_weights(stored), keys[:, :, :, :0], values[:, :, :, :0])
