"""Depthwise causal convolution that can stop and go on anywhere."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class CausalConvolution(nn.Module):
    """Mix each channel with its own last `width` values (Titans 4.4; width 4 in the NeurIPS version).

    Args:
        channels: number of channels.
        width: values each output sees, its own included; at least 2.

    Example:
        >>> convolution = CausalConvolution(8)
        >>> y, recent = convolution(torch.randn(2, 5, 8))
        >>> y.shape, recent.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 3, 8]))
    """

    def __init__(self, channels: int, width: int = 4) -> None:
        super().__init__()
        if width < 2:
            raise ValueError(f"a convolution sees at least 2 values, got width {width}; leave it out instead")
        self.weight = nn.Parameter(torch.empty(channels, 1, 1, width).uniform_(-(width**-0.5), width**-0.5))

    def forward(self, x: Tensor, recent: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolve.

        Args:
            x: `[B, T, channels]`, T >= 1.
            recent: the last `width - 1` inputs before x, `[B, width - 1, channels]`; zeros if None.

        Returns:
            Outputs shaped like x, and the inputs to pass on as `recent`.
        """
        past = self.weight.shape[-1] - 1
        padded = F.pad(x, (0, 0, past, 0)) if recent is None else torch.cat([recent, x], 1)
        # As a one-row image with its channels last, [B, T, D] needs no transposing copy.
        image = padded.mT.unsqueeze(2)
        y = F.conv2d(image, self.weight, groups=self.weight.shape[0]).squeeze(2).mT
        # A copy, because a view would keep the whole piece in memory for as long as the state lives.
        return y, padded[:, padded.shape[1] - past :].clone()
