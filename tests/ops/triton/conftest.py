"""Fixtures of the kernels' tests."""

from collections.abc import Callable, Iterator

import pytest
import torch

from tests.ops.triton.quick_interpreter import quick_interpreter


@pytest.fixture
def empty_tensors_hold_nan() -> Iterator[None]:
    """What a kernel does not write is then seen."""
    torch.use_deterministic_algorithms(True)
    assert torch.empty(3).isnan().all()
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="session")
def own_scan() -> Iterator[Callable[..., list]]:
    """Interpret kernels in half the time; the scan that triton's interpreter has is what this gives."""
    with quick_interpreter() as own:
        yield own
