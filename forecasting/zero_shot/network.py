"""The zero-shot network: patches of the context and of the unseen future, blocks with a memory, a decoder a step."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from titans_seq.config import from_dict
from titans_seq.layers import GateConfig, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule

from ..network.mixers import MemoryMixer, Mixer
from ..network.outputs import Quantiles
from ..network.simba import MLPConfig, SimbaBlock
from .features import BASES, CHANNELS, STEP_FEATURES, TOKEN_FEATURES, Features, token_features


def default_mixer() -> MemoryMixer:
    """Return the memory that the shipped weights were trained with."""
    gates = GateConfig(momentum_bias=-2.0, source="convolved", max_step=4.0)
    return MemoryMixer(NeuralMemoryConfig(heads=4, chunk_size=8, rule=MemoryRule(LinearMemory()), gates=gates))


@dataclass(frozen=True)
class ZeroShotConfig:
    """The zero-shot network.

    Attributes:
        mixer: what carries information from token to token, a config class of `network.mixers.BUILDERS`.
        width: features D of a token.
        layers: number of blocks.
        expansion: hidden width of a block's perceptron over D.
        patches: steps a token, one for each resolution, increasing. A context is read at the finest one that makes at
            most `tokens` tokens of it; what is longer than the coarsest allows is cut off.
        tokens: tokens of a context, at most.
        code: numbers a step that a token hands to the decoder.
        output: the quantiles.
    """

    mixer: Mixer = field(default_factory=default_mixer)
    width: int = 64
    layers: int = 4
    expansion: int = 3
    patches: tuple[int, ...] = (4, 16, 64)
    tokens: int = 64
    code: int = 16
    output: Quantiles = field(default_factory=Quantiles)

    @property
    def longest(self) -> int:
        """Longest context that is read."""
        return self.patches[-1] * self.tokens


class ZeroShotNetwork(nn.Module):
    """Forecast quantiles of any series from its features.

    Args:
        config: sizes and the mixer.
    """

    def __init__(self, config: ZeroShotConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embed = nn.ModuleDict(
            {str(patch): nn.Linear(patch * CHANNELS + TOKEN_FEATURES, 2 * width) for patch in config.patches}
        )
        self.mix_embedding = nn.Linear(2 * width, width)
        self.blocks = nn.Sequential(
            *(
                SimbaBlock(config.mixer, MLPConfig(config.expansion), width, 0.0, layer)
                for layer in range(config.layers)
            )
        )
        self.norm = nn.LayerNorm(width)
        self.codes = nn.ModuleDict({str(patch): nn.Linear(width, patch * config.code) for patch in config.patches})
        self.hidden = nn.Linear(config.code + STEP_FEATURES, width)
        self.out = nn.Linear(width, len(BASES) + config.output.size)
        with torch.no_grad():
            self.out.weight.mul_(0.1)

    def forward(self, features: Features, patch: int) -> Tensor:
        """Forecast.

        Args:
            features: with L and H multiples of `patch`.
            patch: steps a token, one of `config.patches`.

        Returns:
            Quantiles `[B, H, Q]`, increasing, in units of `features.scale` about `features.level`.
        """
        horizon = features.bases.shape[1]
        length = features.channels.shape[1] - horizon
        steps = features.channels.unflatten(1, (-1, patch)).flatten(2)
        tokens = torch.cat((steps, token_features(features, length, horizon, patch)), -1)
        x = self.mix_embedding(functional.silu(self.embed[str(patch)](tokens)))
        x = self.norm(self.blocks(x)[:, length // patch :])
        code = self.codes[str(patch)](x).unflatten(-1, (patch, -1)).flatten(1, 2)
        raw = self.out(functional.silu(self.hidden(torch.cat((code, features.steps), -1))))
        logits, raw = raw.split([len(BASES), self.config.output.size], -1)
        centre = (logits.softmax(-1) * features.bases).sum(-1, keepdim=True)
        spread = features.noise[:, :, None].expand_as(centre)
        return self.config.output.parameters(raw[:, :, None], centre, spread)[:, :, 0]


@dataclass(frozen=True)
class EnsembleConfig:
    """Zero-shot networks whose quantiles are averaged.

    Attributes:
        members: at least one, alike in resolutions, tokens of a context and quantiles.

    Raises:
        ValueError: if there is none, or they are unlike.
    """

    members: tuple[ZeroShotConfig, ...]

    def __post_init__(self) -> None:
        if len({(member.patches, member.tokens, member.output) for member in self.members}) != 1:
            raise ValueError(
                f"members must be alike in patches, tokens and output, and at least one, got {self.members}"
            )

    @property
    def patches(self) -> tuple[int, ...]:
        """Steps a token, one for each resolution, increasing."""
        return self.members[0].patches

    @property
    def tokens(self) -> int:
        """Tokens of a context, at most."""
        return self.members[0].tokens

    @property
    def longest(self) -> int:
        """Longest context that is read."""
        return self.members[0].longest

    @property
    def output(self) -> Quantiles:
        """The quantiles."""
        return self.members[0].output


class ZeroShotEnsemble(nn.Module):
    """Forecast the mean of several networks' quantiles.

    Args:
        config: the networks.
    """

    def __init__(self, config: EnsembleConfig) -> None:
        super().__init__()
        self.config = config
        self.members = nn.ModuleList(ZeroShotNetwork(member) for member in config.members)

    def forward(self, features: Features, patch: int) -> Tensor:
        """Forecast; see `ZeroShotNetwork`."""
        return torch.stack([member(features, patch) for member in self.members]).mean(0)


AnyConfig = ZeroShotConfig | EnsembleConfig
AnyNetwork = ZeroShotNetwork | ZeroShotEnsemble


def build_network(config: AnyConfig) -> AnyNetwork:
    """Build the network of a config, with random weights.

    Example:
        >>> small = ZeroShotConfig(width=8, layers=1)
        >>> len(build_network(EnsembleConfig((small, small))).members)
        2
    """
    return ZeroShotEnsemble(config) if isinstance(config, EnsembleConfig) else ZeroShotNetwork(config)


def network_config(saved: Mapping[str, Any]) -> AnyConfig:
    """Read the config of a network, or of several, as a model folder holds it."""
    return from_dict(saved, EnsembleConfig if "members" in saved else ZeroShotConfig)
