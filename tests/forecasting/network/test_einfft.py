import cmath

import pytest
import torch

from forecasting.network.einfft import EinFFT, EinFFTConfig


def slow(layer: EinFFT, x: torch.Tensor) -> torch.Tensor:
    """Equation 4 of the SiMBA paper with Python's complex numbers, one sum at a time."""
    sequences, tokens, width = x.shape
    blocks, size = layer.config.blocks, width // layer.config.blocks
    first, second = (torch.complex(*w).tolist() for w in (layer.weight_1, layer.weight_2))
    bias_1, bias_2 = (torch.complex(*b).tolist() for b in (layer.bias_1, layer.bias_2))

    def dft(values: list[complex], sign: int) -> list[complex]:
        n = len(values)
        root = [cmath.exp(sign * 2j * cmath.pi * k / n) for k in range(n)]
        return [sum(v * root[i * k % n] for i, v in enumerate(values)) / n**0.5 for k in range(n)]

    def transform(grid: list[list[complex]], sign: int) -> list[list[complex]]:
        if layer.config.axes == "channels":
            return [dft(row, sign) for row in grid]
        out = [row[:] for row in grid]
        for d in range(size):  # over the blocks of each token, then over the tokens of each block
            for n in range(tokens):
                for b, value in enumerate(dft([out[n][b * size + d] for b in range(blocks)], sign)):
                    out[n][b * size + d] = value
            for b in range(blocks):
                for n, value in enumerate(dft([out[n][b * size + d] for n in range(tokens)], sign)):
                    out[n][b * size + d] = value
        return out

    def shrink(value: float) -> float:
        return max(abs(value) - layer.config.shrink, 0.0) * (1 if value > 0 else -1)

    def affine(values, weight, bias, activation):
        out = [sum(values[d] * weight[d][k] for d in range(size)) + bias[k] for k in range(size)]
        return [complex(activation(value.real), activation(value.imag)) for value in out]

    result = torch.empty_like(x)
    for s in range(sequences):
        grid = transform([[complex(value) for value in row] for row in x[s].tolist()], -1)
        for row in grid:
            for b in range(blocks):
                part = row[b * size : (b + 1) * size]
                part = affine(part, first[b], bias_1[b], lambda value: max(value, 0.0))
                row[b * size : (b + 1) * size] = affine(part, second[b], bias_2[b], shrink)
        result[s] = torch.tensor([[value.real for value in row] for row in transform(grid, 1)], dtype=torch.float64)
    return result


@pytest.mark.parametrize("axes", ["channels", "tokens"])
@pytest.mark.parametrize("blocks", [1, 4])
def test_equals_the_equation_written_out(axes, blocks):
    torch.manual_seed(0)
    layer = EinFFT(EinFFTConfig(blocks=blocks, axes=axes), width=8).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    torch.testing.assert_close(layer(x), slow(layer, x), atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("axes", ["channels", "tokens"])
def test_equals_an_einsum_on_complex_tensors(axes):
    torch.manual_seed(1)
    layer = EinFFT(EinFFTConfig(axes=axes), width=32).double()
    x = torch.randn(3, 12, 32, dtype=torch.float64)
    dims = (1, 2) if axes == "tokens" else (2,)
    blocked = x.unflatten(-1, (4, 8))
    spectrum = (
        torch.fft.fftn(blocked, dim=dims, norm="ortho")
        if axes == "tokens"
        else torch.fft.fftn(x, dim=dims, norm="ortho").unflatten(-1, (4, 8))
    )
    hidden = torch.einsum("snbd,bdk->snbk", spectrum, torch.complex(*layer.weight_1))
    hidden = torch.view_as_complex(torch.relu(torch.view_as_real(hidden + torch.complex(*layer.bias_1))))
    out = torch.einsum("snbd,bdk->snbk", hidden, torch.complex(*layer.weight_2))
    out = torch.view_as_real(out + torch.complex(*layer.bias_2))
    out = torch.view_as_complex(torch.nn.functional.softshrink(out, 0.01))
    expected = (
        torch.fft.ifftn(out, dim=dims, norm="ortho").real.flatten(-2)
        if axes == "tokens"
        else torch.fft.ifftn(out.flatten(-2), dim=dims, norm="ortho").real
    )
    torch.testing.assert_close(layer(x), expected, atol=1e-12, rtol=1e-12)


def test_over_channels_a_token_is_its_own_and_over_tokens_it_is_not():
    torch.manual_seed(0)
    x = torch.randn(1, 6, 8)
    changed = x.clone()
    changed[0, 5] += 1.0
    for config, local in ((EinFFTConfig(), True), (EinFFTConfig(axes="tokens"), False)):
        layer = EinFFT(config, width=8)
        for parameter in layer.parameters():
            torch.nn.init.normal_(parameter)
        assert torch.equal(layer(x)[0, :5], layer(changed)[0, :5]) is local


@pytest.mark.parametrize("axes", ["channels", "tokens"])
def test_autocast_does_not_lower_its_precision(axes):
    layer = EinFFT(EinFFTConfig(axes=axes), width=16)
    x = torch.randn(2, 12, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = layer(x)
        half = layer(x.bfloat16())
    assert torch.equal(inside, layer(x))
    assert half.dtype == torch.bfloat16


@pytest.mark.parametrize("axes", ["channels", "tokens"])
def test_gradients(axes):
    torch.manual_seed(0)
    layer = EinFFT(EinFFTConfig(axes=axes), width=4).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))


def test_blocks_must_divide_the_width():
    with pytest.raises(ValueError, match="width must be divisible by blocks: got width 10 and 4 blocks"):
        EinFFT(EinFFTConfig(), width=10)
