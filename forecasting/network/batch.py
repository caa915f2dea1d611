"""What a forecasting network sees: a batch of windows."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class WindowBatch:
    """Everything a forecasting network sees of B windows.

    Letters: B windows, L context steps, H horizon steps, V channels, F known and P past-only covariates, S numbers that
    hold for a whole series.

    Args:
        past: float32 [B, L, V], scaled values, 0 where not observed.
        observed: bool [B, L, V], False where a value is missing or lies before the start of its series.
        known: float32 [B, L + H, F], covariates known for the future (F may be 0).
        past_only: float32 [B, L, P], covariates known for the past only (P may be 0).
        phase: int64 [B], absolute number of the first context step (negative inside left padding).
        future: float32 [B, H, V], target values, 0 where not observed.
        future_observed: bool [B, H, V].
        static: float32 [B, S], what holds for the series of a window; None where there is no such.
    """

    past: Tensor
    observed: Tensor
    known: Tensor
    past_only: Tensor
    phase: Tensor
    future: Tensor
    future_observed: Tensor
    static: Tensor | None = None

    def __len__(self) -> int:
        return self.past.shape[0]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "WindowBatch":
        """Copy of the batch on `device` (tensors already there are shared)."""
        held = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) is not None}
        return WindowBatch(**{name: x.to(device, non_blocking=non_blocking) for name, x in held.items()})
