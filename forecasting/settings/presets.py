"""Named hyper-parameters: one table for users' own series, one for the long-horizon benchmark sets."""

import difflib
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from titans_seq.errors import UserError
from titans_seq.experiment.overrides import override
from titans_seq.layers import GateConfig, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule

from ..network.cycle import CycleConfig
from ..network.heads import HeadConfig
from ..network.mixers import AttentionMixer, Direction, GRUMixer, IdentityMixer, MemoryMixer
from ..network.normalise import NormaliseConfig
from ..network.outputs import Output, Point, Quantiles
from ..network.simba import MLPConfig
from ..network.simba_network import NetworkConfig
from ..network.tokens import PatchConfig, VariateConfig
from .optimiser import USUAL, OptimiserConfig


@dataclass(frozen=True)
class Recipe:
    """Everything that fixes a training run besides the data, its context and horizon, and the seed.

    Attributes:
        network: the parts of the network.
        output: what is forecast and with which loss.
        optimiser: optimiser, schedule and stopping.
        batch_size: windows a training step.
        batches_per_epoch: at most so many training batches an epoch, drawn anew each time; None for all.
        validation_windows: score epochs on about so many windows, always the same; None for all. Whatever it
            says, a final score takes every window.
    """

    network: NetworkConfig = field(default_factory=lambda: NetworkConfig(mixer=MemoryMixer()))
    output: Output = field(default_factory=Quantiles)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    batch_size: int = 64
    batches_per_epoch: int | None = None
    validation_windows: int | None = None


_MEMORY = MemoryMixer(NeuralMemoryConfig(heads=2, chunk_size=16))

CONTROLS: dict[str, object] = {
    "identity": IdentityMixer(),
    "gru": GRUMixer(),
    "attention": AttentionMixer(),
}
"""Mixers that can stand in for a recipe's own memory, by name."""

MIXERS = ("memory", *CONTROLS)
"""Names of the sequence mixers, the neural memory first."""

PRESETS: dict[str, Recipe] = {
    "small": Recipe(
        network=NetworkConfig(mixer=_MEMORY, width=16, layers=1),
        optimiser=OptimiserConfig(lr=3e-3, epochs=10),
        batch_size=32,
        batches_per_epoch=100,
        validation_windows=1024,
    ),
    "default": Recipe(
        network=NetworkConfig(mixer=_MEMORY, width=32, layers=1),
        optimiser=USUAL,
        batch_size=64,
        batches_per_epoch=200,
        validation_windows=2048,
    ),
    "large": Recipe(
        network=NetworkConfig(mixer=_MEMORY, width=64, layers=2),
        optimiser=OptimiserConfig(lr=1e-3, epochs=30, patience=5),
        batch_size=64,
    ),
}
"""For users' own series: quantile forecasts, from quick to thorough."""


# On the benchmark sets a whole sequence, of time or of channels, is one chunk of a linear memory. So few unlike keys
# stand a larger step than the default. benchmarks/RESULTS.md says how far validation chose the settings below.
_SHORT = NeuralMemoryConfig(
    heads=4, convolution=0, chunk_size=32, rule=MemoryRule(LinearMemory()), gates=GateConfig(max_step=8.0)
)


def _point_network(
    tokens: PatchConfig | VariateConfig,
    size: tuple[int, int],
    dropout: tuple[float, float],
    periods: tuple[int, ...],
    direction: Direction = "forward",
) -> NetworkConfig:
    """What the benchmark networks share; `size` is width and layers, `dropout` that of the blocks and of the head."""
    return NetworkConfig(
        tokens=tokens,
        mixer=MemoryMixer(_SHORT, direction),
        channel_mixer=MLPConfig(),
        width=size[0],
        layers=size[1],
        dropout=dropout[0],
        cycle=CycleConfig(periods),
        head=HeadConfig(dropout=dropout[1]),
    )


_ETT_HOUR = Recipe(
    network=_point_network(PatchConfig(48, 48, channel_embedding=True), (64, 1), (0.3, 0.6), (24,)),
    output=Point("mae"),
    optimiser=OptimiserConfig(lr=1e-3, epochs=8, patience=3, averaging=0.995, monitor="mse"),
    batch_size=64,
)

_ETT_MINUTE = Recipe(
    network=_point_network(PatchConfig(24, 24, channel_embedding=True), (64, 2), (0.1, 0.3), (96,)),
    output=Point("mae"),
    optimiser=OptimiserConfig(lr=2e-3, epochs=8, patience=3, averaging=0.99, monitor="mse"),
    batch_size=64,
    batches_per_epoch=200,
    validation_windows=1536,
)

_WEATHER = Recipe(
    network=_point_network(VariateConfig(), (128, 2), (0.2, 0.3), (144,), "alternating"),
    output=Point("mae"),
    optimiser=OptimiserConfig(lr=2e-3, epochs=6, patience=3, averaging=0.99, monitor="mse"),
    batch_size=32,
    batches_per_epoch=200,
    validation_windows=1024,
)

_RANDOM_WALK = Recipe(
    network=replace(
        _point_network(VariateConfig(), (32, 1), (0.3, 0.3), (), "alternating"), normalise=NormaliseConfig("last_value")
    ),
    output=Point("mae"),
    optimiser=OptimiserConfig(lr=3e-4, epochs=8, patience=3, monitor="mse"),
    batch_size=64,
)

_MANY_CHANNELS = override(_WEATHER, {"network.cycle.periods": (24, 168), "batch_size": 8, "batches_per_epoch": 300})

BENCHMARK_DEFAULT = override(_ETT_HOUR, {"network.cycle.periods": ()})
"""For a benchmark set without an entry of its own."""

BENCHMARK_RECIPES: dict[str, Recipe] = {
    "ETTh1": _ETT_HOUR,
    "ETTh2": _ETT_HOUR,
    "ETTm1": _ETT_MINUTE,
    "ETTm2": _ETT_MINUTE,
    "Weather": _WEATHER,
    "Exchange": _RANDOM_WALK,
    "ECL": _MANY_CHANNELS,
    "Traffic": _MANY_CHANNELS,
}
"""By name of the benchmark set, for every horizon without an entry in `HORIZON_RECIPES`."""

HORIZON_RECIPES: dict[tuple[str, int], Recipe] = {}
"""By name of the benchmark set and horizon, before `BENCHMARK_RECIPES`."""


def find_preset(name: str) -> Recipe:
    """Return the preset for users' own series called `name`.

    Raises:
        UserError: no preset has this name.

    Example:
        >>> find_preset("small").network.width
        16
    """
    return PRESETS[_known("preset", name, PRESETS)]


def benchmark_recipe(dataset: str, horizon: int) -> Recipe:
    """Return the recipe of a benchmark set at a horizon.

    Example:
        >>> benchmark_recipe("ETTm1", 96).network.cycle.periods
        (96,)
    """
    return HORIZON_RECIPES.get((dataset, horizon), BENCHMARK_RECIPES.get(dataset, BENCHMARK_DEFAULT))


def with_mixer(recipe: Recipe, mixer: str) -> Recipe:
    """Return the same recipe with another sequence mixer; "memory" keeps the recipe's own.

    Raises:
        UserError: no mixer has this name.

    Example:
        >>> with_mixer(Recipe(), "identity").network.mixer
        IdentityMixer()
    """
    return replace(recipe, network=replace_mixer(recipe.network, mixer))


def replace_mixer(network: NetworkConfig, mixer: str) -> NetworkConfig:
    """Return the same network with another sequence mixer; "memory" keeps a memory that is there already.

    Raises:
        UserError: no mixer has this name.

    Example:
        >>> type(replace_mixer(NetworkConfig(), "gru").mixer).__name__
        'GRUMixer'
    """
    _known("mixer", mixer, MIXERS)
    if mixer == "memory":
        return network if isinstance(network.mixer, MemoryMixer) else replace(network, mixer=_MEMORY)
    return replace(network, mixer=CONTROLS[mixer])


def _known(what: str, name: str, known: Collection[str]) -> str:
    if name in known:
        return name
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UserError(f"unknown {what} {name!r}: expected one of {', '.join(known)}{hint}")
