"""A task that a small model learns in a second."""

import pytest

from language.tasks import TASKS, InductionHeads, TaskRecipe, token_accuracy
from language.trials import TrialSettings

LENGTHS = (6, 12, 24)


@pytest.fixture
def tiny_task(monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of induction heads with two symbols, trained at length 6."""
    recipe = TaskRecipe("", "", lambda split, data: InductionHeads(2), token_accuracy, LENGTHS[0], LENGTHS)
    monkeypatch.setitem(TASKS, "tiny", recipe)
    return "tiny"


@pytest.fixture
def small() -> TrialSettings:
    """Settings for models that take a second."""
    return TrialSettings().changed(dim=16, window=4, steps=60, batch=16, lr=(1e-2,), every=20, tests=32)
