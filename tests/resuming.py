"""What tests of stopped and resumed trainings share: a power cut, and whether two networks have the same weights."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import nn

from titans_seq.experiment.module import FitModule


class PowerCut(BaseException):
    """Ends whatever runs, and is caught by nobody."""


@contextmanager
def power_cut(module: type[FitModule], when: Callable[[Any, int], bool]) -> Iterator[None]:
    """Stop the training in the block by a power cut, and assert that one came.

    Args:
        module: of the training.
        when: whether the power is cut before this training step, by the module and the number of the batch.
    """
    usual = module.training_step

    def training_step(self: FitModule, batch: Any, batch_idx: int) -> Any:
        if when(self, batch_idx):
            raise PowerCut
        return usual(self, batch, batch_idx)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "training_step", training_step)
        with pytest.raises(PowerCut):
            yield


def same_weights(first: nn.Module | None, second: nn.Module | None) -> bool:
    """Whether two networks of one shape have the same weights, bit for bit; both have to be there."""
    assert first is not None
    assert second is not None
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
