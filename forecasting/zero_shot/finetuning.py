"""Train a zero-shot network on with the series that it is to forecast."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from titans_seq.errors import UserError
from titans_seq.experiment.fit import FitPlan, fit
from titans_seq.experiment.history import History
from titans_seq.experiment.processes import gather_ranks
from titans_seq.experiment.settings import RUNTIME, Runtime

from .batches import TrainingBatch, cut_batch
from .inference import patch_for
from .network import AnyConfig, AnyNetwork, build_network
from .pretraining import PretrainingModule
from .settings import FineTuningConfig

SHORTEST_CONTEXT = 3
"""Steps that a window of training looks back on, at least."""


class WindowBatches:
    """Random windows of series, a function of seed and number; saved and resumed by Lightning.

    Each batch is of one resolution, and as long as the context of a series drawn for it: what a forecast will read.

    Args:
        histories: series `[T]`, NaN where missing; those too short for a window are left out.
        periods: of each.
        horizon: H.
        config: of the training.
        network: whose resolutions there are.
        rank: number of this process.
        world: number of processes; each draws windows of its own.

    Raises:
        UserError: if every series is too short.
    """

    def __init__(
        self,
        histories: Sequence[np.ndarray],
        periods: Sequence[tuple[int, int]],
        horizon: int,
        config: FineTuningConfig,
        network: AnyConfig,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        long_enough = [i for i, history in enumerate(histories) if len(history) > SHORTEST_CONTEXT]
        if not long_enough:
            longest = max(map(len, histories), default=0)
            raise UserError(
                f"training needs a series of more than {SHORTEST_CONTEXT} rows, the longest has {longest}: forecast "
                "without training (titans forecast predict data.csv --horizon ...)"
            )
        self._histories = [histories[i] for i in long_enough]
        self._periods = np.array([periods[i] for i in long_enough])
        self._horizon, self._config, self._network = horizon, config, network
        lengths = np.array([len(history) for history in self._histories])
        # A long series has more to teach than a short one, but not in proportion.
        self._shares = np.sqrt(lengths) / np.sqrt(lengths).sum()
        self._patches = np.array([patch_for(network, length, horizon) for length in lengths])
        self._rank, self._world, self._done = rank, world, 0

    def __len__(self) -> int:
        return self._config.steps

    def __iter__(self) -> Iterator[TrainingBatch]:
        while self._done < self._config.steps:
            self._done += 1
            yield self._draw(self._done - 1)

    def _draw(self, number: int) -> TrainingBatch:
        rng = np.random.default_rng([self._config.seed, number * self._world + self._rank])
        first = rng.choice(len(self._histories), p=self._shares)
        patch = self._patches[first]
        steps = min(len(self._histories[first]), self._network.tokens * patch)
        context = -(-steps // patch) * patch
        ahead = -(-self._horizon // patch) * patch
        rows = max(4, self._config.tokens * patch // (context + ahead))
        mine = np.flatnonzero(self._patches == patch)
        shares = self._shares[mine] / self._shares[mine].sum()
        chosen = rng.choice(mine, size=rows, p=shares)
        values = np.full((rows, context + ahead), np.nan)
        for row, series in enumerate(chosen):
            history = self._histories[series]
            # The future begins anywhere in the later half of a series: contexts are long, as those of forecasts are.
            latest = max(SHORTEST_CONTEXT, len(history) - self._horizon)
            earliest = max(SHORTEST_CONTEXT, latest // 2)
            cut = int(rng.integers(earliest, latest + 1))
            past, future = history[max(0, cut - context) : cut], history[cut : cut + ahead]
            values[row, context - len(past) : context] = past
            values[row, context : context + len(future)] = future
        observed = np.isfinite(values)
        return cut_batch(np.nan_to_num(values), observed, self._periods[chosen], context, patch)

    def state_dict(self) -> dict[str, Any]:
        """Return the number of batches that were read."""
        return {"done": self._done}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on after them."""
        self._done = state["done"]


def fine_tune(
    network: AnyNetwork,
    histories: Sequence[np.ndarray],
    periods: Sequence[tuple[int, int]],
    horizon: int,
    config: FineTuningConfig,
    folder: Path | None = None,
    *,
    runtime: Runtime = RUNTIME,
    resume: bool = False,
) -> tuple[AnyNetwork, History]:
    """Train a copy of a network on with series.

    Args:
        network: where training starts; it stays as it is.
        histories: series `[T]`, NaN where missing.
        periods: of each.
        horizon: H, at least 1.
        config: how.
        folder: for log and checkpoints; None writes nothing.
        runtime: what it runs on and shows meanwhile.
        resume: go on from the last checkpoint in `folder`, if there is one.

    Returns:
        The trained network, in evaluation mode, in all processes, and the log.

    Raises:
        UserError: if every series is too short, or training does not stay finite.

    Example:
        >>> from forecasting.zero_shot.network import ZeroShotConfig, ZeroShotNetwork
        >>> network = ZeroShotNetwork(ZeroShotConfig(width=8, layers=1)).eval()
        >>> series = [np.sin(np.arange(60.0))]
        >>> trained, history = fine_tune(network, series, [(6, 1)], 4, FineTuningConfig(steps=2, tokens=60))
        >>> trained is not network, len(history.rows)
        (True, 1)
    """
    described = network.config
    # Refused before anything is set up.
    WindowBatches(histories, periods, horizon, config, described)
    module = PretrainingModule(copy.deepcopy(network).train(), config.optimiser, shard=runtime.hardware.sharded)
    plan = FitPlan(
        steps=config.steps,
        seed=config.seed,
        checkpoint_every=max(1, config.steps // 4),
        log_every=min(50, config.steps),
    )
    fitted = fit(
        module,
        plan,
        lambda rank, world: WindowBatches(histories, periods, horizon, config, described, rank, world),
        None,
        folder=folder,
        runtime=runtime,
        resume=resume,
    )
    # All processes go on with the same network: they choose by its forecasts whether there is more to train.
    weights = next(own for own in gather_ranks(fitted.weights) if own is not None)
    trained, before = build_network(network.config), network.state_dict()
    blended = {name: torch.lerp(before[name].cpu(), x, config.blend) for name, x in weights.items()}
    trained.load_state_dict(blended)
    return trained.eval(), fitted.history
