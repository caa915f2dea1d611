"""What attention over a window and over a segment share: rotary positions, heads, and keys without position."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.layers.linear import some_outputs


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
    prefix: Tensor,
    v: Tensor,
    mask: Tensor | None,
    turned: tuple[Tensor, Tensor],
    causal: bool = False,
) -> Tensor:
    """Attend to keys with positions, and to a prefix of keys without.

    The prefix's scores must not depend on how far the sequence has come, so they take the query as it was before its
    rotation. A CPU is fastest with the two kinds of scores side by side. Elsewhere both come from one product, of
    queries and keys twice as wide, zero where they don't meet.

    Args:
        q: queries before their rotation, `[B, H, T, D]`.
        prefix: keys without position, `[B | 1, H, P, D]`.
        v: values, `[B, H, P + S, D]`, those of the prefix first.
        mask: `[T, P + S]` or `[B, 1, T, P + S]`, True where a query sees a key; None if it sees all.
        turned: q and the S keys with positions, rotated.
        causal: whether each query sees the keys up to its own, as many as there are queries; instead of a mask.

    Returns:
        `[B, H, T, D]`.
    """
    queries, keys = turned
    scale = q.shape[-1] ** -0.5
    count = prefix.shape[2]
    if count and q.device.type == "cpu":
        scores = torch.cat([(scale * q) @ prefix.mT, (scale * queries) @ keys.mT], -1)
        if mask is not None:  # added, since a sum costs the backward pass nothing
            scores = scores + scores.new_zeros(()).masked_fill(~mask, -math.inf)
        return scores.softmax(-1).to(v.dtype) @ v
    if count:
        width, prefix = q.shape[-1], prefix.expand(len(q), -1, -1, -1)
        queries = torch.cat([queries, q], -1)
        keys = torch.cat([F.pad(prefix, (width, 0)), F.pad(keys, (0, width))], -2)
    return F.scaled_dot_product_attention(queries, keys, v, attn_mask=mask, is_causal=causal, scale=scale)


def check_rope_base(base: float) -> None:
    """Raise ValueError if rotary angles cannot have such a base.

    Example:
        >>> check_rope_base(0.5)
        Traceback (most recent call last):
        ...
        ValueError: rope_base must be above 1 and finite, or 0 for no positions, got 0.5
    """
    if base != 0 and not 1 < base < math.inf:
        raise ValueError(f"rope_base must be above 1 and finite, or 0 for no positions, got {base}")


class HeadProjections(nn.Module):
    """Project tokens to the queries, keys and values of heads, persistent tokens likewise, and heads back to tokens.

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
        """Return keys and values `[B, H, T, D]` of tokens `[B, T, dim]` that ask nothing."""
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
