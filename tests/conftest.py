"""Fixtures and settings that every test shares."""

import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

torch.set_num_threads(1)

# A shared machine makes any deadline a coin toss, and a test that draws other examples each run is one too.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_collection_finish() -> None:
    """Keep what imports have made out of all later searches for garbage, which would look at a million objects."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def blank_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures are files without content: drawing takes longer than what most commands do else in a test."""
    from matplotlib.figure import Figure

    save = Figure.savefig

    def blank(figure: Figure, file: Any, **options: Any) -> None:
        figure.clear()
        options["dpi"] = 5
        save(figure, file, **options)

    monkeypatch.setattr(Figure, "savefig", blank)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data that lies beside a checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real data folder {SHARED_DATA}, which this machine does not have")
    return SHARED_DATA
