"""A learned seasonal cycle, taken out of the context and put back over the horizon (arXiv 2409.18479)."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True)
class CycleConfig:
    """Which cycles are learned.

    Attributes:
        periods: lengths of the cycles in steps, each at least 2 (a day is 24 hourly, 96 quarter-hourly and
            144 ten-minute steps). Several cycles are summed; none at all switches the component off.
    """

    periods: tuple[int, ...] = ()


class LearnedCycle(nn.Module):
    """A table of one value per position in the cycle and channel, learned with the network, starting at zero.

    The table lives on the scale of the normalised context. It gives a short context the seasonal shape that
    lies outside of it.

    Args:
        config: the periods.
        channels: number of channels V.

    Raises:
        ValueError: if a period is shorter than 2.

    Reference: CycleNet, arXiv 2409.18479, section 3.

    Example:
        >>> cycle = LearnedCycle(CycleConfig(periods=(24,)), channels=7)
        >>> context, future = cycle(torch.tensor([0, 5]), context=96, horizon=12)
        >>> context.shape, future.shape
        (torch.Size([2, 96, 7]), torch.Size([2, 12, 7]))
    """

    def __init__(self, config: CycleConfig, channels: int) -> None:
        super().__init__()
        if any(period < 2 for period in config.periods):
            raise ValueError(f"every period must be at least 2 steps, got {config.periods}")
        self.tables = nn.ParameterList(torch.zeros(period, channels) for period in config.periods)

    def forward(
        self, phase: Int[Tensor, " B"], context: int, horizon: int
    ) -> tuple[Float[Tensor, "B L V"], Float[Tensor, "B H V"]]:
        """Return the cycle over the context and over the horizon.

        Args:
            phase: absolute step number of each window's first step.
            context: number of context steps L.
            horizon: number of future steps H.
        """
        steps = phase[:, None] + torch.arange(context + horizon, device=phase.device)
        whole = sum(table[steps % table.shape[0]] for table in self.tables)
        if not isinstance(whole, Tensor):
            raise ValueError("a LearnedCycle without periods has nothing to add: leave the component out")
        return whole[:, :context], whole[:, context:]
