"""Stacked classifiers against what they are defined as: weighed sums of a network's and of linear models' logits."""

from dataclasses import replace

import numpy as np
import pytest

from genomics.baselines.linear import fit_linear
from genomics.baselines.values import by_loss, loss
from genomics.models import ClassifierConfig, encoder_preset
from genomics.models.classifier import Classifier, Strands
from genomics.models.untrained import new_classifier
from genomics.runs.predictor import Predictor
from genomics.runs.stacking import STRENGTHS, Share, Stack, linear_features, mean_of, read_stack, stacked, write_stack
from genomics.sequences.values import Kind, LabelledSequences
from genomics.synthetic import planted_motifs
from titans_seq.errors import UserError

CASES = (
    ("classes", 2, "given", 24),
    ("classes", 3, "augment", 24),
    ("multilabel", 2, "given", 24),
    ("multilabel", 2, "augment", 0),
    ("regression", 1, "given", 0),
    ("regression", 1, "augment", 24),
)


def labelled(kind: str, outputs: int, count: int, seed: int) -> LabelledSequences:
    """Sequences whose labels follow from a word and from what stands at the third place, by and large."""
    drawn, random = planted_motifs(count, 24, seed=seed), np.random.default_rng(seed)
    found = [one.count("A") + 4.0 * (one[2] == "G") + random.normal() for one in drawn.sequences]
    ranks = np.argsort(np.argsort(found)) / count
    names = tuple(f"class {number}" for number in range(outputs))
    if kind == "regression":
        return LabelledSequences(drawn.names, drawn.sequences, np.array(found, np.float64), (), "regression")
    if kind == "multilabel":
        labels = np.stack([ranks > 0.5, ranks > 0.7], 1).astype(np.float32)
        return LabelledSequences(drawn.names, drawn.sequences, labels, names, "multilabel")
    return LabelledSequences(drawn.names, drawn.sequences, (ranks * outputs).astype(np.int64), names, "classes")


def classifier(kind: Kind, outputs: int, strands: Strands = "given", places: int = 24, words: int = 2) -> Classifier:
    encoder = encoder_preset("tiny")
    config = ClassifierConfig(encoder, kind, outputs, strands=strands, places=places, words=words)
    model = new_classifier(config, seed=0).eval()
    if model.places is not None:
        model.places.weight.data.normal_()
    if model.scale is not None:
        model.scale.mean.fill_(7.0)
        model.scale.deviation.fill_(3.0)
    return model


@pytest.mark.parametrize(("kind", "outputs", "strands", "places"), CASES)
def test_a_stack_is_the_weighed_sum_of_logits(kind, outputs, strands, places):
    train, validation, new = (labelled(kind, outputs, count, seed) for seed, count in enumerate((80, 40, 9)))
    model = classifier(kind, outputs, strands, places)
    sequences = list(new.sequences)
    before = Predictor(model, train.classes, "cpu")
    own, centre = before.logits(sequences), 7.0 if kind == "regression" else 0.0
    unit = {"multilabel": 2.0, "regression": 9.0}.get(kind, 1.0)
    held = loss(before.predict_proba(list(validation.sequences)), validation) / unit
    found = stacked(model, train, validation, "cpu")
    assert found is not None
    assert found.alone == pytest.approx(held, rel=1e-5)
    assert found.loss is not None
    assert found.loss < held
    expected = centre + found.network * (own - centre)
    for share, features in zip(found.shares, linear_features(model), strict=True):
        linear = fit_linear(features, STRENGTHS, train, validation, by_loss)
        assert (linear.kept, linear.strength) == (share.features, share.strength)
        expected = expected + share.weight * (linear.logits(sequences) - centre)
    after = Predictor(model, train.classes, "cpu")
    np.testing.assert_allclose(after.logits(sequences), expected, rtol=0, atol=2e-4)
    assert loss(after.predict_proba(list(validation.sequences)), validation) / unit == pytest.approx(
        found.loss, abs=1e-4
    )


def test_without_validation_the_weights_of_before_are_taken():
    train = labelled("classes", 2, 60, seed=0)
    model, sequences = classifier("classes", 2), list(train.sequences[:5])
    before = Predictor(model, train.classes, "cpu").logits(sequences)
    assert stacked(model, train, None, "cpu") is None
    np.testing.assert_array_equal(Predictor(model, train.classes, "cpu").logits(sequences), before)
    earlier = Stack(0.5, Share(0.25, 0.1, "both strands"), Share(0.0, 1.0, "as given"), 0.3, 0.4)
    assert stacked(model, train, None, "cpu", earlier) == earlier
    features = linear_features(model)[0]["both strands"]
    linear = fit_linear({"": features}, (0.1,), train, train)
    expected = 0.5 * before + 0.25 * linear.logits(sequences)
    np.testing.assert_allclose(Predictor(model, train.classes, "cpu").logits(sequences), expected, atol=1e-5)


def test_a_model_without_words_stays_as_it_is():
    train = labelled("classes", 2, 40, seed=0)
    model = classifier("classes", 2, words=0)
    before = {name: x.clone() for name, x in model.state_dict().items()}
    assert stacked(model, train, train, "cpu") is None
    assert all((x == before[name]).all() for name, x in model.state_dict().items())


def test_few_sequences_change_little():
    train = labelled("classes", 2, 60, seed=0)
    found = stacked(classifier("classes", 2), train, train.take(np.arange(2)), "cpu")
    assert found is not None
    shares = found.shares
    assert found.alone is not None
    assert (found.network - 1) ** 2 + sum(one.weight**2 for one in shares) <= 2 * 2 * found.alone


def test_a_validation_part_of_one_value_leaves_a_model_that_answers():
    train = labelled("regression", 1, 40, seed=0)
    one = train.take(np.arange(3))
    one = replace(one, labels=np.full(3, train.labels.mean()))
    model = classifier("regression", 1)
    found = stacked(model, train, one, "cpu")
    assert found is not None
    assert found.network >= 0.01
    assert np.ptp(Predictor(model, (), "cpu").logits(list(train.sequences))) > 0


def test_a_stack_is_kept_and_read(tmp_path):
    stack = Stack(0.5, Share(0.25, 0.1, "both strands"), None, 0.3, 0.4)
    assert read_stack(tmp_path) is None
    write_stack(tmp_path, stack)
    assert read_stack(tmp_path) == stack
    other = replace(stack, network=1.5, words=replace(stack.words, weight=0.75, strength=1.0))
    words = replace(stack.words, weight=0.5)
    assert mean_of([stack, other]) == Stack(1.0, words, None, None, None)
    assert mean_of([stack, other, other]) == Stack(7 / 6, Share(7 / 12, 1.0, "both strands"), None, None, None)
    assert mean_of([stack, None]) is None
    (tmp_path / "stacking.json").write_text("{}")
    with pytest.raises(UserError, match="stacking.json: damaged"):
        read_stack(tmp_path)
