import pytest
import torch

from tests.tolerances import assert_close
from titans_seq.layers import CausalConvolution
from titans_seq.layers import convolution as module


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("length", [1, 3, 9])
@pytest.mark.parametrize("trained", [True, False])
def test_each_output_weighs_the_last_values(width: int, length: int, trained: bool) -> None:
    torch.manual_seed(0)
    convolution = CausalConvolution(3, width).double()
    x, before = (
        torch.randn(2, length, 3, dtype=torch.float64),
        torch.randn(2, width - 1, 3, dtype=torch.float64),
    )
    kernel = convolution.weight.view(3, width)
    for recent in (None, before):
        with torch.set_grad_enabled(trained):
            y, after = convolution(x, recent)
        padded = torch.cat([torch.zeros_like(before) if recent is None else recent, x], 1)
        expected = sum(padded[:, i : i + length] * kernel[:, i] for i in range(width))
        assert_close(y, expected, 1e-13)  # type: ignore[arg-type]
        assert torch.equal(after, padded[:, length:])


@pytest.mark.parametrize("block", [1, 12, 65536])
@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 23), (3, 7)])
def test_gradients_are_those_of_the_definition(
    batch: int, length: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BLOCK", block)  # numbers; a block of tokens has three times fewer
    torch.manual_seed(0)
    convolution = CausalConvolution(3, 4).double()
    x = torch.randn(batch, length, 3, dtype=torch.float64, requires_grad=True)
    recent = torch.randn(batch, 3, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(batch, length, 3, dtype=torch.float64)
    padded, kernel = torch.cat([recent, x], 1), convolution.weight.view(3, 4)
    expected = torch.stack([padded[:, i : i + length] * kernel[:, i] for i in range(4)]).sum(0)
    leaves = (x, recent, convolution.weight)
    mine = torch.autograd.grad(convolution(x, recent)[0], leaves, weight)
    for gradient, definition in zip(mine, torch.autograd.grad(expected, leaves, weight), strict=True):
        assert_close(gradient, definition, 1e-13)


def test_half_precision_under_autocast() -> None:
    convolution = CausalConvolution(8)
    with torch.autocast("cpu", torch.bfloat16):
        y, _ = convolution(torch.randn(2, 5, 8))
    y.sum().backward()
    assert y.dtype == torch.bfloat16
    assert convolution.weight.grad is not None
    assert convolution.weight.grad.dtype == torch.float32


def test_the_state_holds_no_more_than_its_own_values() -> None:
    """A view of the whole piece would keep it alive for as long as the state lives."""
    _, recent = CausalConvolution(3)(torch.randn(1, 1000, 3))
    assert recent.untyped_storage().nbytes() <= 4 * 3 * 3 * 4


def test_messages() -> None:
    with pytest.raises(ValueError, match="sees at least 2 values, got width 1; leave it out instead"):
        CausalConvolution(3, 1)
