from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def dna(shared_data: Path) -> Path:
    """Folder of real DNA data."""
    folder = shared_data / "dna"
    if not folder.is_dir():
        pytest.skip(f"needs the real data folder {folder}, which this machine does not have")
    return folder
