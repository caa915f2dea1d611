"""The forecasting network: normalise, take out the cycle, embed, Simba blocks, head, put everything back."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor, nn

from titans_seq.errors import require_at_least

from .batch import WindowBatch
from .cycle import CycleConfig, LearnedCycle
from .einfft import EinFFTConfig
from .heads import FutureCovariates, Head, HeadConfig
from .mixers import MemoryMixer, Mixer
from .normalise import InstanceNormalise, NormaliseConfig
from .outputs import Output
from .simba import MLPConfig, SimbaBlock
from .tokens import PatchConfig, PatchTokens, VariateConfig, VariateTokens


@dataclass(frozen=True)
class NetworkConfig:
    """The whole network, one small config per part.

    Attributes:
        tokens: patches per channel (default) or variates as tokens.
        mixer: the sequence mixer, a config class of `mixers.BUILDERS`; the neural memory by default.
        channel_mixer: EinFFT (default) or an MLP.
        width: number of features D of a token.
        layers: number of Simba blocks.
        dropout: inside the blocks, in [0, 1).
        normalise: instance normalisation.
        cycle: learned seasonal cycles; none by default.
        head: the map from tokens to the horizon.

    Raises:
        UserError: if width or layers is below 1.
    """

    tokens: PatchConfig | VariateConfig = field(default_factory=PatchConfig)
    mixer: Mixer = field(default_factory=MemoryMixer)
    channel_mixer: EinFFTConfig | MLPConfig = field(default_factory=EinFFTConfig)
    width: int = 64
    layers: int = 2
    dropout: float = 0.1
    normalise: NormaliseConfig = field(default_factory=NormaliseConfig)
    cycle: CycleConfig = field(default_factory=CycleConfig)
    head: HeadConfig = field(default_factory=HeadConfig)

    def __post_init__(self) -> None:
        require_at_least(self, width=1, layers=1)


@dataclass(frozen=True)
class DataShape:
    """The sizes a network is built for.

    Attributes:
        channels: number of channels V, at least 1.
        context: number of context steps L, at least 1.
        horizon: number of steps H to forecast, at least 1.
        known: number F of covariates known for the future.
        past: number P of covariates known for the past only.
        static: number S of numbers that hold for a whole series.
    """

    channels: int
    context: int
    horizon: int
    known: int = 0
    past: int = 0
    static: int = 0

    def __post_init__(self) -> None:
        for name in ("channels", "context", "horizon", "known", "past", "static"):
            least = 1 if name in ("channels", "context", "horizon") else 0
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")


class SimbaNetwork(nn.Module):
    """Simba-style forecaster from a `WindowBatch` to the parameters of an output.

    Args:
        config: the parts.
        shape: sizes of the data.
        output: what the last axis of the result means.

    Example:
        >>> from forecasting.network.outputs import Point
        >>> shape = DataShape(channels=2, context=32, horizon=4)
        >>> network = SimbaNetwork(NetworkConfig(width=8), shape, Point())
        >>> past, future = torch.randn(3, 32, 2), torch.randn(3, 4, 2)
        >>> batch = WindowBatch(past, past.isfinite(), torch.zeros(3, 36, 0), torch.zeros(3, 32, 0),
        ...                     torch.zeros(3, dtype=torch.int64), future, future.isfinite(), torch.zeros(3, 0))
        >>> network(batch).shape
        torch.Size([3, 4, 2, 1])
    """

    def __init__(self, config: NetworkConfig, shape: DataShape, output: Output) -> None:
        super().__init__()
        self.shape = shape
        self.output = output
        self.normalise = InstanceNormalise(config.normalise, shape.channels)
        self.cycle = LearnedCycle(config.cycle, shape.channels) if config.cycle.periods else None
        covariates = shape.known + shape.past
        sizes = (shape.context, shape.channels, covariates, config.width)
        if isinstance(config.tokens, PatchConfig):
            self.tokens = PatchTokens(config.tokens, *sizes)
            per_channel = self.tokens.count
        else:
            self.tokens = VariateTokens(*sizes)
            per_channel = 1
        self.blocks = nn.Sequential(
            *(
                SimbaBlock(config.mixer, config.channel_mixer, config.width, config.dropout, layer)
                for layer in range(config.layers)
            )
        )
        self.head = Head(config.head, per_channel, config.width, shape.horizon, output.size)
        self.skip = nn.Linear(shape.context, shape.horizon) if config.head.skip else None
        self.future = FutureCovariates(shape.known, per_channel, config.width, output.size) if shape.known else None
        # Behind all others: the same seed gives a network without static columns the same weights.
        self.static = nn.Linear(shape.static, config.width, bias=False) if shape.static else None

    def forward(self, batch: WindowBatch) -> Float[Tensor, "B H V P"]:
        """Return the output's parameters on the scale of `batch.past`."""
        context, horizon = self.shape.context, self.shape.horizon
        past, level = self.normalise(batch.past, batch.observed)
        shift = past.new_zeros(())
        if self.cycle is not None:
            cycle_past, shift = self.cycle(batch.phase, context, horizon)
            past = (past - cycle_past).masked_fill(~batch.observed, 0.0)
        if self.skip is not None:
            shift = shift + self.skip(past.transpose(1, 2)).transpose(1, 2)
        covariates = torch.cat((batch.known[:, :context], batch.past_only), dim=-1)
        tokens = self.tokens(past, batch.observed, covariates)
        if self.static is not None:
            tokens = tokens + self.static(batch.static)[:, None, None]
        mixed = self.blocks(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])
        if isinstance(self.tokens, VariateTokens):
            mixed = mixed.transpose(1, 2)[:, -self.shape.channels :]
        raw = self.head(mixed)
        if self.future is not None:
            raw = raw + self.future(mixed, batch.known[:, context:])
        return self.output.parameters(raw.float(), level.loc + level.scale * shift, level.scale)


def build_network(
    config: NetworkConfig,
    output: Output,
    *,
    channels: int,
    context: int,
    horizon: int,
    known: int = 0,
    past: int = 0,
    static: int = 0,
    seed: int = 0,
) -> SimbaNetwork:
    """Build a network whose initial weights depend on `seed` alone.

    Args:
        config: the parts.
        output: what is forecast, see `forecasting.network.outputs`.
        channels: number of channels V, at least 1.
        context: number of context steps L, at least 1.
        horizon: number of steps H to forecast, at least 1.
        known: number F of covariates known for the future.
        past: number P of covariates known for the past only.
        static: number S of numbers that hold for a whole series.
        seed: of the initial weights; the global random state is left as it was.

    Raises:
        ValueError: if a size is out of range or does not fit the config.

    Example:
        >>> from forecasting.network.outputs import Point
        >>> sizes = {"channels": 1, "context": 16, "horizon": 4}
        >>> a, b = (build_network(NetworkConfig(width=8), Point(), seed=3, **sizes) for _ in range(2))
        >>> all(torch.equal(p, q) for p, q in zip(a.parameters(), b.parameters()))
        True
    """
    shape = DataShape(channels=channels, context=context, horizon=horizon, known=known, past=past, static=static)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SimbaNetwork(config, shape, output)
