from dataclasses import replace

import numpy as np
import pytest

from genomics.baselines.linear_probe import probe
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.values import LabelledSequences

MOTIF = "TGACGTAAC"


def made(either: bool, count: int = 240) -> LabelledSequences:
    """The motif stands in class 1, on either strand; or on one strand in class 1 and on the other in class 0."""
    random = np.random.default_rng(0)
    labels = np.arange(count) % 2
    sequences = []
    for label in labels:
        letters = "".join(random.choice(list("ACGT"), 40))
        turned = random.random() < 0.5 if either else label == 0
        motif = reverse_complement(MOTIF) if turned else MOTIF
        start = random.integers(30)
        sequences.append(letters[:start] + motif + letters[start + 9 :] if label or not either else letters)
    return LabelledSequences(tuple("s" * count), tuple(sequences), labels, ("no", "yes"), "classes")


@pytest.mark.parametrize("either", [True, False])
def test_labels_of_both_strands_are_told_from_those_of_one(either):
    measured = probe(made(either))
    assert measured is not None
    assert measured.belongs_to_both == either
    assert f"{measured.both:.4f} blind to the strand" in measured.describe_strands()
    assert not measured.places_matter


def test_what_stands_where_is_told_from_what_is_there_at_all():
    random = np.random.default_rng(0)
    sequences, labels = [], np.arange(240) % 2
    for label in labels:
        letters = "".join(random.choice(list("ACGT"), 40))
        start = 8 if label else 24
        sequences.append(letters[:start] + MOTIF + letters[start + 9 :])
    data = LabelledSequences(tuple("s" * 240), tuple(sequences), labels, ("no", "yes"), "classes")
    measured = probe(data)
    assert measured is not None
    assert measured.places_matter
    assert "with what stands where" in measured.describe_places()
    uneven = probe(replace(data, sequences=(*sequences[:-1], sequences[-1][:-1])))
    assert uneven is not None
    assert not uneven.places_matter
    assert "differ in length" in uneven.describe_places()


def test_other_labels_and_too_few_sequences():
    data = made(False)
    values = replace(data, labels=data.labels * 3.0 + 1, classes=(), kind="regression")
    several = replace(data, labels=np.stack([data.labels, 1 - data.labels], 1).astype(np.float32), kind="multilabel")
    for one in (values, several):
        measured = probe(one)
        assert measured is not None
        assert not measured.belongs_to_both
    assert probe(data.take(np.arange(20))) is None
    # A class of three sequences is left out, and the others are measured as without it.
    rare = replace(data, labels=np.where(np.arange(240) < 3, 1, 2 * data.labels), classes=("a", "rare", "z"))
    assert probe(rare) == probe(rare.take(np.arange(3, 240)))
    assert probe(replace(data, labels=0 * data.labels)) is None
