"""Draw batches of made-up series: a calendar gives length and periods, a family the process, then come the flaws."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from . import measurement, processes
from .settings import GeneratorConfig

Process = Callable[[np.random.Generator, np.ndarray, int], np.ndarray]

FAMILIES: Mapping[str, Process] = {
    "decomposed": processes.decomposed,
    "structural": processes.structural,
    "autoregressive": processes.autoregressive,
    "integrated": processes.integrated,
    "regimes": processes.regimes,
    "threshold": processes.threshold,
    "mean_reverting": processes.mean_reverting,
    "spectral": processes.spectral,
    "long_memory": processes.long_memory,
    "pulses": processes.pulses,
}
"""Every process by the name that `Families` weighs."""

Effect = Callable[[np.random.Generator, np.ndarray], np.ndarray]

EFFECTS: tuple[tuple[str, Effect], ...] = (
    ("mixed", measurement.mixed),
    ("flipped", measurement.flipped),
    ("multiplicative", measurement.multiplicative),
    ("shifted", measurement.shifted),
    ("counts", measurement.counts),
    ("intermittent", measurement.intermittent),
    ("with_outliers", measurement.with_outliers),
    ("bounded", measurement.bounded),
    ("rounded", measurement.rounded),
    ("held", measurement.held),
)
"""Every effect by the name in `Effects`, in the order in which they are applied."""

CALENDARS: tuple[tuple[tuple[int, ...], float], ...] = (
    ((), 0.12),
    ((4,), 0.13),
    ((12,), 0.25),
    ((52,), 0.06),
    ((7,), 0.08),
    ((7, 365), 0.04),
    ((24,), 0.08),
    ((24, 168), 0.09),
    ((48, 336), 0.04),
    ((96, 672), 0.03),
    ((144,), 0.02),
    ((0,), 0.06),
)
"""Periods that occur together, with their shares; `(0,)` stands for one period drawn between 2 and 400."""


@dataclass(frozen=True, eq=False)
class SyntheticBatch:
    """N series of L steps.

    Attributes:
        values: float64 `[N, L]`, finite everywhere.
        observed: bool `[N, L]`, False where a value counts as missing.
        periods: int64 `[N, 2]`, the periods drawn for each series, the shorter first; 1 where there is none. A family
            without a season, or a series that lost it by chance, has them all the same.
        families: the family of each series.
    """

    values: np.ndarray
    observed: np.ndarray
    periods: np.ndarray
    families: tuple[str, ...]


def draw_periods(rng: np.random.Generator, rows: int, length: int) -> np.ndarray:
    """Draw the periods of every series, `[N, 2]`, 1 for none; a period is at most two thirds of the length."""
    weights = np.array([share for _, share in CALENDARS])
    drawn = np.ones((rows, 2), np.int64)
    for row, choice in enumerate(rng.choice(len(CALENDARS), size=rows, p=weights / weights.sum())):
        periods = CALENDARS[choice][0]
        if periods == (0,):
            periods = (int(np.exp(rng.uniform(np.log(2), np.log(400)))),)
        fitting = [period for period in periods if 1.5 * period <= length]
        drawn[row, : len(fitting)] = fitting
    return drawn


def generate(rng: np.random.Generator, rows: int, length: int, config: GeneratorConfig | None = None) -> SyntheticBatch:
    """Draw a batch of series; the same generator state gives the same batch.

    Args:
        rng: the source of chance.
        rows: N, at least 1.
        length: L, at least 4.
        config: shares of families and effects; None takes the usual ones.

    Raises:
        ValueError: if `rows` or `length` is too small.

    Example:
        >>> batch = generate(np.random.default_rng(0), rows=8, length=60)
        >>> batch.values.shape, bool(np.isfinite(batch.values).all())
        ((8, 60), True)
    """
    if rows < 1 or length < 4:
        raise ValueError(f"rows must be at least 1 and length at least 4, got {rows} and {length}")
    config = config or GeneratorConfig()
    periods = draw_periods(rng, rows, length)
    names, weights = map(list, zip(*asdict(config.families).items(), strict=True))
    family = rng.choice(len(names), size=rows, p=np.array(weights) / sum(weights))
    values = np.empty((rows, length))
    for number in np.unique(family):
        mine = family == number
        values[mine] = FAMILIES[names[number]](rng, periods[mine, 0], length)
    values = _with_second_period(rng, values, periods)
    for name, effect in EFFECTS:
        hit = rng.random(rows) < getattr(config.effects, name)
        if hit.any():
            values[hit] = effect(rng, values[hit])
    values = np.where(np.isfinite(values), values, 0.0)
    gappy = rng.random(rows) < config.gaps
    observed = np.ones((rows, length), bool)
    if gappy.any():
        observed[gappy] = ~measurement.gaps(rng, int(gappy.sum()), length)
    return SyntheticBatch(values, observed, periods, tuple(names[number] for number in family))


def _with_second_period(rng: np.random.Generator, values: np.ndarray, periods: np.ndarray) -> np.ndarray:
    """Add the longer season of a pair: of its own, or by raising and lowering the shorter one's strength."""
    paired = periods[:, 1] > 1
    if not paired.any():
        return values
    count, length = int(paired.sum()), values.shape[1]
    longer = processes.seasons(rng, periods[paired, 1].astype(np.float64), length)
    spread = values[paired].std(1, keepdims=True)
    size = np.exp(rng.uniform(np.log(0.1), np.log(1.5), (count, 1)))
    added = values[paired] + spread * size * longer
    scaled = values[paired] * np.exp(np.clip(0.3 * size * longer, -2, 2))
    values[paired] = np.where(rng.random((count, 1)) < 0.6, added, scaled)
    return values
