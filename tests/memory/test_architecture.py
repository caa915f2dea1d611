import math
import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from tests.tolerances import assert_close
from titans_seq.memory import LinearMemory, MLPMemory, apply_memory, initial_weights


@pytest.mark.parametrize(
    ("architecture", "shapes"),
    [
        (LinearMemory(), [(6, 4)]),
        (MLPMemory(depth=1, residual=False), [(6, 4)]),
        (MLPMemory(depth=2, residual=False), [(16, 4), (6, 16)]),
        (MLPMemory(depth=3, expansion=1.5, residual=False), [(6, 4), (6, 6), (6, 6)]),
    ],
)
def test_shapes(architecture: LinearMemory | MLPMemory, shapes: list[tuple[int, int]]) -> None:
    assert list(architecture.shapes(4, 6)) == shapes
    assert architecture.depth == len(shapes)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MLPMemory(depth=0), "memory depth must be at least 1, got 0"),
        (lambda: MLPMemory(expansion=0), "memory expansion must be above 0, got 0"),
        (
            lambda: MLPMemory(activation="tanh"),  # type: ignore[arg-type]
            "unknown activation 'tanh': choose one of gelu, silu, relu",
        ),
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
    ],
)
def test_initial_weights_scales(architecture: LinearMemory | MLPMemory, scales: list[float]) -> None:
    weights = initial_weights(architecture, 8, 64, 64, torch.Generator().manual_seed(0))
    for w, shape, scale in zip(weights, architecture.shapes(64, 64), scales, strict=True):
        assert tuple(w.shape) == (8, *shape)
        assert w.dtype == torch.float32
        assert w.std().item() == pytest.approx(scale, rel=5 / math.sqrt(w.numel()))


def test_initial_weights_repeat_with_a_seed() -> None:
    first, second, other = (initial_weights(MLPMemory(), 2, 4, 4, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], other[0])
