from pathlib import Path

import numpy as np
import pytest

from genomics.explain import Attribution, mutagenesis
from genomics.explain.exports import write_big_wig
from genomics.explain.spans import contexts, explain_span
from genomics.sequences.values import Interval
from tests.genomics.explain.models import ByHand
from titans_seq.errors import UserError

SEQUENCE = "GATTACAGAN" * 12


@pytest.mark.parametrize(("start", "end"), [(0, 3), (50, 60), (117, 120), (0, 120), (33, 95)])
def test_every_base_of_a_span_is_explained_once_within_its_window(start: int, end: int) -> None:
    parts = list(contexts(len(SEQUENCE), start, end, 20))
    assert [at for one in parts for at in range(one.start, one.end)] == list(range(start, end))
    for one in parts:
        assert 0 <= one.window_start <= one.start < one.end <= one.window_end <= len(SEQUENCE)
        assert one.window_end - one.window_start == 20
    found = explain_span(lambda text, at: mutagenesis(ByHand(), text, None, at), SEQUENCE, parts)
    assert (found.sequence, found.start) == (SEQUENCE[start:end], start)
    first = parts[0]
    whole = mutagenesis(ByHand(), SEQUENCE[first.window_start : first.window_end])
    np.testing.assert_array_equal(found.changes[0], whole.changes[start - first.window_start])


def test_a_track_has_the_importance_of_each_base_on_its_strand(tmp_path: Path) -> None:
    package = pytest.importorskip("pyBigWig", reason="needs the extra tracks")
    changes = -np.arange(12.0).reshape(3, 4)
    one = Attribution("NNN", 1, "yes", changes)
    places = [Interval("b", "chr1", 20, 30, "-"), Interval("a", "chr1", 5, 15, "+")]
    write_big_wig([one, one], places, {"chr1": 90}, tmp_path / "a.bw")
    with package.open(str(tmp_path / "a.bw")) as file:
        held = [(start, value) for start, _, value in file.intervals("chr1")]
    expected = one.importance.tolist()
    assert held == [*zip((6, 7, 8), expected, strict=True), *zip((26, 27, 28), expected[::-1], strict=True)]
    with pytest.raises(UserError, match="overlaps another sequence on chr1"):
        write_big_wig([one, one], [places[0], places[0]], {"chr1": 90}, tmp_path / "b.bw")
