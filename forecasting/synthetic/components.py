"""Parts that series are added up from: trends, seasons and noise, each `[N, L]` at once.

Every function takes a `numpy.random.Generator` and returns float64 of unit scale: a trend's total excursion, a season's
and a noise's standard deviation are of order one, whatever the length.
"""

import numpy as np
from scipy import signal

HARMONICS = 6
RISING = 0.75
"""Share of the trends that lead up."""


def uniform(rng: np.random.Generator, low: float, high: float, rows: int) -> np.ndarray:
    """Draw one number a row, `[N, 1]`."""
    return rng.uniform(low, high, (rows, 1))


def log_uniform(rng: np.random.Generator, low: float, high: float, rows: int) -> np.ndarray:
    """Draw one positive number a row, `[N, 1]`, uniform in its logarithm."""
    return np.exp(uniform(rng, np.log(low), np.log(high), rows))


def where_rows(rng: np.random.Generator, share: float, rows: int) -> np.ndarray:
    """Choose each row with probability `share`; bool `[N]`."""
    return rng.random(rows) < share


def mostly_up(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Draw the signs of trends, `[N, 1]`: three of four lead up, as what people measure grows more often than not."""
    return np.where(rng.random((rows, 1)) < RISING, 1.0, -1.0)


def standardise(values: np.ndarray) -> np.ndarray:
    """Bring every row to mean 0 and standard deviation 1; a constant row becomes 0."""
    centred = values - values.mean(1, keepdims=True)
    spread = centred.std(1, keepdims=True)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)


def trends(rng: np.random.Generator, rows: int, length: int) -> np.ndarray:
    """Draw deterministic trends: linear, damped, exponential, logistic and broken, with excursions of order one.

    Example:
        >>> trends(np.random.default_rng(0), 3, 50).shape
        (3, 50)
    """
    at = np.linspace(0, 1, length)[None]
    linear = np.broadcast_to(at, (rows, length))
    rate = log_uniform(rng, 0.5, 6, rows)
    damped = -np.expm1(-rate * at) / -np.expm1(-rate)
    exponential = np.expm1(rate * at) / np.expm1(rate)
    middle = uniform(rng, 0.1, 1.1, rows)
    logistic = 1 / (1 + np.exp(-(4 + 3 * rate) * (at - middle)))
    breaks = np.sort(rng.uniform(0, 1, (rows, 3)), axis=1)
    slopes = rng.normal(size=(rows, 3)) * (rng.random((rows, 3)) < 0.6)
    broken = rng.normal(0.7, 1.0, size=(rows, 1)) * at + sum(
        slopes[:, [k]] * np.maximum(at - breaks[:, [k]], 0) for k in range(3)
    )
    kind = rng.choice(5, size=(rows, 1), p=[0.4, 0.12, 0.23, 0.08, 0.17])
    drawn = np.choose(kind, [linear, damped, exponential, logistic, broken])
    return drawn * np.abs(rng.normal(size=(rows, 1))) * mostly_up(rng, rows)


def seasons(rng: np.random.Generator, periods: np.ndarray, length: int) -> np.ndarray:
    """Draw seasonal patterns: smooth, arbitrary profiles and spikes; some change their shape, strength or phase.

    Args:
        rng: the source of chance.
        periods: `[N]`, at least 2; whole numbers repeat exactly, others only on average.
        length: L.

    Returns:
        `[N, L]` of standard deviation near one.

    Example:
        >>> pattern = seasons(np.random.default_rng(1), np.full(4, 12.0), 48)
        >>> pattern.shape, bool(abs(pattern).max() > 0.5)
        ((4, 48), True)
    """
    rows = len(periods)
    period = periods[:, None].astype(np.float64)
    steps = np.arange(length)[None] + rng.uniform(0, 1, (rows, 1)).round(3) * np.ceil(period)
    steps = np.floor(steps)
    kind = rng.choice(3, size=rows, p=[0.45, 0.42, 0.13])
    pattern = np.zeros((rows, length))
    smooth = kind == 0
    pattern[smooth] = _smooth(rng, steps[smooth], period[smooth])
    pattern[~smooth] = _profiles(rng, steps[~smooth], period[~smooth], spikes=kind[~smooth] == 2)
    drifting = where_rows(rng, 0.2, rows)
    if drifting.any():
        count = int(drifting.sum())
        walk = np.cumsum(rng.normal(size=(count, length)), axis=1) / np.sqrt(length)
        pattern[drifting] *= np.exp(walk * uniform(rng, 0.1, 0.8, count))
    return pattern


def _smooth(rng: np.random.Generator, steps: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Fourier series of up to six harmonics below the Nyquist frequency, some with a phase that wanders."""
    rows, length = steps.shape
    if not rows:
        return steps
    angle = 2 * np.pi * steps / period
    wandering = np.cumsum(rng.normal(size=(rows, length)), axis=1) / np.sqrt(length)
    angle = angle + wandering * uniform(rng, 0, 1.2, rows) * (rng.random((rows, 1)) < 0.1)
    order = np.arange(1, HARMONICS + 1)
    count = rng.integers(1, HARMONICS + 1, (rows, 1))
    used = (order <= count) & (order <= np.maximum(period // 2, 1))
    size = used * rng.normal(size=(rows, HARMONICS)) / order ** uniform(rng, 0.3, 1.8, rows)
    shift = rng.uniform(0, 2 * np.pi, (rows, HARMONICS))
    # sin(k a + s) from the powers of one complex exponential: a sixth of the sines.
    turn = np.exp(1j * angle)
    power, total = turn, np.zeros((rows, length))
    for k in range(HARMONICS):
        total += (size[:, [k]] * np.exp(1j * shift[:, [k]]) * power).imag
        power = power * turn
    norm = np.sqrt((size**2).sum(1, keepdims=True) / 2)
    return total / np.maximum(norm, 1e-9)


def _profiles(rng: np.random.Generator, steps: np.ndarray, period: np.ndarray, spikes: np.ndarray) -> np.ndarray:
    """A free value for each place of the cycle, or a few spikes; some profiles turn into another one over time."""
    rows, length = steps.shape
    if not rows:
        return steps
    widest = int(np.ceil(period.max()))
    tables = []
    for _ in range(2):
        table = rng.normal(size=(rows, widest))
        sharp = rng.random((rows, widest)) < np.maximum(1 / np.ceil(period), 0.06)
        table = np.where(spikes[:, None], sharp * rng.exponential(size=(rows, widest)) * 2, table)
        soft = where_rows(rng, 0.5, rows) & ~spikes & (period[:, 0] > 8)
        if soft.any():
            kernel = np.hanning(2 * max(2, int(np.median(period[soft]) // 6)) + 3)[1:-1]
            smoothed = signal.fftconvolve(
                np.tile(table[soft], (1, 3)), kernel[None] / np.sqrt((kernel**2).sum()), "same", axes=1
            )
            table[soft] = smoothed[:, widest : 2 * widest]
        tables.append(table)
    place = (steps % period).astype(np.int64)
    first = np.take_along_axis(tables[0], place, axis=1)
    changing = where_rows(rng, 0.15, rows)
    if changing.any():
        share = np.linspace(0, 1, length)[None]
        other = np.take_along_axis(tables[1][changing], place[changing], axis=1)
        first[changing] = (1 - share) * first[changing] + share * other
    return first


def noises(rng: np.random.Generator, rows: int, length: int) -> np.ndarray:
    """Draw noise of unit deviation: white or ARMA(1, 1), Gaussian or heavy-tailed, some with changing variance.

    Example:
        >>> noise = noises(np.random.default_rng(0), 5, 400)
        >>> bool(np.allclose(noise.std(1), 1))
        True
    """
    white = rng.normal(size=(rows, length + 32))
    heavy = where_rows(rng, 0.2, rows)
    white[heavy] = rng.standard_t(4, size=(int(heavy.sum()), length + 32)) / np.sqrt(2)
    coloured = where_rows(rng, 0.5, rows)
    for row in np.flatnonzero(coloured):
        white[row] = signal.lfilter([1, rng.uniform(-0.7, 0.7)], [1, -rng.uniform(-0.5, 0.97)], white[row])
    noise = white[:, 32:]
    uneven = where_rows(rng, 0.15, rows)
    if uneven.any():
        noise[uneven] *= np.exp(log_variance(rng, int(uneven.sum()), length))
    return standardise(noise)


def log_variance(rng: np.random.Generator, rows: int, length: int) -> np.ndarray:
    """Draw slowly changing logarithms of a standard deviation (stochastic volatility), `[N, L]`."""
    shocks = np.asarray(signal.lfilter([0.25], [1, -0.97], rng.normal(size=(rows, length)), axis=1))
    return shocks * uniform(rng, 0.3, 1.0, rows)
