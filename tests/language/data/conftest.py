from pathlib import Path

import pytest

from tests.language.making import TEXTS, write_lines


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Forty short documents, some of them equal, two without text."""
    return write_lines(tmp_path / "corpus.jsonl", TEXTS)
