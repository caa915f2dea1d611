import numpy as np
import pytest

from genomics.sequences.values import Kind, LabelledSequences
from titans_seq.errors import UserError


def made(labels: np.ndarray, classes: tuple[str, ...], kind: Kind) -> LabelledSequences:
    return LabelledSequences(("a", "b", "c"), ("A", "CC", "GGG"), labels, classes, kind)


def test_take_keeps_the_order_asked_for() -> None:
    data = made(np.array([0, 1, 0]), ("n", "y"), "classes").take([2, 0, 2])
    assert data.names == ("c", "a", "c")
    assert data.sequences == ("GGG", "A", "GGG")
    assert data.labels.tolist() == [0, 0, 0]
    assert data.classes == ("n", "y")
    assert len(data.take([])) == 0


def test_take_works_for_each_kind() -> None:
    several = made(np.eye(3, 2, dtype=np.float32), ("p", "q"), "multilabel")
    assert several.take([1]).labels.tolist() == [[0.0, 1.0]]
    assert made(np.array([1.0, 2.0, 3.0]), (), "regression").take(np.array([2])).labels.tolist() == [3.0]


@pytest.mark.parametrize(
    ("labels", "classes", "kind", "message"),
    [
        (np.array([0, 1]), ("n", "y"), "classes", "3 names, 3 sequences and 2 labels: expected one of each a sequence"),
        (np.array([0, 1, 2]), ("n", "y"), "classes", "class ids must be from 0 to 1, got one outside"),
        (np.zeros(3), ("n", "y"), "classes", "must be int64 of shape (3,), got float64 of shape (3,)"),
        (np.zeros(3, dtype=np.float32), ("n", "y"), "multilabel", "must be float32 of shape (3, 2)"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    labels: np.ndarray, classes: tuple[str, ...], kind: Kind, message: str
) -> None:
    with pytest.raises(UserError) as caught:
        made(labels, classes, kind)
    assert message in str(caught.value)
