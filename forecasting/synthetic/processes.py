"""Series that are no sum of parts: state-space models, ARMA, regimes, thresholds, volatility, long memory, GPs.

Every function has the signature `process(rng, periods, length)` with `periods` `[N]` (1 for no season) and returns
float64 `[N, L]` of order one.
"""

import numpy as np
from scipy import signal

from .components import log_uniform, log_variance, mostly_up, noises, seasons, standardise, trends, uniform, where_rows


def decomposed(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Trend plus season plus ARMA noise, in proportions from nearly clean to nearly all noise."""
    rows = len(periods)
    values = noises(rng, rows, length) * log_uniform(rng, 0.02, 1.2, rows)
    values += trends(rng, rows, length) * log_uniform(rng, 0.1, 6, rows) * ~where_rows(rng, 0.25, rows)[:, None]
    seasonal = (periods > 1) & ~where_rows(rng, 0.1, rows)
    if seasonal.any():
        size = log_uniform(rng, 0.1, 2.0, int(seasonal.sum()))
        values[seasonal] += seasons(rng, periods[seasonal], length) * size
    return values


def structural(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Local level, damped local slope, seasonal random walk and noise: the models behind exponential smoothing.

    Reference: Hyndman et al., Forecasting with Exponential Smoothing (2008), the additive class in its
    random-walk form with independent shocks.
    """
    rows = len(periods)
    shocks = noises(rng, rows, length)
    level = np.cumsum(rng.normal(size=(rows, length)), axis=1)
    values = shocks * (~where_rows(rng, 0.1, rows))[:, None]
    values += level * log_uniform(rng, 0.01, 1.5, rows) * ~where_rows(rng, 0.1, rows)[:, None]
    sloped, signs = np.flatnonzero(where_rows(rng, 0.75, rows)), mostly_up(rng, rows)[:, 0]
    for row in sloped:
        # A damped slope returns to 0 with rate 1 - phi; phi = 1 is the local linear trend.
        phi = 1.0 if rng.random() < 0.7 else rng.uniform(0.85, 0.995)
        steps = rng.normal(size=length) * np.exp(rng.uniform(np.log(0.001), np.log(0.2)))
        steps[0] += signs[row] * abs(rng.normal()) * np.exp(rng.uniform(np.log(0.02), np.log(1.5)))
        values[row] += np.cumsum(signal.lfilter([1], [1, -phi], steps))
    for period in np.unique(periods[periods > 1]):
        mine = np.flatnonzero((periods == period) & ~where_rows(rng, 0.12, rows))
        if len(mine):
            values[mine] += _seasonal_walk(rng, len(mine), length, int(round(period)))
    return values


def _seasonal_walk(rng: np.random.Generator, rows: int, length: int, period: int) -> np.ndarray:
    """A profile whose every place walks on its own from cycle to cycle."""
    cycles = -(-length // period)
    start = seasons(rng, np.full(rows, float(period)), period)[:, None] * log_uniform(rng, 0.3, 8, rows)[..., None]
    walk = np.cumsum(rng.normal(size=(rows, cycles, period)), axis=1)
    return (start + walk * log_uniform(rng, 0.01, 0.6, rows)[..., None]).reshape(rows, -1)[:, :length]


def autoregressive(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Draw AR(2) with real or complex roots, some around a trend or a season."""
    rows = len(periods)
    radius, angle = uniform(rng, 0.3, 0.99, rows), uniform(rng, 0, np.pi, rows)
    other = uniform(rng, -0.6, 0.9, rows)
    cyclic = where_rows(rng, 0.5, rows)[:, None]
    first = np.where(cyclic, 2 * radius * np.cos(angle), radius + other)
    second = np.where(cyclic, -(radius**2), -radius * other)
    shocks = rng.normal(size=(rows, length + 64))
    values = np.stack([signal.lfilter([1], [1, -first[i, 0], -second[i, 0]], shocks[i])[64:] for i in range(rows)])
    return standardise(values) + _some_of(rng, decomposed(rng, periods, length), 0.4)


def integrated(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Random walks, once or twice integrated, with drift: prices and stocks."""
    rows = len(periods)
    drift = np.abs(rng.normal(size=(rows, 1))) * mostly_up(rng, rows)
    steps = noises(rng, rows, length) + drift * log_uniform(rng, 0.02, 0.8, rows)
    twice = where_rows(rng, 0.2, rows)
    steps[twice] = standardise(np.cumsum(steps[twice], axis=1)) if twice.any() else steps[twice]
    walk = np.cumsum(steps, axis=1)
    return standardise(walk) + noises(rng, rows, length) * log_uniform(rng, 0.005, 0.2, rows)


def regimes(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Return two or three states of a Markov chain, each with its level, spread and memory."""
    rows = len(periods)
    stay = 1 - 1 / log_uniform(rng, 8, max(16, length / 2), rows)
    jumps = rng.random((rows, length)) > stay
    state = (np.cumsum(jumps, axis=1) + rng.integers(0, 3, (rows, 1))) % rng.integers(2, 4, (rows, 1))
    level = np.take_along_axis(rng.normal(size=(rows, 3)), state, axis=1)
    spread = np.take_along_axis(np.exp(rng.normal(size=(rows, 3)) * 0.7), state, axis=1)
    noise = noises(rng, rows, length) * spread * log_uniform(rng, 0.05, 0.6, rows)
    return level * uniform(rng, 0.5, 2, rows) + noise + _some_of(rng, decomposed(rng, periods, length), 0.5)


def threshold(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Threshold autoregression: one coefficient and mean below the threshold, another above."""
    rows = len(periods)
    low, high = uniform(rng, -0.6, 1.0, rows)[:, 0], uniform(rng, -0.6, 0.98, rows)[:, 0]
    below, above = rng.normal(size=rows) * 0.5 + 0.3, rng.normal(size=rows) * 0.5 - 0.3
    shocks = rng.normal(size=(length, rows)) * uniform(rng, 0.2, 1, rows)[:, 0]
    values, now = np.empty((length, rows)), np.zeros(rows)
    for step in range(length):
        now = np.where(now < 0, below + low * now, above + high * now) + shocks[step]
        values[step] = np.clip(now, -50, 50)
        now = values[step]
    return standardise(values.T) + _some_of(rng, decomposed(rng, periods, length), 0.3)


def mean_reverting(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Draw an Ornstein-Uhlenbeck process with stochastic volatility about a level that may be seasonal or trending."""
    rows = len(periods)
    rate = np.exp(-1 / log_uniform(rng, 2, max(8, length / 4), rows))
    shocks = rng.normal(size=(rows, length + 64)) * np.exp(log_variance(rng, rows, length + 64))
    values = np.stack([signal.lfilter([1], [1, -rate[i, 0]], shocks[i])[64:] for i in range(rows)])
    return standardise(values) + _some_of(rng, decomposed(rng, periods, length), 0.6)


def spectral(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Gaussian processes drawn in the frequency domain: a smooth or rough background and periodic peaks.

    One inverse FFT on twice the length stands for the Cholesky factor of a kernel (circulant embedding), so that the
    ends need not meet.
    """
    rows = len(periods)
    size = 2 * length
    frequency = np.fft.rfftfreq(size)[None]
    slope, corner = uniform(rng, 0.5, 3.5, rows), log_uniform(rng, 0.5 / length, 0.2, rows)
    power = 1 / (1 + (frequency / corner) ** 2) ** (slope / 2)
    power /= power.sum(1, keepdims=True)
    seasonal = (periods > 1)[:, None]
    for order in (1, 2, 3):
        width = log_uniform(rng, 0.05, 1.5, rows) / size
        peak = np.exp(-0.5 * ((frequency - order / np.maximum(periods, 1)[:, None]) / width) ** 2)
        peak /= np.maximum(peak.sum(1, keepdims=True), 1e-9)
        power += seasonal * peak * log_uniform(rng, 0.05, 4, rows) / order**1.5
    waves = rng.normal(size=(2, rows, power.shape[1]))
    drawn = np.fft.irfft((waves[0] + 1j * waves[1]) * np.sqrt(power), size, axis=1)[:, :length]
    return standardise(drawn) + noises(rng, rows, length) * log_uniform(rng, 0.005, 0.4, rows)


def long_memory(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Fractionally integrated noise with d in (0.1, 0.49) or (0.6, 1), by its moving-average weights."""
    rows = len(periods)
    order = np.where(where_rows(rng, 0.5, rows)[:, None], uniform(rng, 0.1, 0.49, rows), uniform(rng, 0.6, 1.0, rows))
    lag = np.arange(1, length)[None]
    weights = np.cumprod(np.concatenate((np.ones((rows, 1)), (lag - 1 + order) / lag), axis=1), axis=1)
    shocks = rng.normal(size=(rows, length))
    values = signal.fftconvolve(weights, shocks, axes=1)[:, :length]
    return standardise(values) + _some_of(rng, decomposed(rng, periods, length), 0.4)


def pulses(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Events that decay, at random or regular times, over a small noise."""
    rows = len(periods)
    gap = np.maximum(periods[:, None], 1) if rng.random() < 0.5 else log_uniform(rng, 4, 80, rows)
    regular = (np.arange(length)[None] + rng.integers(0, 400, (rows, 1))) % np.ceil(gap) == 0
    events = np.where(where_rows(rng, 0.5, rows)[:, None], regular, rng.random((rows, length)) < 1 / gap)
    sizes = events * np.exp(rng.normal(size=(rows, length)) * uniform(rng, 0, 0.8, rows))
    fade = np.exp(-1 / log_uniform(rng, 0.5, 12, rows))
    values = np.stack([signal.lfilter([1], [1, -fade[i, 0]], sizes[i]) for i in range(rows)])
    return standardise(values) + noises(rng, rows, length) * log_uniform(rng, 0.01, 0.3, rows)


def _some_of(rng: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    """Keep a share of the rows, at a random size, and make the others 0."""
    kept = where_rows(rng, share, len(values))[:, None]
    return values * kept * log_uniform(rng, 0.2, 2, len(values))
