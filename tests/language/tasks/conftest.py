"""What the tests of all tasks share."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from language.tasks import IGNORE, Task

Solver = Callable[[list[int]], dict[int, int]]


@pytest.fixture
def check_solved() -> Callable[..., None]:
    """Check a task against a solver that sees the ids of one sequence and returns all answers by position."""

    def check(task: Task, solve: Solver, lengths: tuple[int, ...], batch_size: int = 20) -> None:
        for length in lengths:
            ids, targets = task.batch(batch_size, length, torch.Generator().manual_seed(length))
            for row, expected in zip(ids.tolist(), targets.tolist(), strict=True):
                answers = solve(row)
                assert [answers.get(t, IGNORE) for t in range(length)] == expected, row

    return check


@pytest.fixture(scope="session")
def text_data(shared_data: Path) -> Path:
    """Folder of the real texts."""
    folder = shared_data / "text"
    if not folder.is_dir():
        pytest.skip(f"needs the folder of texts {folder}, which this machine does not have")
    return folder
