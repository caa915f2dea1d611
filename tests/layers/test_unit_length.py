"""Unit length against PyTorch's own normalisation."""

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.tolerances import assert_close
from titans_seq.layers.unit_length import unit_queries_and_keys


def by_definition(mixed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = mixed.unbind(2)
    return F.normalize(q, dim=-1, eps=1e-6), F.normalize(k, dim=-1, eps=1e-6), v


def test_values_and_gradients() -> None:
    """Of vectors of all lengths, those too short to be divided by their own among them."""
    torch.manual_seed(0)
    mixed = torch.randn(2, 5, 3, 2, 4, dtype=torch.float64)
    mixed[0, 1], mixed[1, 2], mixed[1, 3] = 0.0, 1e-9 * mixed[1, 2], 1e5 * mixed[1, 3]
    mixed.requires_grad_()
    mine, expected = unit_queries_and_keys(mixed), by_definition(mixed)
    weights = [torch.randn_like(x) for x in expected]
    for x, y in zip(mine, expected, strict=True):
        assert_close(x, y, 1e-15)
    gradients = [torch.autograd.grad(found, mixed, weights)[0] for found in (mine, expected)]
    # Gradients of the shortest are a million times the others': each token is compared by itself.
    for token, definition in zip(gradients[0].flatten(0, 2), gradients[1].flatten(0, 2), strict=True):
        assert_close(token, definition, 1e-12)
