"""How closely two tensors must agree, by dtype, and an assertion that says where they do not."""

from collections.abc import Mapping

import torch
from torch import Tensor

# Largest difference allowed, relative to the largest element expected.
RELATIVE = {torch.float64: 1e-10, torch.float32: 1e-5, torch.float16: 4e-3, torch.bfloat16: 3e-2}

# Below this size the expected tensor counts as zero up to rounding, and differences are relative to this.
_SMALLEST = 1e-5


def assert_close(actual: Tensor, expected: Tensor, relative: float | None = None, name: str = "tensor") -> None:
    """Assert equal shapes and dtypes, finite values, and a small difference relative to the largest element.

    Args:
        actual: what was computed.
        expected: what it should be.
        relative: largest difference over the largest expected element; the dtype's in `RELATIVE` if None.
        name: what to call it in the message.
    """
    assert actual.shape == expected.shape, f"{name}: shape {tuple(actual.shape)}, expected {tuple(expected.shape)}"
    assert actual.dtype == expected.dtype, f"{name}: {actual.dtype}, expected {expected.dtype}"
    assert actual.isfinite().all(), f"{name}: not finite"
    if actual.numel() == 0:
        return
    relative = RELATIVE[actual.dtype] if relative is None else relative
    difference = (actual.detach().double() - expected.detach().double()).abs()
    scale = max(expected.detach().abs().max().item(), _SMALLEST)
    worst = difference.argmax()
    where = tuple(int(i) for i in torch.unravel_index(worst, difference.shape))
    assert difference.max() <= relative * scale, (
        f"{name}: off by {difference.max() / scale:.2e} of the largest element (allowed {relative:.0e}), "
        f"worst at {where}: {actual[where].item()!r}, expected {expected[where].item()!r}"
    )


def assert_all_close(
    actual: Mapping[str, Tensor], expected: Mapping[str, Tensor], relative: float | None = None
) -> None:
    """Assert `assert_close` for every entry of two mappings with the same names."""
    assert list(actual) == list(expected)
    for name, tensor in actual.items():
        assert_close(tensor, expected[name], relative, name)
