import json

import numpy as np
import pytest

from genomics.baselines import Majority
from genomics.evaluation import BootstrapOptions, Measure, bootstrap_intervals, evaluate, evaluate_outputs, mcc
from genomics.sequences.values import Kind, LabelledSequences
from titans_seq.errors import UserError

DATA = LabelledSequences(tuple("abcd"), ("A", "C", "G", "T"), np.array([0, 1, 1, 0]), ("no", "yes"), "classes")
QUICK = BootstrapOptions(repeats=20)


class Fixed:
    """A model whose outputs are given."""

    def __init__(self, outputs: np.ndarray, classes: tuple[str, ...] = ("no", "yes")) -> None:
        self.outputs = outputs
        self.classes = classes
        self.kind: Kind = "classes"

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        return self.outputs

    logits = predict_proba


def test_an_evaluation_holds_what_the_model_said() -> None:
    outputs = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.8, 0.2]])
    evaluation = evaluate(Fixed(outputs), DATA, QUICK, "mine")
    assert evaluation.scores["accuracy"] == 0.75
    assert evaluation.confusion is not None
    assert evaluation.confusion.tolist() == [[2, 0], [1, 1]]
    assert evaluation.scores["mcc"] == pytest.approx(mcc(evaluation.confusion))
    assert evaluation.by_class["yes"]["recall"] == 0.5
    assert evaluation.notes == ()
    content = json.loads(json.dumps(evaluation.summary(), allow_nan=False))
    assert (content["name"], content["count"], content["confusion"]) == ("mine", 4, [[2, 0], [1, 1]])


def test_a_threshold_changes_what_is_called_and_no_probability() -> None:
    outputs = np.array([[0.9, 0.1], [0.4, 0.6], [0.7, 0.3], [0.8, 0.2]])
    plain = evaluate(Fixed(outputs), DATA, QUICK)
    decided = evaluate(Fixed(outputs), DATA, QUICK, threshold=0.3, notes=("by 0.3",))
    assert (plain.scores["accuracy"], decided.scores["accuracy"]) == (0.75, 1.0)
    assert decided.confusion is not None
    assert decided.confusion.tolist() == [[2, 0], [0, 2]]
    assert (decided.notes, decided.threshold) == (("by 0.3",), 0.3)
    for name in ("auroc", "brier", "ece"):
        assert decided.scores[name] == plain.scores[name]


def test_intervals_are_those_of_drawing_rows_again() -> None:
    random = np.random.default_rng(3)
    labels, outputs = random.integers(2, size=60), random.dirichlet(np.ones(2), 60)
    options = BootstrapOptions(repeats=50, level=0.8, seed=7)
    intervals = bootstrap_intervals(Measure(labels, outputs, "classes"), options)
    draws, expected = np.random.default_rng(7), []
    for _ in range(50):
        rows = draws.integers(60, size=60)
        expected.append(Measure(labels[rows], outputs[rows], "classes")()["auroc"])
    assert intervals["auroc"] == pytest.approx(tuple(np.quantile(expected, [0.1, 0.9])), rel=1e-12)
    assert intervals == bootstrap_intervals(Measure(labels, outputs, "classes"), options)


def test_an_interval_of_a_share_has_the_width_that_theory_says() -> None:
    outputs = np.repeat([[1.0, 0.0], [0.0, 1.0]], [700, 300], axis=0)
    evaluation = evaluate_outputs(outputs, np.zeros(1000, dtype=np.int64), ("a", "b"), "classes")
    low, high = evaluation.intervals["accuracy"]
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 1000), rel=0.1)


def test_scores_that_are_not_defined_are_left_out_and_noted() -> None:
    evaluation = evaluate_outputs(np.array([[0.2, 0.8]] * 3), np.ones(3, dtype=np.int64), ("a", "b"), "classes", QUICK)
    assert "auroc" not in evaluation.scores
    assert "auroc" not in evaluation.intervals
    assert "no sequence of class a: means over classes leave them out" in evaluation.notes
    assert "auroc, auprc: not defined, there is one class only" in evaluation.notes
    labels = np.array([[1, 0], [1, 1]], dtype=np.float32)
    several = evaluate_outputs(np.full((2, 2), 0.5), labels, ("x", "y"), "multilabel", QUICK)
    assert several.notes == ("1 of 2 labels are always or never present: mcc, f1 and areas omit them",)


def test_what_does_not_fit_is_refused() -> None:
    good = np.full((4, 2), 0.5)
    with pytest.raises(UserError, match="there is no sequence to evaluate on"):
        evaluate(Fixed(good), DATA.take([]))
    with pytest.raises(UserError, match="model knows the classes x, y, the data has no, yes: name the classes as in"):
        evaluate(Fixed(good, ("x", "y")), DATA)
    values = LabelledSequences(("a",), ("A",), np.zeros(1), (), "regression")
    with pytest.raises(UserError, match="model was made for labels of the kind 'classes', the data has 'regression'"):
        evaluate(Fixed(good), values)
    with pytest.raises(ValueError, match=r"model gave outputs of shape \(4, 1\), expected \(4, 2\)"):
        evaluate(Fixed(good[:, :1]), DATA)
    with pytest.raises(ValueError, match="output that is not finite for 1 of 4 sequences, first 2"):
        evaluate(Fixed(np.where(np.arange(4)[:, None] == 2, np.nan, good)), DATA)
    with pytest.raises(UserError, match="the level of an interval must lie between 0 and 1, got 1"):
        BootstrapOptions(level=1)


def test_a_baseline_is_a_model() -> None:
    evaluation = evaluate(Majority().fit(DATA, DATA), DATA, QUICK, "majority")
    assert (evaluation.scores["accuracy"], evaluation.scores["auroc"]) == (0.5, 0.5)
