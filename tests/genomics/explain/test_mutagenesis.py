from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from genomics.explain import agreement, likeliest_target, mutagenesis, saliency, target_column, target_scores
from tests.genomics.explain.models import ByHand, by_hand
from titans_seq.errors import UserError

SEQUENCE = "GATTACANTAG"


def brute_force(sequence: str) -> np.ndarray:
    changes = np.zeros((len(sequence), 4))
    for place in range(len(sequence)):
        for number, base in enumerate("ACGT"):
            mutant = sequence[:place] + base + sequence[place + 1 :]
            changes[place, number] = by_hand(mutant) - by_hand(sequence)
    return changes


@pytest.mark.parametrize(("kind", "classes"), [("classes", ("no", "yes")), ("regression", ())])
def test_mutagenesis_is_what_a_loop_finds(kind, classes) -> None:
    found = mutagenesis(ByHand(kind, classes), SEQUENCE)
    assert found.changes is not None
    np.testing.assert_allclose(found.changes, brute_force(SEQUENCE), rtol=0, atol=1e-12)
    assert found.target == (classes[-1] if classes else "value")
    assert (found.changes[0] == 0).tolist() == [False, False, True, False]
    assert (found.changes[7] == 0).sum() == 0


def test_importance_is_minus_the_mean_change_of_the_substitutions() -> None:
    found = mutagenesis(ByHand(), SEQUENCE)
    changes = brute_force(SEQUENCE)
    assert found.importance[0] == pytest.approx(-changes[0, [0, 1, 3]].mean())
    assert found.importance[7] == pytest.approx(-changes[7].mean())


def test_a_window_is_a_part_of_the_whole() -> None:
    whole, part = mutagenesis(ByHand(), SEQUENCE), mutagenesis(ByHand(), SEQUENCE, window=(3, 8))
    assert whole.changes is not None
    assert part.changes is not None
    np.testing.assert_array_equal(part.changes, whole.changes[3:8])
    assert (part.sequence, part.start) == ("TACAN", 3)


def test_mutants_come_in_portions_and_the_sequence_is_cleaned() -> None:
    model = ByHand()
    long = "acgu" * 100
    found = mutagenesis(model, long)
    assert found.changes is not None
    np.testing.assert_allclose(found.changes, brute_force("ACGT" * 100), rtol=0, atol=1e-9)
    assert [len(call) for call in model.calls] == [1, 512, 512, 176]


def test_log_odds_do_not_change_when_all_logits_do() -> None:
    two = target_scores(ByHand(), ["TATA"])
    assert two[0].tolist() == pytest.approx([-by_hand("TATA"), by_hand("TATA")])
    three = target_scores(ByHand(classes=("a", "b", "c")), ["TC"])[0]
    shares = np.exp(np.arange(3) * by_hand("TC"))
    shares /= shares.sum()
    np.testing.assert_allclose(three, np.log(shares / (1 - shares)), rtol=1e-12)
    labels = target_scores(ByHand("multilabel", ("a", "b")), ["TC"])[0]
    assert labels.tolist() == pytest.approx([0, by_hand("TC")])
    assert target_scores(ByHand(), []).shape == (0, 2)


def test_the_target_is_chosen_by_name() -> None:
    assert target_column(ByHand(), None) == 1
    assert target_column(ByHand(), "no") == 0
    assert target_column(ByHand("regression", ()), None) == 0
    assert target_column(ByHand("multilabel", ("only",)), None) == 0
    with pytest.raises(UserError, match="the model has no class or label 'maybe': expected one of no, yes"):
        target_column(ByHand(), "maybe")
    with pytest.raises(UserError, match=r"several classes or labels: choose the target \(--target\) among a, b, c"):
        target_column(ByHand(classes=("a", "b", "c")), None)
    with pytest.raises(UserError, match=r"choose the target \(--target\) among a, b"):
        target_column(ByHand("multilabel", ("a", "b")), None)


@pytest.mark.parametrize(
    ("kind", "classes", "target"),
    [
        ("multilabel", ("a", "b"), "b"),
        ("classes", ("a", "b", "c"), "c"),
        ("classes", ("no", "yes"), None),
        ("multilabel", ("only",), None),
        ("regression", (), None),
    ],
)
def test_the_likeliest_is_chosen_where_there_is_a_choice(kind, classes, target) -> None:
    assert likeliest_target(ByHand(kind, classes), SEQUENCE) == target


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UserError, match="the window 3-12 does not lie in a sequence of 11 bases"):
        mutagenesis(ByHand(), SEQUENCE, window=(3, 12))
    with pytest.raises(UserError, match="the sequence to explain: 'J' at position 2 is no letter of DNA"):
        mutagenesis(ByHand(), "AJ")
    with pytest.raises(UserError, match="the window 0-3 does not lie in a sequence of 2 bases"):
        saliency(Estimating(), "AC", window=(0, 3))


class Estimating(ByHand):
    """Estimates half of what mutagenesis finds, so that the two agree in everything but size."""

    def substitutions(self, records: Iterable[str], column: int) -> Iterator[np.ndarray]:
        yield from (brute_force(sequence) / 2 for sequence in records)


def test_saliency_and_mutagenesis_are_compared() -> None:
    one, other = saliency(Estimating(), SEQUENCE, window=(2, 9)), mutagenesis(ByHand(), SEQUENCE, window=(2, 9))
    np.testing.assert_allclose(one.importance, other.importance / 2)
    assert agreement(one, other) == pytest.approx(1)
    np.testing.assert_allclose(one.contributions.sum(1), 0, atol=1e-12)
    assert np.isnan(agreement(one, replace(other, changes=np.zeros((7, 4)))))
