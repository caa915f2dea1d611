import pytest
import torch

from tests.tolerances import assert_close
from titans_seq.memory import L2, Bias, NoRetention, WeightDecay


@pytest.mark.parametrize("bias", [L2()])
def test_error_and_its_derivative_are_autograds(bias: Bias) -> None:
    torch.manual_seed(0)
    prediction, target, gradient = (torch.randn(3, 5, dtype=torch.float64, requires_grad=True) for _ in range(3))
    loss = bias.loss(prediction, target)
    assert loss.shape == (3,)
    (expected,) = torch.autograd.grad(loss.sum(), prediction)
    error = bias.error(prediction, target)
    assert_close(error, expected, 1e-14, "error")
    by_autograd = torch.autograd.grad(error, (prediction, target), gradient)
    for mine, theirs in zip(bias.error_backward(prediction, target, gradient), by_autograd, strict=True):
        assert_close(mine, theirs, 1e-14, "error_backward")


def test_l2_is_half_the_squared_distance() -> None:
    assert L2().loss(torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])) == 12.5


def test_retention() -> None:
    decay = torch.tensor([0.0, 0.25, 1.0])
    assert torch.equal(WeightDecay().keep(decay, decay), torch.tensor([1.0, 0.75, 0.0]))
    assert torch.equal(NoRetention().keep(None, decay.double()), torch.ones(3, dtype=torch.float64))
    assert (WeightDecay().gated, NoRetention().gated) == (True, False)
    with pytest.raises(ValueError, match="weight decay needs the gate `decay`, got None"):
        WeightDecay().keep(None, decay)
