import pytest
import torch

from tests.tolerances import assert_close
from titans_seq.layers import CausalConvolution


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("length", [1, 3, 9])
def test_each_output_weighs_the_last_values(width: int, length: int) -> None:
    torch.manual_seed(0)
    convolution = CausalConvolution(3, width).double()
    x, before = (
        torch.randn(2, length, 3, dtype=torch.float64),
        torch.randn(2, width - 1, 3, dtype=torch.float64),
    )
    kernel = convolution.weight.view(3, width)
    for recent in (None, before):
        y, after = convolution(x, recent)
        padded = torch.cat([torch.zeros_like(before) if recent is None else recent, x], 1)
        expected = sum(padded[:, i : i + length] * kernel[:, i] for i in range(width))
        assert_close(y, expected, 1e-13)  # type: ignore[arg-type]
        assert torch.equal(after, padded[:, length:])


def test_the_state_holds_no_more_than_its_own_values() -> None:
    """A view of the whole piece would keep it alive for as long as the state lives."""
    _, recent = CausalConvolution(3)(torch.randn(1, 1000, 3))
    assert recent.untyped_storage().nbytes() <= 4 * 3 * 3 * 4


def test_messages() -> None:
    with pytest.raises(ValueError, match="sees at least 2 values, got width 1; leave it out instead"):
        CausalConvolution(3, 1)
