import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn import metrics as reference

from genomics.evaluation.metrics import BINS, Measure, by_class, mcc
from genomics.evaluation.ranking import Ranking


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def probabilities(rng: np.random.Generator, count: int, columns: int) -> np.ndarray:
    """Rows that add to 1, with many equal values."""
    raw = rng.integers(1, 9, size=(count, columns)).astype(float)
    return raw / raw.sum(1, keepdims=True)


@pytest.mark.parametrize("repeated", [False, True], ids=["once", "drawn again"])
def test_two_classes_agree_with_sklearn(rng: np.random.Generator, repeated: bool) -> None:
    labels, outputs = rng.integers(2, size=200), probabilities(rng, 200, 2)
    weights = rng.integers(4, size=200) if repeated else np.ones(200, dtype=np.int64)
    scores = Measure(labels, outputs, "classes")(weights)
    truth, shown = np.repeat(labels, weights), np.repeat(outputs, weights, 0)
    predicted = shown.argmax(1)
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted), rel=1e-12)
    assert scores["mcc"] == pytest.approx(reference.matthews_corrcoef(truth, predicted), rel=1e-12)
    assert scores["macro_f1"] == pytest.approx(reference.f1_score(truth, predicted, average="macro"), rel=1e-12)
    assert scores["auroc"] == pytest.approx(reference.roc_auc_score(truth, shown[:, 1]), rel=1e-12)
    assert scores["auprc"] == pytest.approx(reference.average_precision_score(truth, shown[:, 1]), rel=1e-12)
    assert scores["brier"] == pytest.approx(reference.brier_score_loss(truth, shown[:, 1]), rel=1e-12)


def test_probabilities_that_round_to_one_keep_their_order() -> None:
    outputs = np.array([[1e-20, 1.0], [1e-30, 1.0], [1.0, 1e-20]])
    assert Measure(np.array([0, 1, 0]), outputs, "classes")()["auroc"] == 1.0


def test_more_classes_agree_with_sklearn(rng: np.random.Generator) -> None:
    labels, outputs = rng.integers(3, size=150), probabilities(rng, 150, 3)
    scores, predicted = Measure(labels, outputs, "classes")(), outputs.argmax(1)
    assert scores["mcc"] == pytest.approx(reference.matthews_corrcoef(labels, predicted), rel=1e-12)
    assert scores["macro_f1"] == pytest.approx(reference.f1_score(labels, predicted, average="macro"), rel=1e-12)
    assert scores["auroc"] == pytest.approx(reference.roc_auc_score(labels, outputs, multi_class="ovr"), rel=1e-12)
    onehot = np.eye(3)[labels]
    assert scores["auprc"] == pytest.approx(reference.average_precision_score(onehot, outputs), rel=1e-12)
    assert scores["brier"] == pytest.approx(((outputs - onehot) ** 2).sum(1).mean(), rel=1e-12)


def test_calibration_error_agrees_with_a_loop_over_bins(rng: np.random.Generator) -> None:
    labels, outputs = rng.integers(3, size=300), rng.dirichlet(np.ones(3), 300)
    confidence, right = outputs.max(1), outputs.argmax(1) == labels
    error = 0.0
    for lower in np.arange(BINS) / BINS:
        inside = (confidence >= lower) & (confidence < lower + 1 / BINS)
        if inside.any():
            error += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert Measure(labels, outputs, "classes")()["ece"] == pytest.approx(error, rel=1e-12)


def test_labels_are_means_over_the_labels_that_vary(rng: np.random.Generator) -> None:
    labels = (rng.random((120, 4)) < 0.4).astype(np.float32)
    labels[:, 3] = 1
    outputs = rng.integers(11, size=(120, 4)) / 10
    scores, found, varying = Measure(labels, outputs, "multilabel")(), outputs > 0.5, range(3)

    def mean(score: object, shown: np.ndarray, columns: range = varying) -> float:
        return float(np.mean([score(labels[:, i], shown[:, i]) for i in columns]))  # type: ignore[operator]

    assert scores["auroc"] == pytest.approx(mean(reference.roc_auc_score, outputs), rel=1e-12)
    assert scores["auprc"] == pytest.approx(mean(reference.average_precision_score, outputs), rel=1e-12)
    assert scores["mcc"] == pytest.approx(mean(reference.matthews_corrcoef, found), rel=1e-12)
    assert scores["macro_f1"] == pytest.approx(mean(reference.f1_score, found), rel=1e-12)
    assert scores["accuracy"] == pytest.approx((found == labels).mean(), rel=1e-12)
    assert scores["brier"] == pytest.approx(((outputs - labels) ** 2).mean(), rel=1e-12)


def test_values_agree_with_sklearn_and_scipy(rng: np.random.Generator) -> None:
    labels = rng.integers(6, size=90).astype(np.float32)
    outputs = (labels + rng.integers(-2, 3, size=90))[:, None]
    weights = rng.integers(3, size=90)
    scores = Measure(labels, outputs, "regression")(weights)
    truth, shown = np.repeat(labels, weights), np.repeat(outputs[:, 0], weights)
    assert scores["r2"] == pytest.approx(reference.r2_score(truth, shown), rel=1e-12)
    assert scores["mae"] == pytest.approx(reference.mean_absolute_error(truth, shown), rel=1e-12)
    assert scores["pearson"] == pytest.approx(pearsonr(truth, shown)[0], rel=1e-12)
    assert scores["spearman"] == pytest.approx(spearmanr(truth, shown)[0], rel=1e-12)


def test_what_the_data_does_not_define_is_nan() -> None:
    scores = Measure(np.array([1, 1]), np.array([[0.2, 0.8], [0.6, 0.4]]), "classes")()
    assert np.isnan(scores["auroc"])
    assert np.isnan(scores["auprc"])
    assert scores["mcc"] == 0.0
    constant = Measure(np.ones(3, dtype=np.float32), np.array([[0.0], [1.0], [2.0]]), "regression")()
    assert np.isnan(constant["r2"])
    assert np.isnan(constant["spearman"])
    assert constant["mae"] == pytest.approx(2 / 3)
    # The mean of thirds is no third by a rounding: that is no correlation.
    mean = Measure(np.array([1.0, 5.0, 3.0]), np.full((3, 1), 1 / 3), "regression")(np.array([1, 2, 4]))
    assert np.isnan(mean["pearson"])
    assert np.isnan(mean["spearman"])


def test_ranking_columns_do_not_touch_each_other(rng: np.random.Generator) -> None:
    scores, truth = rng.integers(5, size=(50, 3)).astype(float), rng.random((50, 3)) < 0.5
    together = Ranking.of(scores).areas(truth, np.ones(50))
    for column in range(3):
        one = slice(column, column + 1)
        alone = Ranking.of(scores[:, one]).areas(truth[:, one], np.ones(50))
        np.testing.assert_allclose([area[0] for area in alone], [area[column] for area in together], rtol=1e-12)


def test_mcc_of_known_tables() -> None:
    assert mcc(np.array([[5, 0], [0, 5]])) == 1.0
    assert mcc(np.array([[0, 5], [5, 0]])) == -1.0
    assert mcc(np.array([[5, 0], [5, 0]])) == 0.0


def test_by_class_of_two_are_sensitivity_and_specificity() -> None:
    shares = by_class(np.array([[90, 10], [5, 15]]))
    assert (shares["recall"][1], shares["specificity"][1], shares["precision"][1]) == (0.75, 0.9, 0.6)
    assert by_class(np.array([[3, 0], [0, 0]]))["f1"].tolist() == [1.0, 0.0]
