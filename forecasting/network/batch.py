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
        static: float32 [B, S], what holds for the whole series of a window (S may be 0).
    """

    past: Tensor
    observed: Tensor
    known: Tensor
    past_only: Tensor
    phase: Tensor
    future: Tensor
    future_observed: Tensor
    static: Tensor

    def __len__(self) -> int:
        return self.past.shape[0]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "WindowBatch":
        """Copy of the batch on `device` (tensors already there are shared)."""
        moved = {f.name: getattr(self, f.name).to(device, non_blocking=non_blocking) for f in fields(self)}
        return WindowBatch(**moved)
