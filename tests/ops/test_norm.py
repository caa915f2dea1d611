import pytest
import torch
import torch.nn.functional as F

from tests.tolerances import assert_close
from titans_seq.memory import NORM_EPS
from titans_seq.ops.chunked.network import Norm


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("width", [2, 7])
def test_value_derivative_and_second_derivative_are_autograds(width: int, scale: float) -> None:
    torch.manual_seed(0)
    x = (scale * torch.randn(3, 4, width, dtype=torch.float64)).requires_grad_()
    e, g = torch.randn(2, 3, 4, width, dtype=torch.float64)
    norm = Norm.of(x.detach())
    y = F.layer_norm(x, [width], eps=NORM_EPS)
    assert_close(norm.y, y, 1e-12, "value")
    (pulled,) = torch.autograd.grad(y, x, e, create_graph=True)
    assert_close(norm.backward(e), pulled, 1e-11, "derivative")
    (second,) = torch.autograd.grad((pulled * g).sum(), x)
    assert_close(norm.second(e, g), second, 1e-10, "second derivative")


def test_equal_values_stay_finite() -> None:
    norm = Norm.of(torch.full((1, 4), 3.0))
    g = torch.randn(1, 4)
    assert all(z.isfinite().all() for z in (norm.y, norm.backward(g), norm.second(g, g)))
