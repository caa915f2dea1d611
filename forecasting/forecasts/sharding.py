"""Many series on many processes or machines: Dask shares the series out, and each worker forecasts its own."""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from titans_seq.errors import UserError
from titans_seq.extras import needing

from ..data import SeriesData
from .forecaster import DEFAULT_LEVELS, Forecast, Forecaster

LOCAL = {
    # A process that died here, for lack of memory mostly, would die again of the same shard.
    "distributed.scheduler.allowed-failures": 0,
    # It does not listen while it loads PyTorch for its first shard, which takes long where cores are busy.
    "distributed.comm.timeouts.tcp": "600s",
    "distributed.comm.timeouts.connect": "120s",
}
"""Settings of Dask for processes on this machine."""
SHARDS_PER_WORKER = 2
"""Shards of a table for each worker: with more than one, a fast worker does not wait for a slow one."""


@dataclass(frozen=True, eq=False)
class Engine:
    """Workers that series are shared out among.

    Attributes:
        client: a client of Dask.
    """

    client: Any

    @property
    def workers(self) -> int:
        """Number of workers there are now, at least 1."""
        return max(1, len(self.client.ncores()))

    def spread(self, forecaster: Forecaster) -> Forecaster:
        """Return the forecaster that makes its forecasts on the workers."""
        return Sharded(forecaster, self)


@dataclass(frozen=True, eq=False)
class Sharded:
    """A forecaster whose forecasts are made shard by shard; what it makes of a series must not depend on the others.

    Attributes:
        forecaster: is sent to the workers.
        engine: they.
    """

    forecaster: Forecaster
    engine: Engine

    def forecast(self, data: SeriesData, horizon: int, levels: Sequence[float] = DEFAULT_LEVELS) -> Forecast:
        """Forecast; see `Forecaster`.

        Raises:
            UserError: as the forecaster, and if a worker fails.
        """
        parts, axis = shards(data, SHARDS_PER_WORKER * self.engine.workers)
        if len(parts) == 1:
            return self.forecaster.forecast(data, horizon, levels)
        try:
            with warnings.catch_warnings():
                # A shard travels with its task, so that it can be done again where a worker is lost.
                warnings.filterwarnings("ignore", "Sending large graph", UserWarning)
                tasks = [
                    self.engine.client.submit(_forecast, self.forecaster, part, horizon, tuple(levels), pure=False)
                    for part in parts
                ]
                made = self.engine.client.gather(tasks)
        except UserError:
            # What a few series do not allow, all of them may: then a forecast in one piece says the same as ever.
            return self.forecaster.forecast(data, horizon, levels)
        except Exception as error:  # whatever ends a worker, or is lost with it
            said = str(error).partition(". ")[0]
            raise UserError(
                f"a worker of --engine dask failed ({type(error).__name__}: {said}): fewer --workers leave more "
                "memory to each, and without --engine the same is computed in this process"
            ) from error
        mean, quantiles = (np.concatenate([getattr(one, name) for one in made], axis) for name in ("mean", "quantiles"))
        return Forecast(mean, quantiles, made[0].levels)


def _forecast(forecaster: Forecaster, data: SeriesData, horizon: int, levels: tuple[float, ...]) -> Forecast:
    return forecaster.forecast(data, horizon, levels)


def shards(data: SeriesData, most: int) -> tuple[list[SeriesData], int]:
    """Cut series into parts of neighbours: items, or the channels of a wide table.

    Args:
        data: the series.
        most: parts, at most.

    Returns:
        The parts, and the axis along which their forecasts lie behind each other.

    Example:
        >>> import pandas as pd
        >>> from forecasting.data import from_frame
        >>> days = pd.date_range("2024-01-01", periods=3)
        >>> data = from_frame(pd.DataFrame({"day": days, **{name: [1.0, 2.0, 3.0] for name in "abc"}}))
        >>> [part.channels for part in shards(data, 2)[0]]
        [('a', 'b'), ('c',)]
    """
    along_items = data.layout == "long"
    whole: tuple[Any, ...] = data.items if along_items else data.channels
    parts = [whole[span[0] : span[-1] + 1] for span in np.array_split(range(len(whole)), min(most, len(whole)))]
    if along_items:
        return [replace(data, items=part) for part in parts], 0
    return [data.select(part) for part in parts], 2


@contextlib.contextmanager
def dask_engine(workers: int | None = None, cluster: str | None = None) -> Iterator[Engine]:
    """Start workers on this machine, or use those of a cluster that runs; both need the extra `dask`.

    Args:
        workers: processes on this machine; None starts one for each core.
        cluster: address of a scheduler, such as tcp://10.0.0.1:8786, whose workers have this package too.

    Raises:
        UserError: if the extra is not installed, both are given, or no scheduler answers.
    """
    if workers is not None and cluster is not None:
        raise UserError("--workers starts processes here, and --cluster has workers of its own: give one of them")
    if workers is not None and workers < 1:
        raise UserError(f"--workers must be at least 1, got {workers}")
    with needing("--engine dask", "dask"):
        import dask.config
        import distributed
    with contextlib.ExitStack() as stack:
        if cluster is None:
            stack.enter_context(dask.config.set(LOCAL))
            started = distributed.LocalCluster(
                n_workers=workers or os.cpu_count(),
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # any free port; without an address Dask asks for 8787
                silence_logs=logging.CRITICAL,
            )
            target: Any = stack.enter_context(started)
        else:
            target = cluster
        try:
            client = distributed.Client(target, timeout="10s", set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise UserError(
                f"no scheduler of Dask answers at {cluster} ({error}): start one (dask scheduler), or leave --cluster "
                "out for processes on this machine"
            ) from error
        yield Engine(stack.enter_context(client))
