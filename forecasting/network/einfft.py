"""EinFFT: SiMBA's channel mixer, a small complex network in the frequency domain."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from titans_seq.autodiff import full_precision
from titans_seq.config import register


@register("einfft")
@dataclass(frozen=True)
class EinFFTConfig:
    """The EinFFT channel mixer.

    Attributes:
        blocks: number C_b of diagonal blocks; must divide the width. The released code uses 4.
        axes: what the Fourier transform runs over. SiMBA's text says the channel dimension (its section 3);
            its released image code transforms the tokens and the blocks instead (`fft2` over N and C_b). The
            default follows the text, because only then does the layer mix channels and leave the mixing of
            tokens to the sequence mixer: with "tokens" it sees the whole sequence, future included.
        shrink: threshold of the soft shrinkage after the second layer; it sets small frequencies to zero.
    """

    blocks: int = 4
    axes: Literal["channels", "tokens"] = "channels"
    shrink: float = 0.01


class EinFFT(nn.Module):
    """Transform, two complex block-diagonal layers with ReLU between them, soft shrinkage, transform back.

    With X the transformed input and EMM a product with one matrix per block,

        Re h = relu(EMM(Re X, W_r) - EMM(Im X, W_i) + b_r)
        Im h = relu(EMM(Re X, W_i) + EMM(Im X, W_r) + b_i)

    and a second layer of the same form without the ReLU; of the transform back the real part is kept. The
    transforms are orthonormal. The arithmetic is float32 (or float64) whatever the autocast state.

    Args:
        config: blocks, axes and shrinkage.
        width: number of features D.

    Raises:
        ValueError: if the number of blocks does not divide the width.

    Reference: arXiv 2403.15360, eq. 4.

    Example:
        >>> EinFFT(EinFFTConfig(), width=16)(torch.zeros(2, 12, 16)).shape
        torch.Size([2, 12, 16])
    """

    def __init__(self, config: EinFFTConfig, width: int) -> None:
        super().__init__()
        if config.blocks < 1 or width % config.blocks:
            raise ValueError(f"width must be divisible by blocks: got width {width} and {config.blocks} blocks")
        self.config = config
        size = width // config.blocks
        # Index 0 is the real part, index 1 the imaginary part; 0.02 is the released code's deviation.
        self.weight_1 = nn.Parameter(0.02 * torch.randn(2, config.blocks, size, size))
        self.weight_2 = nn.Parameter(0.02 * torch.randn(2, config.blocks, size, size))
        self.bias_1 = nn.Parameter(0.02 * torch.randn(2, config.blocks, size))
        self.bias_2 = nn.Parameter(0.02 * torch.randn(2, config.blocks, size))

    def forward(self, x: Float[Tensor, "S N D"]) -> Float[Tensor, "S N D"]:
        """Mix the channels of every token (and, with axes "tokens", the tokens too)."""
        mix = self._over_channels if self.config.axes == "channels" else self._over_tokens
        with full_precision(x.device.type):
            return mix(x if x.dtype == torch.float64 else x.float()).to(x.dtype)

    def _over_channels(self, x: Tensor) -> Tensor:
        # At these widths two matrix products are cheaper than two FFTs, and the first of them merges with the
        # first layer: both are linear. The transform is symmetric and its inverse is its conjugate, so the
        # real part of the inverse is a real product with the same numbers once more.
        width, blocks = x.shape[-1], self.config.blocks
        unit = torch.eye(width, dtype=x.dtype, device=x.device)
        basis = torch.view_as_real(torch.fft.fft(unit, norm="ortho"))
        first = torch.einsum("dbi,bij->dbj", basis.reshape(width, blocks, -1), _real_matrix(self.weight_1))
        bias = _real_bias(self.bias_1).flatten()
        hidden = functional.relu(torch.addmm(bias, x.reshape(-1, width), first.flatten(1)))
        out = self._second_layer(hidden.unflatten(-1, (blocks, -1)).transpose(0, 1))
        return (out.transpose(0, 1).flatten(1) @ basis.flatten(1).T).reshape(x.shape)

    def _over_tokens(self, x: Tensor) -> Tensor:
        spectrum = torch.fft.fft2(x.unflatten(-1, (self.config.blocks, -1)), dim=(1, 2), norm="ortho")
        rows = torch.view_as_real(spectrum).flatten(3).flatten(0, 1).transpose(0, 1)
        first = torch.baddbmm(_real_bias(self.bias_1), rows, _real_matrix(self.weight_1))
        out = self._second_layer(functional.relu(first)).transpose(0, 1)
        out = torch.view_as_complex(out.reshape(*spectrum.shape, 2).contiguous())
        return torch.fft.ifft2(out, dim=(1, 2), norm="ortho").real.flatten(-2)

    def _second_layer(self, hidden: Tensor) -> Tensor:
        out = torch.baddbmm(_real_bias(self.bias_2), hidden, _real_matrix(self.weight_2))
        return functional.softshrink(out, self.config.shrink)


def _real_matrix(weight: Tensor) -> Tensor:
    """Complex block weights `[2, blocks, in, out]` as real ones `[blocks, 2 in, 2 out]`, parts interleaved.

    A complex product is the real product (Re, Im) times [[W_r, W_i], [-W_i, W_r]].
    """
    real, imaginary = weight
    rows = torch.stack((torch.stack((real, imaginary), -1), torch.stack((-imaginary, real), -1)), 2)
    return rows.reshape(weight.shape[1], 2 * weight.shape[2], 2 * weight.shape[3])


def _real_bias(bias: Tensor) -> Tensor:
    """Complex block biases `[2, blocks, out]` as real ones `[blocks, 1, 2 out]`, parts interleaved."""
    return bias.movedim(0, -1).reshape(bias.shape[1], 1, -1)
