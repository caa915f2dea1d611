"""The Simba block: a sequence mixer and a channel mixer, each with its own residual connection."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from titans_seq.config import register

from .einfft import EinFFT, EinFFTConfig
from .mixers import build_mixer


@register("channel_mlp")
@dataclass(frozen=True)
class MLPConfig:
    """Two-layer perceptron with GELU as channel mixer, SiMBA's alternative to EinFFT.

    Attributes:
        expansion: hidden width as a multiple of the width.
    """

    expansion: int = 2


def build_channel_mixer(config: EinFFTConfig | MLPConfig, width: int) -> nn.Module:
    """Build the channel mixer a config describes.

    Example:
        >>> import torch
        >>> build_channel_mixer(MLPConfig(), 8)(torch.zeros(1, 3, 8)).shape
        torch.Size([1, 3, 8])
    """
    if isinstance(config, EinFFTConfig):
        return EinFFT(config, width)
    hidden = config.expansion * width
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))


class SimbaBlock(nn.Module):
    """X = X + DP(Mixer(LN X)), then X = X + DP(ChannelMixer(LN X)).

    Args:
        mixer: config of the sequence mixer, see `mixers.BUILDERS`.
        channel_mixer: config of the channel mixer.
        width: number of features D.
        dropout: probability of dropping an entry of either branch, in [0, 1).
        layer: number of the block, from 0; alternating mixers turn around in odd ones.

    Reference: arXiv 2403.15360, section 3; with the memory as mixer, arXiv 2501.00663, section 5.6.

    Example:
        >>> import torch
        >>> from forecasting.network.mixers import GRUMixer
        >>> SimbaBlock(GRUMixer(), EinFFTConfig(), width=8, dropout=0.1)(torch.zeros(2, 12, 8)).shape
        torch.Size([2, 12, 8])
    """

    def __init__(
        self, mixer: object, channel_mixer: EinFFTConfig | MLPConfig, width: int, dropout: float, layer: int = 0
    ) -> None:
        super().__init__()
        self.mixer_norm = nn.LayerNorm(width)
        self.mixer = build_mixer(mixer, width, layer)
        self.channel_norm = nn.LayerNorm(width)
        self.channel_mixer = build_channel_mixer(channel_mixer, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Apply both halves of the block to S sequences of N tokens."""
        x = x + self.dropout(self.mixer(self.mixer_norm(x)))
        return x + self.dropout(self.channel_mixer(self.channel_norm(x)))
