"""What a scan is given, brought into one form: gates per set of layers, and tokens with those written again."""

from collections.abc import Sequence

import torch
from torch import Tensor

from titans_seq.memory import Gates, MemoryRule, MemoryState


def gates_of_layers(
    rule: MemoryRule,
    lr: Tensor,
    momentum: Tensor | None,
    decay: Tensor | None,
    k: Tensor,
    rows: Sequence[int],
    dtype: torch.dtype,
) -> list[Gates]:
    """Split gates by layer.

    Args:
        rule: the memory.
        lr: `[B, T, H]`, or `[B, T, H, layers]`.
        momentum: likewise, or None.
        decay: likewise; `[B, T, H, rows of all layers]` if the retention is per channel; or None.
        k: keys, `[B, T, H, K]`.
        rows: rows of each learning layer's weights.
        dtype: to compute in.

    Returns:
        One `Gates` if all learning layers share them, else one per learning layer. They are `[B, T, H]`, but a keep per
        channel is `[B, T, H, rows]`.
    """
    lr, k = lr.to(dtype), k.to(dtype)
    keep = rule.retention.keep(None if decay is None else decay.to(dtype), lr if lr.dim() == 3 else lr[..., 0])
    apart = rule.retention.per_channel or any(x is not None and x.dim() == 4 for x in (lr, momentum, decay))

    def layer(x: Tensor, number: int) -> Tensor:
        return x if x.dim() == 3 else x[..., number]

    return [
        Gates(
            rule.algorithm.rate(layer(lr, number), k),
            None if momentum is None else layer(momentum.to(dtype), number),
            keep.split(list(rows), -1)[number] if rule.retention.per_channel else layer(keep, number),
        )
        for number in range(len(rows) if apart else 1)
    ]


def written_after(
    state: MemoryState, k: Tensor, v: Tensor, threshold: Tensor | None, lookback: int, dtype: torch.dtype
) -> list[Tensor]:
    """Return what is written, after the tokens before it that are written again.

    Where the sequence has just begun those are zeros: a key of zero writes nothing into any layer, whatever the rule,
    as no layer has a bias and every activation is 0 at 0.

    Args:
        state: where the sequence goes on.
        k: keys `[B, T, H, K]`.
        v: values `[B, T, H, V]`.
        threshold: `[B, T, H]`, or None.
        lookback: how many tokens before it every token writes again.
        dtype: to compute in.

    Returns:
        Keys, values and, if given, thresholds, `[B, lookback + T, H, .]` each.
    """
    written = [x.to(dtype) for x in (k, v, *([] if threshold is None else [threshold.unsqueeze(-1)]))]
    if not lookback:
        return written
    recent = state.recent or [x.new_zeros(x.shape[0], lookback, *x.shape[2:]) for x in written]
    return [torch.cat(pair, 1) for pair in zip(recent, written, strict=True)]
