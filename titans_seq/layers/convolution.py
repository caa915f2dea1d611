"""Depthwise causal convolution that can stop and go on anywhere."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.autodiff import differentiable_gradients, mixed_precision, transformed

# Numbers of a block of tokens that a CPU's cache holds beside the sums they go to.
_BLOCK = 65536


class CausalConvolution(nn.Module):
    """Mix each channel with its own last `width` values (Titans 4.4; width 4 in the NeurIPS version).

    Args:
        channels: number of channels.
        width: values each output sees, its own included; at least 2.

    Raises:
        ValueError: if `width` is below 2.

    Example:
        >>> convolution = CausalConvolution(8)
        >>> y, recent = convolution(torch.randn(2, 5, 8))
        >>> y.shape, recent.shape
        (torch.Size([2, 5, 8]), torch.Size([2, 3, 8]))
    """

    def __init__(self, channels: int, width: int = 4) -> None:
        super().__init__()
        if width < 2:
            raise ValueError(f"a convolution sees at least 2 values, got width {width}; leave it out instead")
        self.weight = nn.Parameter(torch.empty(channels, 1, 1, width).uniform_(-(width**-0.5), width**-0.5))

    def forward(self, x: Tensor, recent: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Convolve a piece of a sequence.

        Args:
            x: `[B, T, channels]`, T >= 1.
            recent: the last `width - 1` inputs before x, `[B, width - 1, channels]`; zeros if None.

        Returns:
            Outputs shaped like x, and the inputs to pass on as `recent`.
        """
        past = self.weight.shape[-1] - 1
        if recent is None and x.shape[1] > past and not (_is_changed(x) or torch.is_grad_enabled()):
            # The library's own padding saves a copy of x.
            return _convolve(x, self.weight, past)[:, : x.shape[1]], x[:, x.shape[1] - past :].clone()
        # Not by `F.pad`, which fills all of it with zeros first.
        before = x.new_zeros(x.shape[0], past, x.shape[2]) if recent is None else recent
        padded = torch.cat([before, x], 1)
        recent = padded[:, padded.shape[1] - past :]
        # A copy, because a view would keep the whole piece in memory for as long as the state lives.
        return self._outputs(padded), recent if x.shape[1] == 1 else recent.clone()

    def _outputs(self, padded: Tensor) -> Tensor:
        """Convolve `[B, width - 1 + T, channels]`."""
        weight = self.weight
        if _is_changed(padded):
            return _convolve(padded, weight)
        if not torch.is_grad_enabled():
            one = padded.shape[1] == weight.shape[-1]  # a single token: a library's convolution takes longer to begin
            return (padded * weight.view(weight.shape[0], -1).mT).sum(1, True) if one else _convolve(padded, weight)
        # The library's gradient of the weights is slow for few and long sequences on a CPU.
        y = _Convolution.apply(padded, weight) if padded.device.type == "cpu" else _convolve(padded, weight)
        return y  # type: ignore[return-value]


def _is_changed(x: Tensor) -> bool:
    """Whether PyTorch's own operators are compiled, cast or transformed here, and are left to it."""
    return torch.compiler.is_compiling() or mixed_precision(x.device.type) or transformed()


def _image(x: Tensor) -> Tensor:
    """View `[B, T, D]` as a one-row image with its channels last, which needs no transposing copy."""
    return x.mT.unsqueeze(2)


def _convolve(padded: Tensor, weight: Tensor, more: int = 0) -> Tensor:
    """Convolve `[B, T, D]` with `more` zeros on either side, `[B, T + 2 * more - (width - 1), D]`."""
    return F.conv2d(_image(padded), weight, groups=weight.shape[0], padding=(0, more)).squeeze(2).mT


class _Convolution(torch.autograd.Function):
    """`_convolve`, with the gradient of its weights summed block by block."""

    @staticmethod
    def forward(padded: Tensor, weight: Tensor) -> Tensor:
        return _convolve(padded, weight)

    @staticmethod
    def setup_context(ctx, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:  # type: ignore[override]
        padded, weight = ctx.saved_tensors
        if torch.is_grad_enabled():
            d_padded, d_weight = differentiable_gradients(lambda *x: [_convolve(*x)], [padded, weight], [gradient])
            return d_padded, d_weight
        d_padded = d_weight = None
        if ctx.needs_input_grad[0]:
            channels = weight.shape[0]
            options = (None, [1, 1], [0, 0], [1, 1], False, [0, 0], channels, [True, False, False])
            image, row = _image(padded), _image(gradient)
            d_padded = torch.ops.aten.convolution_backward(row, image, weight, *options)[0].squeeze(2).mT
        if ctx.needs_input_grad[1]:
            d_weight = _weight_gradient(padded, gradient, weight.shape[-1]).mT.reshape(weight.shape)
        return d_padded, d_weight


def _weight_gradient(padded: Tensor, gradient: Tensor, width: int) -> Tensor:
    """Return the gradient of the weights, `[width, channels]`."""
    # With zeros behind each sequence the batch is one sequence: what lies astride two of them counts nothing.
    behind = gradient.new_zeros(gradient.shape[0], width - 1, gradient.shape[2])
    x, g = padded.flatten(0, 1), torch.cat([gradient, behind], 1).flatten(0, 1)
    tokens = len(x) - width + 1
    block = max(1, _BLOCK // x.shape[-1])
    sums = x.new_zeros(width, min(block, tokens), x.shape[-1])
    for start in range(0, tokens, block):
        part = g[start : min(start + block, tokens)]
        for i in range(width):
            sums[i, : len(part)].addcmul_(x[start + i : start + i + len(part)], part)
    return sums.sum(1)
