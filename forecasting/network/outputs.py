"""What a network forecasts (a point, quantiles, a Student-t distribution), its loss and how to read it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from scipy import special
from torch import Tensor
from torch.nn import functional

from titans_seq.config import register

from .losses import frequency_loss, masked_mean, pinball


@register("point")
@dataclass(frozen=True)
class Point:
    """One number per step.

    Attributes:
        criterion: loss in time: mean squared, mean absolute, or Huber error with threshold 1 (in units of the
            scaled data).
        frequency: weight in [0, 1] of the frequency-domain loss; the loss in time has the rest.

    Raises:
        ValueError: if `frequency` lies outside [0, 1].

    Example:
        >>> output = Point("mae")
        >>> raw = torch.zeros(1, 2, 1, 1)
        >>> future = torch.tensor([1.0, 3.0]).reshape(1, 2, 1)
        >>> output.loss(raw, future, future > 0).item()
        2.0
    """

    criterion: Literal["mse", "mae", "huber"] = "mse"
    frequency: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.frequency <= 1:
            raise ValueError(f"frequency must lie in [0, 1], got {self.frequency}")

    @property
    def size(self) -> int:
        """Numbers per step and channel."""
        return 1

    def parameters(
        self, raw: Float[Tensor, "B H V P"], loc: Float[Tensor, "B #H V"], scale: Float[Tensor, "B #H V"]
    ) -> Float[Tensor, "B H V P"]:
        """Bring the head's free numbers to the scale of the input: `raw * scale + loc`."""
        return raw * scale[..., None] + loc[..., None]

    def loss(
        self,
        parameters: Float[Tensor, "B H V P"],
        future: Float[Tensor, "B H V"],
        observed: Bool[Tensor, "B H V"],
    ) -> Float[Tensor, ""]:
        """Training loss over the observed targets."""
        error = torch.where(observed, parameters[..., 0] - future, 0.0)
        loss = error.new_zeros(())
        if self.frequency < 1:
            loss = (1 - self.frequency) * masked_mean(self._in_time(error), observed)
        if self.frequency > 0:
            loss = loss + self.frequency * frequency_loss(error, observed)
        return loss

    def _in_time(self, error: Tensor) -> Tensor:
        if self.criterion == "mse":
            return error.square()
        if self.criterion == "mae":
            return error.abs()
        return functional.huber_loss(error, torch.zeros_like(error), reduction="none")

    def mean(self, parameters: Float[Tensor, "B H V P"]) -> Float[Tensor, "B H V"]:
        """Return the forecast."""
        return parameters[..., 0]

    def quantiles(self, parameters: Float[Tensor, "B H V P"], levels: Sequence[float]) -> Float[Tensor, "B H V Q"]:
        """Return the forecast at every level: a point says nothing of its own spread."""
        _check_levels(levels)
        return parameters.expand(*parameters.shape[:-1], len(levels))


@register("quantiles")
@dataclass(frozen=True)
class Quantiles:
    """Quantiles at given levels, ordered by construction.

    The first head number is the middle quantile, the others are gaps (through softplus) to its neighbours.

    Attributes:
        levels: strictly increasing, each in (0, 1).

    Raises:
        ValueError: if the levels are not strictly increasing numbers in (0, 1).

    Example:
        >>> output = Quantiles((0.1, 0.5, 0.9))
        >>> raw = output.parameters(torch.randn(1, 2, 1, 3), torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
        >>> bool((raw.diff(dim=-1) > 0).all())
        True
    """

    levels: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

    def __post_init__(self) -> None:
        _check_levels(self.levels)
        if not self.levels or any(b <= a for a, b in zip(self.levels, self.levels[1:], strict=False)):
            raise ValueError(f"levels must be strictly increasing and not empty, got {tuple(self.levels)}")

    @property
    def size(self) -> int:
        """Numbers per step and channel."""
        return len(self.levels)

    def parameters(
        self, raw: Float[Tensor, "B H V P"], loc: Float[Tensor, "B #H V"], scale: Float[Tensor, "B #H V"]
    ) -> Float[Tensor, "B H V P"]:
        """Build ordered quantiles and bring them to the scale of the input."""
        middle = len(self.levels) // 2
        # 1e-6 keeps neighbours apart where softplus underflows.
        gaps = functional.softplus(raw[..., 1:]) + 1e-6
        below = -gaps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        above = gaps[..., middle:].cumsum(-1)
        offsets = torch.cat((below, torch.zeros_like(raw[..., :1]), above), dim=-1)
        return (raw[..., :1] + offsets) * scale[..., None] + loc[..., None]

    def loss(
        self,
        parameters: Float[Tensor, "B H V P"],
        future: Float[Tensor, "B H V"],
        observed: Bool[Tensor, "B H V"],
    ) -> Float[Tensor, ""]:
        """Twice the mean pinball loss over the observed targets: at level 0.5 the mean absolute error."""
        levels = parameters.new_tensor(self.levels)
        return 2 * masked_mean(pinball(parameters, future, levels).mean(-1), observed)

    def mean(self, parameters: Float[Tensor, "B H V P"]) -> Float[Tensor, "B H V"]:
        """Return the median, the point forecast a set of quantiles offers."""
        return self.quantiles(parameters, (0.5,))[..., 0]

    def quantiles(self, parameters: Float[Tensor, "B H V P"], levels: Sequence[float]) -> Float[Tensor, "B H V Q"]:
        """Return quantiles at `levels`: linear between the trained levels, constant outside of them."""
        _check_levels(levels)
        trained = parameters.new_tensor(self.levels)
        wanted = parameters.new_tensor(list(levels)).clamp(trained[0], trained[-1])
        upper = torch.searchsorted(trained, wanted).clamp(min=min(1, len(self.levels) - 1))
        lower = (upper - 1).clamp(min=0)
        width = (trained[upper] - trained[lower]).clamp(min=torch.finfo(trained.dtype).tiny)
        share = (wanted - trained[lower]) / width
        return torch.lerp(parameters[..., lower], parameters[..., upper], share.expand_as(parameters[..., lower]))


@register("student_t")
@dataclass(frozen=True)
class StudentT:
    """A Student-t distribution per step: degrees of freedom, location and scale, in this order.

    The degrees of freedom stay above 2, so that the variance exists, and the scale above a thousandth of the
    window's own, so that a constant stretch cannot drive the likelihood to infinity.

    Example:
        >>> output = StudentT()
        >>> one = torch.ones(1, 1, 1)
        >>> parameters = output.parameters(torch.zeros(1, 1, 1, 3), 5 * one, 2 * one)
        >>> output.mean(parameters).item(), output.quantiles(parameters, (0.5,)).item()
        (5.0, 5.0)
    """

    @property
    def size(self) -> int:
        """Numbers per step and channel."""
        return 3

    def parameters(
        self, raw: Float[Tensor, "B H V P"], loc: Float[Tensor, "B #H V"], scale: Float[Tensor, "B #H V"]
    ) -> Float[Tensor, "B H V P"]:
        """Bound the head's free numbers and bring location and scale to the scale of the input."""
        freedom = 2.01 + functional.softplus(raw[..., 0])
        location = raw[..., 1] * scale + loc
        spread = (functional.softplus(raw[..., 2]) + 1e-3) * scale
        return torch.stack((freedom, location, spread), dim=-1)

    def loss(
        self,
        parameters: Float[Tensor, "B H V P"],
        future: Float[Tensor, "B H V"],
        observed: Bool[Tensor, "B H V"],
    ) -> Float[Tensor, ""]:
        """Return the mean negative log-likelihood of the observed targets."""
        freedom, location, spread = parameters.unbind(-1)
        z = torch.where(observed, future - location, 0.0) / spread
        log_density = (
            torch.lgamma((freedom + 1) / 2)
            - torch.lgamma(freedom / 2)
            - 0.5 * torch.log(freedom * math.pi)
            - torch.log(spread)
            - (freedom + 1) / 2 * torch.log1p(z.square() / freedom)
        )
        return masked_mean(-log_density, observed)

    def mean(self, parameters: Float[Tensor, "B H V P"]) -> Float[Tensor, "B H V"]:
        """Return the location, which is mean and median at once."""
        return parameters[..., 1]

    def quantiles(self, parameters: Float[Tensor, "B H V P"], levels: Sequence[float]) -> Float[Tensor, "B H V Q"]:
        """Exact quantiles (computed on the CPU in double precision)."""
        _check_levels(levels)
        freedom, location, spread = (p[..., None].double().cpu() for p in parameters.detach().unbind(-1))
        wanted = torch.tensor(list(levels), dtype=torch.float64)
        standard = torch.from_numpy(special.stdtrit(freedom.numpy(), wanted.numpy()))
        return (location + spread * standard).to(parameters)


Output = Point | Quantiles | StudentT


def _check_levels(levels: Sequence[float]) -> None:
    if any(not 0 < level < 1 for level in levels):
        raise ValueError(f"quantile levels must lie strictly between 0 and 1, got {tuple(levels)}")
