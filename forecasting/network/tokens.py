"""Turning a context window into tokens: patches of each channel, or one token a variate."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from titans_seq.config import register


@register("patches")
@dataclass(frozen=True)
class PatchConfig:
    """Overlapping patches of each channel, every channel its own sequence (PatchTST, arXiv 2211.14730).

    Attributes:
        length: steps in a patch; a context shorter than that is one patch.
        stride: steps from one patch to the next. The end is padded by one stride of the last value, so that
            96 steps with the default numbers are 12 patches.
        channel_embedding: add a learned vector per channel, which lets shared weights tell channels apart.
    """

    length: int = 16
    stride: int = 8
    channel_embedding: bool = False


@register("variates")
@dataclass(frozen=True)
class VariateConfig:
    """One token for the whole context of each channel; the sequence runs over channels (arXiv 2310.06625).

    Covariates are further tokens before those of the channels, so that causal mixers see them too.
    """


class PatchTokens(nn.Module):
    """Embed patches: linear map, learned positions, and additive embeddings of gaps and covariates.

    Args:
        config: patch length and stride.
        context: number of context steps L.
        channels: number of channels V.
        covariates: number of covariates known over the context (known-future and past-only together).
        width: number of features D of a token.

    Raises:
        ValueError: if length or stride is below 1.

    Example:
        >>> tokens = PatchTokens(PatchConfig(), context=96, channels=7, covariates=0, width=8)
        >>> past = torch.zeros(2, 96, 7)
        >>> tokens(past, past == 0, torch.zeros(2, 96, 0)).shape
        torch.Size([2, 7, 12, 8])
    """

    def __init__(self, config: PatchConfig, context: int, channels: int, covariates: int, width: int) -> None:
        super().__init__()
        if config.length < 1 or config.stride < 1:
            raise ValueError(f"patch length and stride must be at least 1, got {config.length} and {config.stride}")
        self.length = min(config.length, context)
        self.stride = min(config.stride, self.length)
        self.count = (context + self.stride - self.length) // self.stride + 1
        self.embed = nn.Linear(self.length, width)
        # Starts at zero and gets no gradient from windows without gaps: those train as if it did not exist.
        self.embed_gaps = nn.Linear(self.length, width, bias=False)
        nn.init.zeros_(self.embed_gaps.weight)
        self.embed_covariates = nn.Linear(self.length * covariates, width, bias=False) if covariates else None
        self.position = nn.Parameter(0.02 * torch.randn(self.count, width))
        self.channel = nn.Parameter(torch.zeros(channels, 1, width)) if config.channel_embedding else None

    def forward(
        self,
        past: Float[Tensor, "B L V"],
        observed: Bool[Tensor, "B L V"],
        covariates: Float[Tensor, "B L F"],
    ) -> Float[Tensor, "B V N D"]:
        """Return the tokens of every channel."""
        tokens = self.embed(self._patches(past)) + self.position
        tokens = tokens + self.embed_gaps(self._patches((~observed).to(past.dtype)))
        if self.channel is not None:
            tokens = tokens + self.channel
        if self.embed_covariates is not None:
            patches = self._patches(covariates).transpose(1, 2).flatten(-2)
            tokens = tokens + self.embed_covariates(patches)[:, None]
        return tokens

    def _patches(self, x: Tensor) -> Tensor:
        padded = functional.pad(x.transpose(1, 2), (0, self.stride), mode="replicate")
        return padded.unfold(-1, self.length, self.stride)


class VariateTokens(nn.Module):
    """Embed the whole context of each channel as one token, and each covariate as one more.

    Args:
        context: number of context steps L.
        channels: number of channels V.
        covariates: number of covariates known over the context.
        width: number of features D of a token.

    Example:
        >>> tokens = VariateTokens(context=96, channels=7, covariates=2, width=8)
        >>> past = torch.zeros(2, 96, 7)
        >>> tokens(past, past == 0, torch.zeros(2, 96, 2)).shape
        torch.Size([2, 1, 9, 8])
    """

    def __init__(self, context: int, channels: int, covariates: int, width: int) -> None:
        super().__init__()
        self.count = channels + covariates
        self.embed = nn.Linear(context, width)
        self.embed_gaps = nn.Linear(context, width, bias=False)
        nn.init.zeros_(self.embed_gaps.weight)
        # A recurrent mixer cannot tell its tokens apart by itself.
        self.position = nn.Parameter(0.02 * torch.randn(self.count, width))

    def forward(
        self,
        past: Float[Tensor, "B L V"],
        observed: Bool[Tensor, "B L V"],
        covariates: Float[Tensor, "B L F"],
    ) -> Float[Tensor, "B 1 N D"]:
        """Return one sequence of tokens a window, the covariates first."""
        everything = torch.cat((covariates, past), dim=-1).transpose(1, 2)
        gaps = functional.pad((~observed).to(past.dtype), (covariates.shape[-1], 0)).transpose(1, 2)
        return (self.embed(everything) + self.embed_gaps(gaps) + self.position)[:, None]
