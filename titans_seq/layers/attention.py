"""Causal attention with rotary positions over a window, behind persistent tokens, and with a bounded cache.

Keys are cached before their rotation and rotated anew in every call, counted from the oldest key in sight: the score of
a query and a key depends on their distance alone, so that a sequence may go on for ever without large angles.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from titans_seq.borders import borders_of
from titans_seq.checks import check_input, check_whole
from titans_seq.layers.attention_documents import attend_documents, behind_states, seen_after
from titans_seq.layers.configured import Configured
from titans_seq.layers.documents import ReturnState, States, by_documents, without_first, without_padding
from titans_seq.layers.heads import HeadProjections, attend, check_rope_base, rotated
from titans_seq.layers.row_state import Ragged, RowState, check_state

# Tokens to a multiple of which packed documents run together; see `by_documents`.
_STEP = 64

# Queries at a time where no window says how many: it bounds the masks.
_BLOCK = 1024


@dataclass(frozen=True)
class AttentionConfig:
    """An attention layer; its width is given when it is built.

    Attributes:
        heads: number of heads, at least 1; the width must be an even multiple of it.
        window: tokens that each token sees, its own included, at least 1; None for all before it, whose cache grows.
        persistent_tokens: learned tokens that every token sees before all others (Titans eq. 19), at least 0.
        rope_base: base of the rotary angles, above 1; 0 leaves positions out.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> near, far = AttentionConfig(heads=2, window=4), AttentionConfig(heads=2, window=None)
        >>> states = [CausalAttention(config, dim=16)(torch.randn(1, 10, 16))[1] for config in (near, far)]
        >>> [state.keys.shape[2] for state in states]  # tokens that the next one may still see
        [3, 10]
    """

    heads: int = 4
    window: int | None = 2048
    persistent_tokens: int = 0
    rope_base: float = 10_000.0

    def __post_init__(self) -> None:
        check_whole(self, heads=1, persistent_tokens=0)
        if self.window is not None:
            check_whole(self, ", or None for no limit", window=1)
        check_rope_base(self.rope_base)


@dataclass(frozen=True)
class AttentionState(RowState):
    """What the next token may still see.

    Attributes:
        keys: not rotated, `[B, heads, tokens, D]`.
        values: likewise.
        begins: how many of the tokens, the oldest, lie before each row's own beginning and are not seen, `[B]`; None
            if no row began later than the others.

    Example:
        >>> _, state = CausalAttention(AttentionConfig(heads=2, window=4), dim=16)(torch.randn(3, 10, 16))
        >>> state.keys.shape, state.rows([2, 0]).batch
        (torch.Size([3, 2, 3, 8]), 2)
    """

    keys: Tensor
    values: Tensor
    begins: Tensor | None = None

    @property
    def batch(self) -> int:
        """Number of rows."""
        return self.keys.shape[0]

    @property
    def place(self) -> None:
        """None: rows that have seen fewer tokens begin later."""

    @classmethod
    def joined(cls, states: Sequence["AttentionState"]) -> "AttentionState":
        """Return one state with the rows of all."""
        tokens = max(state.keys.shape[2] for state in states)
        if all(state.begins is None and state.keys.shape[2] == tokens for state in states):
            return cls(torch.cat([state.keys for state in states]), torch.cat([state.values for state in states]))
        keys, values, begins = [], [], []
        for state in states:
            missing = tokens - state.keys.shape[2]
            keys.append(F.pad(state.keys, (0, 0, missing, 0)))
            values.append(F.pad(state.values, (0, 0, missing, 0)))
            begun = state.keys.new_zeros(state.batch, dtype=torch.long) if state.begins is None else state.begins
            begins.append(begun + missing)
        return cls(torch.cat(keys), torch.cat(values), torch.cat(begins))


@dataclass(frozen=True)
class _Sight:
    """Who sees whom in one call.

    Attributes:
        reach: keys that a query sees, the one at its own place included.
        begins: as in `AttentionState`.
        prefix: keys that all see.
        masks: the last one made. Blocks of queries that lie alike to their keys share it: all of a window's but the
            first. Without a window each block's is another, and together they would be a matrix of tokens x tokens.
    """

    reach: int
    begins: Tensor | None
    prefix: int
    masks: dict[tuple[int, ...], Tensor] = field(default_factory=dict)

    def mask(self, first: int, start: int, last: int, device: torch.device) -> Tensor:
        """Say which of the prefix and the keys first .. last each of the queries start .. last sees."""
        alike = (start - first, last - first, first if self.begins is not None else 0)
        if alike not in self.masks:
            keys_at = torch.arange(first, last, device=device)
            behind = torch.arange(start, last, device=device).unsqueeze(-1) - keys_at
            seen = (behind >= 0) & (behind < self.reach)
            if self.begins is not None:
                seen = seen & (keys_at >= self.begins[:, None, None, None])
            self.masks.clear()
            self.masks[alike] = F.pad(seen, (self.prefix, 0), value=True)
        return self.masks[alike]


class CausalAttention(Configured):
    """Attend to the last `window` tokens behind persistent ones (Titans 4.2, figure 3b); to all tokens without one.

    Args:
        config: the layer's options.
        dim: width of inputs and outputs.

    Raises:
        ValueError: if `dim` is not an even multiple of the heads.

    Example:
        >>> layer = CausalAttention(AttentionConfig(heads=2, window=4, persistent_tokens=1), dim=16)
        >>> x = torch.randn(1, 10, 16)
        >>> whole, _ = layer(x)
        >>> first, state = layer(x[:, :7])
        >>> second, _ = layer(x[:, 7:], state)
        >>> torch.allclose(whole, torch.cat([first, second], 1), atol=1e-5)
        True
    """

    meaning = ("heads", "window", "rope_base")

    def __init__(self, config: AttentionConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.dim = dim
        self.heads = HeadProjections(config.heads, dim, config.persistent_tokens)

    def forward(
        self,
        x: Tensor,
        state: AttentionState | Ragged | None = None,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        return_state: ReturnState = True,
    ) -> tuple[Tensor, Any]:
        """Attend within a piece of a sequence and to what its window reaches before it.

        Arguments and results are those of `NeuralMemory.forward`.
        """
        check_input(x, self.dim)
        if attention_mask is not None:
            return without_padding(self, x, state, attention_mask, cu_seqlens, return_state)
        if cu_seqlens is not None or isinstance(state, Ragged):
            together = self._together if self._is_near(x, state, cu_seqlens) else None
            return by_documents(self._forward, x, state, cu_seqlens, return_state, _STEP, together)
        return self._forward(x, state, return_state=bool(return_state))

    def _forward(self, x: Tensor, state: AttentionState | None, *, return_state: bool) -> tuple[Tensor, Any]:
        """Attend for rows in step."""
        q, k, v = self.heads(x)
        begins = None
        if state is not None:
            self._check(state, x)
            k, v, begins = torch.cat([state.keys, k], 2), torch.cat([state.values, v], 2), state.begins
        past, window = k.shape[2] - q.shape[2], self.config.window
        reach = k.shape[2] if window is None else window
        prefix = self.heads.prefix(k)
        # Without a window and a past, nothing but the order of tokens says who sees whom.
        causal = window is None and not past and not prefix[0].shape[2] and begins is None
        # Blocks of queries as long as the window: the scores are never wider than two windows.
        starts = range(0, q.shape[2], q.shape[2] if causal else max(window or _BLOCK, 64))
        sight = _Sight(reach, begins, prefix[0].shape[2])
        blocks = [self._block(q, k, v, prefix, sight, past, start, starts.step) for start in starts]
        y = self.heads.joined(blocks[0] if len(blocks) == 1 else torch.cat(blocks, 2))
        if not return_state:
            return y, None
        seen = k.shape[2] if window is None else window - 1
        first = max(0, k.shape[2] - seen)
        # Copies, because views would keep the whole piece in memory for as long as the state lives.
        begins = None if begins is None else (begins - first).clamp(min=0)
        return y, AttentionState(k[:, :, first:].clone(), v[:, :, first:].clone(), begins)

    def _check(self, state: Any, x: Tensor) -> None:
        """Refuse a state that rows like x cannot go on from."""
        heads = self.config.heads
        check_state(state, AttentionState, x, keys=(x.shape[0], heads, None, x.shape[2] // heads))

    def _is_near(self, x: Tensor, state: AttentionState | Ragged | None, cu_seqlens: Tensor | None) -> bool:
        """Whether what a token of some documents may see is short enough for `_together`."""
        if self.config.window is not None:
            return True
        if state is not None or cu_seqlens is None:
            return False
        return max(b - a for a, b in itertools.pairwise(borders_of(cu_seqlens, *x.shape[:2]))) <= _BLOCK

    def _together(
        self, x: Tensor, borders: Sequence[int], states: States, wanted: Sequence[int]
    ) -> tuple[Tensor, list[tuple[AttentionState, list[int]]]]:
        """Attend within packed documents in one pass; see `by_documents`."""
        for state, members in states:
            if state is not None:
                self._check(state, x.expand(len(members), -1, -1))
        q, k, v = self.heads(x)
        laid = behind_states((q, k, v), borders, states, self.config.window)
        y = attend_documents(laid, self.heads.prefix(q), self.config.rope_base)
        y = self.heads.joined(without_first(y.unsqueeze(0), borders, laid.past).transpose(1, 2))
        if not wanted:
            return y, []
        return y, [(AttentionState(*seen_after(laid, wanted, self.config.window)), list(range(len(wanted))))]

    def _block(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        prefix: tuple[Tensor, Tensor],
        sight: _Sight,
        past: int,
        start: int,
        length: int,
    ) -> Tensor:
        """Attend for the queries start .. start + length, the first of which is key past + start."""
        q = q[:, :, start : start + length]
        first, last = max(0, past + start - sight.reach + 1), past + start + q.shape[2]
        k, v, count = k[:, :, first:last], v[:, :, first:last], prefix[0].shape[2]
        turned = (
            rotated(q, past + start - first, self.config.rope_base),
            rotated(k, 0, self.config.rope_base),
        )
        values = torch.cat([prefix[1], v], 2) if count else v
        plain = sight.begins is None
        causal = plain and not count and 1 < q.shape[2] == k.shape[2] <= sight.reach
        sees_all = plain and q.shape[2] == 1  # what lies beyond its reach was cut off above
        seen = None if causal or sees_all else sight.mask(first, past + start, last, q.device)
        return attend(q, prefix[0], values, seen, turned, causal)
