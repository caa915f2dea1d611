"""Training losses over observed targets: means over what was observed, never over what was filled in."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def masked_mean(x: Float[Tensor, "*shape"], observed: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Return the mean of the observed entries; 0 where there are none.

    Example:
        >>> masked_mean(torch.tensor([1.0, 3.0, 100.0]), torch.tensor([True, True, False])).item()
        2.0
    """
    # where, not a product: an infinite or NaN entry that is not observed must not count.
    return torch.where(observed, x, 0.0).sum() / observed.sum().clamp(min=1)


def frequency_loss(error: Float[Tensor, "B H V"], observed: Bool[Tensor, "B H V"]) -> Float[Tensor, ""]:
    """Return the mean modulus of the Fourier coefficients of the error over the horizon.

    Args:
        error: forecast minus target.
        observed: where the target is known; the error counts as 0 elsewhere.

    The transform is orthonormal, so that the loss is of the size of the mean absolute error whatever the
    horizon. The coefficients of neighbouring frequencies are far less correlated than the errors of
    neighbouring steps, which is what makes their moduli a good training signal.

    Reference: FreDF, arXiv 2402.02399, eq. 6 (there without normalisation).

    Example:
        >>> error = torch.ones(1, 4, 1)
        >>> round(frequency_loss(error, error > 0).item(), 4)  # all of it in the first of three frequencies
        0.6667
    """
    spectrum = torch.fft.rfft(torch.where(observed, error, 0.0), dim=1, norm="ortho")
    counted = observed.any(dim=1, keepdim=True).expand(spectrum.shape)
    return masked_mean(spectrum.abs(), counted)


def pinball(
    forecast: Float[Tensor, "B H V Q"], target: Float[Tensor, "B H V"], levels: Float[Tensor, " Q"]
) -> Float[Tensor, "B H V Q"]:
    """Return the quantile loss of every entry: (level - [target < forecast]) * (target - forecast).

    Args:
        forecast: forecast quantiles.
        target: target values.
        levels: the levels of the quantiles, in (0, 1).

    Example:
        >>> pinball(torch.tensor([0.0]), torch.tensor(2.0), torch.tensor([0.9])).item()
        1.7999999523162842
    """
    difference = target[..., None] - forecast
    return torch.maximum(levels * difference, (levels - 1) * difference)
