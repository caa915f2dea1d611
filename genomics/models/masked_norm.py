"""Batch normalisation that never sees padding."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaskedNorm(nn.BatchNorm1d):
    """Normalise a batch over the positions that hold a base: padding enters no statistic."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Normalise `[B, D, T]` where the mask `[B, T]` is set; the rest becomes 0."""
        if mask.all() and mask.numel() > 1:
            return super().forward(x)
        channels_last = x.transpose(1, 2)
        normed = torch.zeros_like(channels_last)
        valid = channels_last[mask]
        # One position has no variance to learn from.
        normed[mask] = super().forward(valid) if len(valid) > 1 or not self.training else self._as_predicting(valid)
        return normed.transpose(1, 2)

    def as_linear(self) -> tuple[Tensor, Tensor]:
        """Return what each channel is multiplied by in prediction, and what is then added, `[D]` each.

        Example:
            >>> MaskedNorm(2).eval().as_linear()[1].tolist()
            [0.0, 0.0]
        """
        assert self.running_mean is not None
        assert self.running_var is not None
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        return scale, self.bias - self.running_mean * scale

    def _as_predicting(self, x: Tensor) -> Tensor:
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
