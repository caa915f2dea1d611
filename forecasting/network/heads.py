"""From token features to the horizon: the flatten head, and the decoder of known-future covariates."""

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True)
class HeadConfig:
    """The head that turns the tokens of a channel into its forecast.

    Attributes:
        kind: "flatten" maps all tokens of a channel at once (PatchTST); "last" maps the last token alone, so
            that everything before it must come through the sequence mixer.
        dropout: probability of dropping a feature before the linear map, in [0, 1).
        rank: inner dimension of a two-factor map, which bounds the cost at long horizons; 0 for one full map.
        skip: add a linear map of the normalised context, shared by all channels.
    """

    kind: Literal["flatten", "last"] = "flatten"
    dropout: float = 0.1
    rank: int = 0
    skip: bool = False


class Head(nn.Module):
    """Linear map from the tokens of a channel to `horizon * size` numbers, the same for every channel.

    Args:
        config: kind, dropout and rank.
        tokens: number of tokens N of a channel.
        width: number of features D of a token.
        horizon: number of steps H to forecast.
        size: numbers per step the output needs.

    Example:
        >>> import torch
        >>> head = Head(HeadConfig(), tokens=12, width=8, horizon=24, size=3)
        >>> head(torch.zeros(2, 7, 12, 8)).shape
        torch.Size([2, 24, 7, 3])
    """

    def __init__(self, config: HeadConfig, tokens: int, width: int, horizon: int, size: int) -> None:
        super().__init__()
        self.kind = config.kind
        self.size = size
        features = width * (tokens if config.kind == "flatten" else 1)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)
        if config.rank:
            self.project = nn.Sequential(
                nn.Linear(features, config.rank, bias=False), nn.Linear(config.rank, horizon * size)
            )
        else:
            self.project = nn.Linear(features, horizon * size)

    def forward(self, tokens: Float[Tensor, "B V N D"]) -> Float[Tensor, "B H V P"]:
        """Forecast every channel from its tokens."""
        used = tokens if self.kind == "flatten" else tokens[:, :, -1:]
        flat = self.dropout(self.norm(used).flatten(-2))
        return self.project(flat).unflatten(-1, (-1, self.size)).transpose(1, 2)


class FutureCovariates(nn.Module):
    """Correction of the forecast by the covariates known at each future step, given the state of the channel.

    Starts as zero, so that covariates without information leave the forecast as it is.

    Args:
        known: number of known-future covariates F.
        tokens: number of tokens N of a channel.
        width: number of features D of a token.
        size: numbers per step the output needs.

    Example:
        >>> import torch
        >>> decoder = FutureCovariates(known=2, tokens=12, width=8, size=1)
        >>> decoder(torch.zeros(4, 7, 12, 8), torch.zeros(4, 24, 2)).shape
        torch.Size([4, 24, 7, 1])
    """

    def __init__(self, known: int, tokens: int, width: int, size: int) -> None:
        super().__init__()
        self.state = nn.Linear(tokens * width, width)
        self.step = nn.Linear(known, width, bias=False)
        self.project = nn.Linear(width, size)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, tokens: Float[Tensor, "B V N D"], known: Float[Tensor, "B H F"]) -> Float[Tensor, "B H V P"]:
        """Return what is to be added to the head's numbers."""
        state = self.state(tokens.flatten(-2))[:, None]
        return self.project(nn.functional.gelu(state + self.step(known)[:, :, None]))
