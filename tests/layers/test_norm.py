"""RMSNorm by hand against the definition under automatic differentiation."""

import torch
from torch import Tensor

from tests.tolerances import assert_close
from titans_seq.layers import RMSNorm


def by_definition(x: Tensor, weight: Tensor) -> Tensor:
    return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight


def test_values_and_gradients() -> None:
    """Of vectors of all lengths, those that the guard under the root shortens among them."""
    torch.manual_seed(0)
    norm = RMSNorm(6).double()
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(2, 5, 6, dtype=torch.float64)
    x[0, 1], x[1, 2] = 0.0, 1e-4 * x[1, 2]
    x.requires_grad_()
    outputs = [norm(x), by_definition(x, norm.weight)]
    assert_close(outputs[0], outputs[1], 1e-14)
    with torch.no_grad():
        assert_close(norm(x), outputs[1], 1e-14)
    d_y = torch.randn_like(x)
    mine, expected = (torch.autograd.grad(y, (x, norm.weight), d_y) for y in outputs)
    assert_close(mine[1], expected[1], 1e-13)
    # Gradients of the shortest are a thousand times the others': each token is compared by itself.
    for token, definition in zip(mine[0].flatten(0, 1), expected[0].flatten(0, 1), strict=True):
        assert_close(token, definition, 1e-12)


def test_twice_and_forward_mode() -> None:
    torch.manual_seed(0)
    norm = RMSNorm(3).double()
    x = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(norm, x)
    assert torch.autograd.gradgradcheck(norm, x)
    point = x.detach()
    along = (torch.ones_like(point),)
    tangent = torch.func.jvp(norm, (point,), along)[1]
    expected = torch.func.jvp(lambda x: by_definition(x, norm.weight), (point,), along)[1]
    assert_close(tangent, expected, 1e-13)


def test_half_precision_in_and_out() -> None:
    norm, x = RMSNorm(8), torch.randn(2, 8)
    assert norm(x.bfloat16()).dtype == torch.bfloat16
    assert norm.bfloat16()(x.bfloat16()).dtype == torch.bfloat16
