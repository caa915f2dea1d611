from pathlib import Path

import numpy as np
import pytest

from genomics.evaluation import BootstrapOptions, Evaluation, class_table, evaluate_outputs, markdown, table
from genomics.evaluation.pictures import (
    draw_calibration,
    draw_confusion,
    draw_precision_recall,
    draw_roc,
    draw_scatter,
)
from genomics.evaluation.writing import write_evaluations, write_predictions
from genomics.sequences.values import LabelledSequences
from titans_seq.errors import UserError

OPTIONS = BootstrapOptions(repeats=20)
DRAWN = [draw_confusion, draw_roc, draw_precision_recall, draw_calibration]


def classes(columns: int, name: str = "mine") -> Evaluation:
    random = np.random.default_rng(columns)
    labels, outputs = np.arange(40) % columns, random.dirichlet(np.ones(columns), 40)
    # Between dollar signs matplotlib would read a formula.
    names = tuple(rf"$\c{i}$" for i in range(columns))
    return evaluate_outputs(outputs, labels, names, "classes", OPTIONS, name)


def labels(columns: int) -> Evaluation:
    random = np.random.default_rng(columns)
    truth = (random.random((40, columns)) < 0.5).astype(np.float32)
    return evaluate_outputs(random.random((40, columns)), truth, tuple(map(str, range(columns))), "multilabel", OPTIONS)


def values() -> Evaluation:
    truth = np.arange(5.0)
    return evaluate_outputs(truth[:, None] + 0.5, truth, (), "regression", OPTIONS)


def test_a_table_has_a_line_a_model_of_one_width() -> None:
    lines = table([classes(2), classes(2, "a longer name")]).splitlines()
    assert lines[0].split() == ["model", "accuracy", "MCC", "macro", "F1", "AUROC", "AUPRC", "Brier", "ECE"]
    assert len({len(line) for line in lines}) == 1
    assert lines[2].startswith("a longer name  0.")


def test_labels_and_values_are_written_with_all_their_digits(tmp_path: Path) -> None:
    truth = np.array([1_000_000.012345678, 3.0])
    data = LabelledSequences(("a", "b"), ("A", "C"), truth, (), "regression")
    write_predictions([("test", data)], np.array([[1_000_012.346], [1.8]]), tmp_path / "p.csv")
    rows = (tmp_path / "p.csv").read_text().splitlines()[1:]
    assert rows == ["test,a,1000000.012345678,1000012.346", "test,b,3,1.8"]


def test_a_score_that_is_not_defined_is_a_dash() -> None:
    lone = evaluate_outputs(np.array([[0.4, 0.6]]), np.array([1]), ("c0", "c1"), "classes", OPTIONS, "lone")
    assert " - " in markdown([classes(2), lone]).splitlines()[3]


def test_markdown_has_the_same_cells() -> None:
    lines = markdown([classes(3, "a|b")]).splitlines()
    assert lines[1] == "| --- |" + " ---: |" * 7
    assert lines[2].startswith("| a\\|b | 0.")


def test_kinds_are_not_mixed_in_a_table() -> None:
    with pytest.raises(UserError, match="a table needs evaluations of one kind, got classes, regression"):
        table([classes(2), values()])
    with pytest.raises(UserError, match="got none"):
        table([])


def test_classes_and_labels_have_a_line_each() -> None:
    assert len(class_table(classes(3)).splitlines()) == 4
    outputs, truth = np.array([[0.9, 0.1], [0.2, 0.3], [0.6, 0.2]]), np.array([[1, 0], [0, 0], [1, 0]])
    found = evaluate_outputs(outputs, truth.astype(np.float32), ("x", "never"), "multilabel", OPTIONS)
    assert class_table(found).splitlines() == [
        "label   auroc   auprc     mcc      f1  count",
        "x      1.0000  1.0000  1.0000  1.0000      2",
        "never       -       -       -       -      0",
    ]
    assert found.summary()["by_class"]["never"]["auroc"] is None
    assert found.by_class["x"]["mcc"] == found.scores["mcc"]
    assert class_table(values()) == ""


@pytest.mark.parametrize("draw", DRAWN, ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("evaluation", [classes(2), classes(4), labels(20)], ids=["2", "4", "20 l"])
def test_pictures_are_drawn(draw, evaluation: Evaluation, tmp_path: Path) -> None:
    if draw is draw_confusion and evaluation.kind != "classes":
        with pytest.raises(UserError, match="a confusion matrix needs classes, the labels of model are multilabel"):
            draw(evaluation, tmp_path / "a.png")
        return
    draw(evaluation, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_drawn_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot draw to .*a\.gif: expected a name that ends in \.png, \.pdf, \.svg"):
        draw_roc(classes(2), tmp_path / "a.gif")
    with pytest.raises(UserError, match="the picture needs probabilities, model predicts values"):
        draw_calibration(values(), tmp_path / "a.png")
    lone = evaluate_outputs(np.array([[0.4, 0.6]]), np.array([1]), ("c0", "c1"), "classes", OPTIONS)
    with pytest.raises(UserError, match="no curve can be drawn for model: the data has sequences of one class only"):
        draw_roc(lone, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_values_are_drawn_over_what_was_observed(tmp_path: Path) -> None:
    draw_scatter(values(), tmp_path / "scatter.svg")
    drawn = (tmp_path / "scatter.svg").read_text()
    assert "<!-- observed -->" in drawn
    assert "<!-- model: Pearson 1.000 -->" in drawn
    with pytest.raises(UserError, match="a scatter is of values, the labels of model are classes"):
        draw_scatter(classes(2, "model"), tmp_path / "scatter.svg")


def test_no_picture_of_an_earlier_evaluation_stays(tmp_path: Path, blank_pictures: None) -> None:
    labels, random = np.tile([0, 1], 20), np.random.default_rng(0)
    classes = evaluate_outputs(np.eye(2)[labels], labels, ("no", "yes"), "classes", BootstrapOptions(0), "a")
    values = evaluate_outputs(
        random.normal(size=(40, 1)), random.normal(size=40), (), "regression", BootstrapOptions(0), "a"
    )
    write_evaluations([classes], tmp_path, {}, "first")
    (tmp_path / "mine.png").write_text("kept")
    write_evaluations([values], tmp_path, {}, "second")
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["mine.png", "scatter.png"]
