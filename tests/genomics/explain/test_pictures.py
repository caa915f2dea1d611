import csv
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch

from genomics.explain import Attribution, mutagenesis, write_attribution
from genomics.explain.pictures import draw_attribution, draw_letters
from tests.genomics.explain.models import ByHand
from titans_seq.errors import UserError


def test_letters_reach_from_the_axis_to_their_height() -> None:
    axis = Figure().subplots()
    draw_letters(axis, "ACR", np.array([2.0, -1.0, 0.0]), first=11)
    drawn = [patch.get_path().get_extents() for patch in axis.patches if isinstance(patch, PathPatch)]
    assert len(drawn) == 2
    np.testing.assert_allclose([drawn[0].x0, drawn[0].x1, drawn[0].y0, drawn[0].y1], [10.55, 11.45, 0, 2], atol=1e-6)
    np.testing.assert_allclose(sorted((drawn[1].y0, drawn[1].y1)), [-1, 0], atol=1e-6)
    assert axis.get_xlim() == (10.5, 13.5)


@pytest.mark.parametrize("count", [5, 101, 130, 200])
def test_mutagenesis_is_drawn(tmp_path: Path, count: int) -> None:
    draw_attribution(mutagenesis(ByHand(), "GATTACAGAN" * 21, window=(2, 2 + count)), tmp_path / "a.png", "title")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def flat(sequence: str) -> Attribution:
    return Attribution(sequence, 0, "yes", np.zeros((len(sequence), 4)))


def test_an_attribution_of_zeros_is_drawn(tmp_path: Path) -> None:
    draw_attribution(flat("ACG"), tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot draw to .*a\.txt"):
        draw_attribution(flat("A"), tmp_path / "a.txt")
    with pytest.raises(UserError, match="a picture holds at most 2000 bases, got 2001: give a window"):
        draw_attribution(flat("A" * 2001), tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_the_csv_says_what_was_found(tmp_path: Path) -> None:
    found = mutagenesis(ByHand(), "GATTACA", window=(2, 5))
    assert found.changes is not None
    write_attribution(found, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["position"], row["base"]) for row in rows] == [("3", "T"), ("4", "T"), ("5", "A")]
    np.testing.assert_allclose([[float(row[base]) for base in "ACGT"] for row in rows], found.changes, rtol=1e-5)
    np.testing.assert_allclose([float(row["importance"]) for row in rows], found.importance, rtol=1e-5)
