"""What measuring does to a series: multiplicative scales, counts, bounds, rounding, shifts, outliers, gaps."""

import numpy as np

from .components import log_uniform, standardise, uniform, where_rows


def multiplicative(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Exponentiate rows: growth becomes exponential, seasons and noise grow with the level."""
    rows = len(values)
    spread = np.maximum(values.std(1, keepdims=True), 1e-9)
    exponent = (values - values.mean(1, keepdims=True)) / spread * log_uniform(rng, 0.03, 1.0, rows)
    return np.exp(np.clip(exponent, -12, 12))


def counts(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Draw Poisson or overdispersed counts whose rate follows the rows, from rare to many."""
    rows = len(values)
    rate = np.exp(np.clip(standardise(values) * uniform(rng, 0.1, 0.9, rows), -5, 5)) * log_uniform(rng, 0.3, 200, rows)
    shape = log_uniform(rng, 1, 50, rows)
    spread = where_rows(rng, 0.4, rows)[:, None]
    rate = np.where(spread, rate * rng.gamma(np.broadcast_to(shape, rate.shape)) / shape, rate)
    return rng.poisson(np.minimum(rate, 1e6)).astype(np.float64)


def intermittent(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Draw demand that is zero at most steps: Bernoulli times, sizes of a negative binomial or the rows' own."""
    rows, length = values.shape
    happens = rng.random((rows, length)) < log_uniform(rng, 0.05, 0.7, rows)
    sizes = np.ceil(np.exp(standardise(values) * 0.4 + uniform(rng, 0, 3, rows)))
    return happens * sizes


def bounded(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Cut rows off at a quantile from below, from above or from both sides, or squash them into (0, 1)."""
    rows = len(values)
    low, high = np.quantile(values, [0.15, 0.85], axis=1)[..., None]
    kind = rng.choice(4, size=(rows, 1), p=[0.4, 0.2, 0.1, 0.3])
    squashed = 1 / (1 + np.exp(-standardise(values) * uniform(rng, 0.5, 2.5, rows)))
    return np.choose(kind, [np.maximum(values, low), np.minimum(values, high), np.clip(values, low, high), squashed])


def rounded(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Round rows to a step between a hundredth of and their whole standard deviation."""
    step = np.maximum(values.std(1, keepdims=True), 1e-9) * log_uniform(rng, 0.01, 1, len(values))
    return np.round(values / step) * step


def shifted(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Move the level of rows for good at one or two random steps."""
    rows, length = values.shape
    spread = values.std(1, keepdims=True)
    for _ in range(2):
        at = rng.integers(0, length, (rows, 1))
        values = values + (np.arange(length)[None] >= at) * rng.normal(size=(rows, 1)) * spread
    return values


def with_outliers(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Add spikes of several standard deviations at up to 4% of the steps."""
    rows, length = values.shape
    hit = rng.random((rows, length)) < log_uniform(rng, 0.002, 0.04, rows)
    return values + hit * rng.standard_t(3, size=values.shape) * 3 * values.std(1, keepdims=True)


def held(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Repeat every k-th value until the next one is measured (sample and hold)."""
    every = rng.integers(2, 9, (len(values), 1))
    steps = np.arange(values.shape[1])[None]
    return np.take_along_axis(values, steps - steps % every, axis=1)


def flipped(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Turn rows upside down."""
    return -values


def mixed(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """Average every row with another one, each standardised first (mixup of series)."""
    share = rng.beta(0.6, 0.6, (len(values), 1))
    return share * standardise(values) + (1 - share) * standardise(values[rng.permutation(len(values))])


def gaps(rng: np.random.Generator, rows: int, length: int) -> np.ndarray:
    """Choose steps that are missing: scattered ones and stretches; bool `[N, L]`."""
    missing = rng.random((rows, length)) < log_uniform(rng, 0.005, 0.3, rows)
    start = rng.integers(0, length, (rows, 1))
    stretch = (np.arange(length)[None] - start) % length < uniform(rng, 0, 0.25, rows) * length
    return np.where(where_rows(rng, 0.5, rows)[:, None], missing, stretch)
