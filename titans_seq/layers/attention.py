"""Causal attention with rotary positions over a window, behind persistent tokens, and with a bounded cache.

Keys are cached before their rotation and rotated anew in every call, counted from the oldest key in sight: the score of
a query and a key depends on their distance alone, so that a sequence may go on for ever without large angles.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.layers.configured import Configured
from titans_seq.layers.documents import Ragged, ReturnState, RowState, by_documents, check_state, without_padding
from titans_seq.layers.linear import some_outputs

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
    """

    heads: int = 4
    window: int | None = 2048
    persistent_tokens: int = 0
    rope_base: float = 10_000.0

    def __post_init__(self) -> None:
        for name, least in (("heads", 1), ("persistent_tokens", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.window is not None and self.window < 1:
            raise ValueError(f"window must be at least 1, or None for no limit, got {self.window}")
        if self.rope_base != 0 and not self.rope_base > 1:
            raise ValueError(f"rope_base must be above 1, or 0 for no positions, got {self.rope_base}")


@dataclass(frozen=True)
class AttentionState(RowState):
    """What the next token may still see.

    Attributes:
        keys: not rotated, `[B, heads, tokens, D]`.
        values: likewise.
        begins: how many of the tokens, the oldest, lie before each row's own beginning and are not seen, `[B]`; None
            if no row began later than the others.
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


def rotated(x: Tensor, first: int, base: float) -> Tensor:
    """Rotate `[..., T, D]` by rotary positions first, first + 1, ... (RoPE, arXiv 2104.09864; halves, as in Llama).

    Example:
        >>> x = torch.ones(1, 2)
        >>> torch.allclose(rotated(x, 0, 1e4), x)
        True
    """
    if not base:
        return x
    half, precise = x.shape[-1] // 2, torch.promote_types(x.dtype, torch.float32)
    rates = torch.exp(torch.arange(half, device=x.device, dtype=precise) * (-math.log(base) / half))
    angles = torch.arange(first, first + x.shape[-2], device=x.device, dtype=precise).unsqueeze(-1) * rates
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None,
    turned: tuple[Tensor, Tensor],
    prefix: int,
    causal: bool = False,
) -> Tensor:
    """Attend to keys with positions, and to a prefix of keys without.

    The prefix's scores must not depend on how far the sequence has come, so they take the query as it was before its
    rotation. A CPU is fastest with the two kinds of scores side by side. Elsewhere both come from one product, of
    queries and keys twice as wide, zero where they don't meet.

    Args:
        q: queries before their rotation, `[B, H, T, D]`.
        k: keys, `[B, H, prefix + S, D]`, those of the prefix first.
        v: values, likewise.
        mask: `[T, prefix + S]` or `[B, 1, T, prefix + S]`, True where a query sees a key; None if it sees all.
        turned: q and the S keys after the prefix, rotated.
        prefix: number of keys without position.
        causal: whether each query sees the keys up to its own, as many as there are queries; instead of a mask.

    Returns:
        `[B, H, T, D]`.
    """
    queries, keys = turned
    scale = q.shape[-1] ** -0.5
    if prefix and q.device.type == "cpu":
        scores = torch.cat([(scale * q) @ k[..., :prefix, :].mT, (scale * queries) @ keys.mT], -1)
        if mask is not None:  # added, since a sum costs the backward pass nothing
            scores = scores + scores.new_zeros(()).masked_fill(~mask, -math.inf)
        return scores.softmax(-1).to(v.dtype) @ v
    if prefix:
        queries = torch.cat([queries, q], -1)
        keys = torch.cat([F.pad(k[..., :prefix, :], (k.shape[-1], 0)), F.pad(keys, (0, k.shape[-1]))], -2)
    return F.scaled_dot_product_attention(queries, keys, v, attn_mask=mask, is_causal=causal, scale=scale)


class HeadProjections(nn.Module):
    """Queries, keys and values of a width split into heads, those of persistent tokens, and the way back.

    Args:
        heads: number of heads.
        dim: width.
        persistent_tokens: number of learned tokens.

    Raises:
        ValueError: if the width is not an even multiple of the heads.
    """

    def __init__(self, heads: int, dim: int, persistent_tokens: int) -> None:
        super().__init__()
        if dim % (2 * heads):
            raise ValueError(f"attention needs a width that is an even multiple of its heads, got {dim} and {heads}")
        self.heads = heads
        self.project = nn.Linear(dim, 3 * dim, bias=False)
        self.output = nn.Linear(dim, dim, bias=False)
        self.persistent = nn.Parameter(torch.randn(persistent_tokens, dim)) if persistent_tokens else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries, keys and values `[B, H, T, D]` of `[B, T, dim]`."""
        q, k, v = self.project(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return q, k, v

    def keys_and_values(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of tokens that ask nothing."""
        dim = x.shape[-1]
        k, v = some_outputs(self.project, x, dim, 3 * dim).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return k, v

    def prefix(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values of the persistent tokens, `[B, H, P, D]`, for a batch like `like`."""
        if self.persistent is None:
            return like[..., :0, :], like[..., :0, :]
        k, v = self.keys_and_values(self.persistent.to(like.dtype).unsqueeze(0))
        return k.expand(like.shape[0], -1, -1, -1), v.expand(like.shape[0], -1, -1, -1)

    def joined(self, y: Tensor) -> Tensor:
        """Project `[B, H, T, D]` back to `[B, T, dim]`."""
        return self.output(y.transpose(1, 2).flatten(-2))


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
    """Attention over the last `window` tokens behind persistent ones (Titans 4.2, figure 3b); all tokens without one.

    Args:
        config: the layer's options.
        dim: width of inputs and outputs.

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

        Args:
            x: `[B, T, dim]`, T >= 1.
            state: what the previous piece returned; None starts a sequence.
            attention_mask: see `titans_seq.layers.documents`, as for the next two.
            cu_seqlens: borders of documents packed in one row.
            return_state: pass False when no piece follows.

        Returns:
            Outputs shaped like x, and the state after the piece (None without `return_state`).
        """
        if attention_mask is not None:
            return without_padding(self, x, state, attention_mask, cu_seqlens, return_state)
        if cu_seqlens is not None or isinstance(state, Ragged):
            return by_documents(self._forward, x, state, cu_seqlens, return_state, _STEP)
        return self._forward(x, state, return_state=bool(return_state))

    def _forward(self, x: Tensor, state: AttentionState | None, *, return_state: bool) -> tuple[Tensor, Any]:
        """Attend for rows in step."""
        q, k, v = self.heads(x)
        begins = None
        if state is not None:
            check_state(state, AttentionState, x, keys=(k.shape[0], k.shape[1], None, k.shape[3]))
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
        keys, values = (torch.cat([prefix[0], k], 2), torch.cat([prefix[1], v], 2)) if count else (k, v)
        plain = sight.begins is None
        causal = plain and not count and 1 < q.shape[2] == k.shape[2] <= sight.reach
        sees_all = plain and q.shape[2] == 1  # what lies beyond its reach was cut off above
        seen = None if causal or sees_all else sight.mask(first, past + start, last, q.device)
        return attend(q, keys, values, seen, turned, count, causal)
