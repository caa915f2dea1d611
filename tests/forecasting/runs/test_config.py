"""What a run notes about where it came from."""

import re
import subprocess
from pathlib import Path

import pytest

from titans_seq.experiment.provenance import checkout_commit


def test_a_run_in_a_checkout_names_its_commit(repository: Path) -> None:
    if not (repository / ".git").exists():
        pytest.skip("not run from a git checkout, so there is no commit to name")
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.strip()
    commit = checkout_commit("forecasting", "titans_seq")
    assert commit is not None
    assert re.fullmatch(rf"{head}(\+changes)?", commit)
