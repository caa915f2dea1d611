"""Named hyper-parameters: one table for users' own series, one for the long-horizon benchmark sets."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from titans_seq.errors import UserError
from titans_seq.layers import NeuralMemoryConfig

from .network.cycle import CycleConfig
from .network.forecaster import NetworkConfig
from .network.heads import HeadConfig
from .network.mixers import AttentionMixer, GRUMixer, IdentityMixer, MemoryMixer
from .network.normalise import NormaliseConfig
from .optimiser import OptimiserConfig
from .outputs import Output, Point, Quantiles

C = TypeVar("C")


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
        optimiser=OptimiserConfig(lr=1e-3, epochs=20, patience=4),
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


def _point(
    width: int, dropout: float, head_dropout: float, periods: tuple[int, ...], frequency: float = 0.8
) -> Recipe:
    """The shape all benchmark recipes share: one block, a point forecast, chosen by validation MSE."""
    return Recipe(
        network=NetworkConfig(
            mixer=_MEMORY,
            width=width,
            layers=1,
            dropout=dropout,
            cycle=CycleConfig(periods),
            head=HeadConfig(dropout=head_dropout),
        ),
        output=Point("mse", frequency),
        optimiser=OptimiserConfig(lr=1e-3, epochs=8, patience=3, monitor="mse"),
        batch_size=64,
    )


_HOURLY = replace(_point(32, 0.2, 0.3, (24,)), validation_windows=1280)
_QUARTER_HOURLY = replace(_point(32, 0.1, 0.1, (96,)), batches_per_epoch=150, validation_windows=1536)
_WEATHER = replace(
    _point(32, 0.1, 0.1, (144,)), batch_size=32, batches_per_epoch=150, validation_windows=1536
)
_RANDOM_WALK = NormaliseConfig("last_value")

BENCHMARK_DEFAULT = _point(32, 0.1, 0.2, ())
"""For a benchmark set without an entry of its own."""

BENCHMARK_RECIPES: dict[str, Recipe] = {
    "ETTh1": _HOURLY,
    "ETTh2": _HOURLY,
    "ETTm1": _QUARTER_HOURLY,
    "ETTm2": _QUARTER_HOURLY,
    "Weather": _WEATHER,
    "Exchange": replace(
        BENCHMARK_DEFAULT, network=replace(BENCHMARK_DEFAULT.network, normalise=_RANDOM_WALK)
    ),
    "ECL": replace(_point(32, 0.1, 0.1, (24, 168)), batch_size=8, batches_per_epoch=300),
    "Traffic": replace(_point(32, 0.1, 0.1, (24, 168)), batch_size=4, batches_per_epoch=300),
}
"""By name of the benchmark set, for every horizon without an entry in `HORIZON_RECIPES`."""

HORIZON_RECIPES: dict[tuple[str, int], Recipe] = {}
"""By name of the benchmark set and horizon, before `BENCHMARK_RECIPES`."""


def find_preset(name: str) -> Recipe:
    """The preset for users' own series called `name`.

    Raises:
        UserError: no preset has this name.

    Example:
        >>> find_preset("small").network.width
        16
    """
    return PRESETS[_known("preset", name, PRESETS)]


def benchmark_recipe(dataset: str, horizon: int) -> Recipe:
    """The recipe of a benchmark set at a horizon.

    Example:
        >>> benchmark_recipe("ETTm1", 96).network.cycle.periods
        (96,)
    """
    return HORIZON_RECIPES.get((dataset, horizon), BENCHMARK_RECIPES.get(dataset, BENCHMARK_DEFAULT))


def with_mixer(recipe: Recipe, mixer: str) -> Recipe:
    """The same recipe with another sequence mixer; "memory" keeps the recipe's own.

    Raises:
        UserError: no mixer has this name.

    Example:
        >>> with_mixer(Recipe(), "identity").network.mixer
        IdentityMixer()
    """
    return replace(recipe, network=replace_mixer(recipe.network, mixer))


def replace_mixer(network: NetworkConfig, mixer: str) -> NetworkConfig:
    """The same network with another sequence mixer; "memory" keeps a memory that is there already.

    Raises:
        UserError: no mixer has this name.

    Example:
        >>> replace_mixer(NetworkConfig(), "gru").mixer
        GRUMixer(bidirectional=False)
    """
    _known("mixer", mixer, MIXERS)
    if mixer == "memory":
        return network if isinstance(network.mixer, MemoryMixer) else replace(network, mixer=_MEMORY)
    return replace(network, mixer=CONTROLS[mixer])


def override(config: C, changes: Mapping[str, Any]) -> C:
    """A copy of nested frozen dataclasses with some fields changed.

    Args:
        config: the dataclass to start from.
        changes: new values by path, for example `{"optimiser.lr": 3e-3, "network.head.skip": True}`.

    Raises:
        UserError: a path names no field, or a value is of another type than the one it replaces.

    Example:
        >>> override(Recipe(), {"optimiser.lr": 0.01}).optimiser.lr
        0.01
    """
    for path, value in changes.items():
        config = _replace_at(config, path.split("."), value, path)
    return config


def _replace_at(config: Any, steps: list[str], value: Any, path: str) -> Any:
    names = _field_names(config)
    if steps[0] not in names:
        done = path.split(".")[: -len(steps)]
        where = f" of {'.'.join(done)}" if done else ""
        expected = f"one of {', '.join(names)}" if names else "nothing below it"
        raise UserError(f"override {path!r}: there is no field {steps[0]!r}{where}, expected {expected}")
    current = getattr(config, steps[0])
    new = _cast(current, value, path) if len(steps) == 1 else _replace_at(current, steps[1:], value, path)
    try:
        return replace(config, **{steps[0]: new})
    except ValueError as error:
        raise UserError(f"override {path!r}: {error}") from error


def _field_names(config: Any) -> list[str]:
    return [entry.name for entry in fields(config)] if is_dataclass(config) else []


def _cast(current: Any, value: Any, path: str) -> Any:
    if isinstance(value, list):
        value = tuple(value)
    if type(current) is float and type(value) is int:
        value = float(value)
    if current is not None and value is not None and type(value) is not type(current):
        raise UserError(
            f"override {path!r}: expected a value like {current!r} ({type(current).__name__}), got {value!r}"
        )
    return value


def _known(what: str, name: str, known: Any) -> str:
    if name in known:
        return name
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    raise UserError(f"unknown {what} {name!r}: expected one of {', '.join(known)}{hint}")
