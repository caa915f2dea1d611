import math
import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from tests.tolerances import assert_close
from titans_seq.memory import (
    Architecture,
    GatedMLPMemory,
    LinearMemory,
    MLPMemory,
    apply_memory,
    initial_weights,
)


@pytest.mark.parametrize(
    ("architecture", "shapes"),
    [
        (LinearMemory(), [(6, 4)]),
        (MLPMemory(depth=1, residual=False), [(6, 4)]),
        (MLPMemory(depth=2, residual=False), [(16, 4), (6, 16)]),
        (MLPMemory(depth=3, expansion=1.5, residual=False), [(6, 4), (6, 6), (6, 6)]),
        (GatedMLPMemory(), [(8, 4), (6, 4)]),
        (GatedMLPMemory(expansion=1.5), [(12, 4), (6, 6)]),
    ],
)
def test_shapes(architecture: Architecture, shapes: list[tuple[int, int]]) -> None:
    assert list(architecture.shapes(4, 6)) == shapes
    assert architecture.depth == len(shapes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLPMemory(depth=0), "depth must be at least 1, got 0"),
        (lambda: MLPMemory(expansion=0), "memory expansion must be above 0 and finite, got 0"),
        (lambda: MLPMemory(expansion=math.inf), "memory expansion must be above 0 and finite, got inf"),
        (
            lambda: MLPMemory(activation="tanh"),  # type: ignore[arg-type]
            "an MLP memory's activation is one of gelu, silu, relu, got 'tanh'; GatedMLPMemory has swiglu",
        ),
        (
            lambda: MLPMemory(activation="swiglu"),  # type: ignore[arg-type]
            "an MLP memory's activation is one of gelu, silu, relu, got 'swiglu'; GatedMLPMemory has swiglu",
        ),
        (lambda: GatedMLPMemory(expansion=-1), "memory expansion must be above 0 and finite, got -1"),
        (
            lambda: GatedMLPMemory(residual=True).shapes(4, 6),
            "key width 4, value width 6; make them equal or pass residual=False",
        ),
        (lambda: GatedMLPMemory(expansion=0.1).shapes(4, 4), "expansion 0.1 of key width 4 leaves no hidden unit"),
        (
            lambda: MLPMemory().shapes(4, 6),
            "key width 4, value width 6; make them equal or pass residual=False",
        ),
        (lambda: MLPMemory(expansion=0.1).shapes(4, 4), "expansion 0.1 of key width 4 leaves no hidden unit"),
    ],
)
def test_messages(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_the_neurips_form() -> None:
    """`M(x) = x + LN(W_2 gelu(W_1 x))` with expansion 4 is the default."""
    weights = [w[0].double() for w in initial_weights(MLPMemory(), 1, 8, 8, torch.Generator().manual_seed(0))]
    x = torch.randn(8, dtype=torch.float64)
    assert [tuple(w.shape) for w in weights] == [(32, 8), (8, 32)]
    assert_close(
        apply_memory(MLPMemory(), weights, x),
        x + F.layer_norm(weights[1] @ F.gelu(weights[0] @ x), [8]),
        1e-13,
    )


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("norm", [False, True])
def test_the_gated_form(norm: bool, residual: bool) -> None:
    """`M(x) = W_2 (silu(W_gate x) * (W_in x))`, with W_gate upon W_in."""
    memory = GatedMLPMemory(expansion=2, norm=norm, residual=residual)
    stacked, last = (w[0].double() for w in initial_weights(memory, 1, 4, 4, torch.Generator().manual_seed(0)))
    x = torch.randn(4, dtype=torch.float64)
    expected = last @ (F.silu(stacked[:8] @ x) * (stacked[8:] @ x))
    expected = F.layer_norm(expected, [4]) if norm else expected
    assert_close(apply_memory(memory, [stacked, last], x), x + expected if residual else expected, 1e-13)


def test_which_layers_learn_and_how_many_matrices_they_hold() -> None:
    def facts(a: Architecture) -> tuple[int, list[int]]:
        return a.first_learning, [a.matrices(layer) for layer in range(a.depth)]

    assert facts(LinearMemory()) == (0, [1])
    assert facts(MLPMemory(depth=3)) == (0, [1, 1, 1])
    assert facts(MLPMemory(depth=3, learns="last")) == (2, [1, 1, 1])
    assert facts(MLPMemory(depth=1, learns="last")) == (0, [1])
    assert facts(GatedMLPMemory()) == (0, [2, 1])
    assert facts(GatedMLPMemory(learns="last")) == (1, [2, 1])


def test_heads_and_sequences_meet_their_own_weights() -> None:
    torch.manual_seed(0)
    x, weights = torch.randn(2, 3, 4), initial_weights(MLPMemory(), 3, 4, 4)
    y = apply_memory(MLPMemory(), [w.expand(2, *w.shape) for w in weights], x)
    for b in range(2):
        for h in range(3):
            assert_close(apply_memory(MLPMemory(), [w[h] for w in weights], x[b, h]), y[b, h])


@pytest.mark.parametrize(
    ("architecture", "scales"),
    [
        (LinearMemory(), [1 / 8]),
        (MLPMemory(depth=2), [1, 1]),
        (MLPMemory(depth=3, norm=False), [1, 1 / 16, 1 / 16]),
        (GatedMLPMemory(), [1, 1 / 8]),
    ],
)
def test_initial_weights_scales(architecture: Architecture, scales: list[float]) -> None:
    weights = initial_weights(architecture, 8, 64, 64, torch.Generator().manual_seed(0))
    for w, shape, scale in zip(weights, architecture.shapes(64, 64), scales, strict=True):
        assert tuple(w.shape) == (8, *shape)
        assert w.dtype == torch.float32
        assert w.std().item() == pytest.approx(scale, rel=5 / math.sqrt(w.numel()))


def test_initial_weights_repeat_with_a_seed() -> None:
    first, second, other = (initial_weights(MLPMemory(), 2, 4, 4, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])
