from pathlib import Path

import numpy as np
import pytest

from genomics.cli.marginalise import parse_spacing
from genomics.motifs import MarginalOptions, marginalise, spacings
from genomics.motifs.report import draw_spacings, write_spacings
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import Kind
from tests.genomics.small import random_sequence
from titans_seq.errors import UserError


class Counting:
    """One for a motif, one for another, and two more for both at least ten bases apart."""

    kind: Kind = "regression"
    classes: tuple[str, ...] = ()

    def logits(self, sequences: list[str]) -> np.ndarray:
        values = []
        for sequence in sequences:
            one, other = sequence.find("TGACTCA"), sequence.find("GGATAAG")
            apart = one >= 0 and other >= 0 and other - one - 7 >= 10
            values.append((one >= 0) + (other >= 0) + 2.0 * apart)
        return np.array(values, dtype=np.float64)[:, None]

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        return self.logits(sequences)


BACKGROUNDS = [random_sequence(80, np.random.default_rng(seed)) for seed in range(12)]


def test_a_motif_has_its_effect_and_its_shuffle_has_none() -> None:
    with_motif = [*BACKGROUNDS, BACKGROUNDS[0][:10] + "TGACTCA" + BACKGROUNDS[0][17:]]
    effects = {one.what: one for one in marginalise(Counting(), "tgactca", with_motif, MarginalOptions())}
    assert effects["inserted"].mean == pytest.approx(12 / 13)
    assert effects["shuffled inserted"].mean == 0
    assert (effects["shuffled out"].mean, effects["shuffled out"].count) == (-1, 1)
    assert effects["inserted"].low <= effects["inserted"].mean <= effects["inserted"].high


@pytest.mark.parametrize("motif", ["TGACTCA", "CACACA", "CG", "GGGG"])
def test_a_motif_that_is_shuffled_out_stands_nowhere_on_either_strand(motif: str) -> None:
    class Held(Counting):
        def logits(self, sequences: list[str]) -> np.ndarray:
            either = (motif, reverse_complement(motif))
            return np.array([[float(any(one in sequence for one in either))] for sequence in sequences])

    odd = reverse_complement(motif)
    with_motif = [one[:9] + motif * 2 + one[9:40] + odd + one[40:] + motif for one in BACKGROUNDS]
    for seed in range(4):
        *_, out = marginalise(Held(), motif, with_motif, MarginalOptions(draws=10, seed=seed))
        assert (out.what, out.mean, out.count) == ("shuffled out", -1, len(BACKGROUNDS))


def test_a_motif_that_no_shuffle_takes_away_is_not_counted_as_shuffled_out() -> None:
    found = marginalise(Counting(), "AAAA", ["A" * 40, "A" * 50], MarginalOptions(draws=10))
    assert [one.what for one in found] == ["inserted"]


@pytest.mark.parametrize("motif", ["AC", "AATT", "CCCCCCCA"])
def test_a_shuffle_is_another_word_on_either_strand(motif: str) -> None:
    class Held(Counting):
        def logits(self, sequences: list[str]) -> np.ndarray:
            middle = [one[40 - (len(motif) + 1) // 2 :][: len(motif)] for one in sequences]
            return np.array([[float(one in (motif, reverse_complement(motif)))] for one in middle])

    found = {one.what: one.mean for one in marginalise(Held(), motif, ["G" * 80] * 40, MarginalOptions(draws=10))}
    assert found["inserted"] == 1
    assert found["shuffled inserted"] == 0


def test_pairs_interact_where_the_model_says(tmp_path: Path) -> None:
    found = spacings(Counting(), "TGACTCA", "GGATAAG", [0, 9, 10, 40], BACKGROUNDS)
    assert [pair.mean for pair, _ in found.values()] == [2, 2, 4, 4]
    assert [interaction.mean for _, interaction in found.values()] == [0, 0, 2, 2]
    write_spacings(found, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text().splitlines()[5] == "10,pair,4,4,4,12"
    draw_spacings(found, "a pair", tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text()


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(UserError, match="the pair TGACTCA and GGATAAG takes 84 bases, the shortest background has 80"):
        spacings(Counting(), "TGACTCA", "GGATAAG", [70], BACKGROUNDS)
    with pytest.raises(UserError, match="holds codes for several bases"):
        marginalise(Counting(), "TGASTCA", BACKGROUNDS)
    with pytest.raises(UserError, match="holds a gap or a wildcard"):
        marginalise(Counting(), "TGA.TCA", BACKGROUNDS)
    with pytest.raises(UserError, match="there is no background sequence"):
        marginalise(Counting(), "TGACTCA", [])
    for text in ("", "a:b", "5:2", "1:5:0", "-1:4"):
        with pytest.raises(UserError, match="--spacing"):
            parse_spacing(text)
