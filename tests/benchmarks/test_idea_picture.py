from pathlib import Path

import torch

from benchmarks.idea_picture import SENTENCE, Reader, draw, read
from tests.conftest import REPOSITORY


def test_what_is_read_again_surprises_less(tmp_path: Path) -> None:
    torch.manual_seed(0)
    reader = Reader()
    with torch.no_grad():  # wide open, hardly any momentum, and nothing forgotten
        reader.gates.bias.copy_(torch.tensor([3.0, -3.0, -3.0]))
    reading = read(reader, 2 * SENTENCE)
    half = len(SENTENCE)
    assert sum(reading.surprise[half:]) < 0.6 * sum(reading.surprise[:half])
    draw(reading, tmp_path / "idea.png")
    assert (tmp_path / "idea.png").read_bytes().startswith(b"\x89PNG")


def test_pictures_of_the_documents_are_small() -> None:
    pictures = list((REPOSITORY / "docs" / "images").glob("*.png"))
    assert pictures
    assert all(picture.stat().st_size < 150_000 for picture in pictures)
