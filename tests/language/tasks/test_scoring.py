import pytest
import torch

from language.tasks import IGNORE, class_accuracy, exact_match, token_accuracy

TARGETS = torch.tensor([[IGNORE, 1, 2, IGNORE], [IGNORE, 1, 1, 3], [IGNORE, IGNORE, IGNORE, IGNORE]])
PREDICTED = torch.tensor([[9, 1, 2, 9], [9, 1, 2, 3], [9, 9, 9, 9]])


def test_only_what_is_asked_counts():
    assert token_accuracy(PREDICTED, TARGETS) == pytest.approx(4 / 5)
    assert exact_match(PREDICTED, TARGETS) == pytest.approx(1 / 2)
    # 1: two of three, 2: one of one, 3: one of one.
    assert class_accuracy(PREDICTED, TARGETS) == pytest.approx((2 / 3 + 1 + 1) / 3)


def test_logits_are_answered_by_their_largest():
    logits = torch.nn.functional.one_hot(PREDICTED, 10).float()
    for score in (token_accuracy, exact_match, class_accuracy):
        assert score(logits, TARGETS) == score(PREDICTED, TARGETS)


def test_an_answer_that_is_never_right_is_a_class_of_its_own():
    assert class_accuracy(torch.tensor([[1, 7]]), torch.tensor([[1, 1]])) == pytest.approx(0.25)


@pytest.mark.parametrize("score", [token_accuracy, exact_match, class_accuracy])
def test_what_cannot_be_scored_is_refused(score):
    with pytest.raises(ValueError, match="nothing is asked: every target is -100"):
        score(PREDICTED[:1], torch.full((1, 4), IGNORE))
    with pytest.raises(ValueError, match=r"got targets \[3, 4\] and an output \[3, 3\]"):
        score(PREDICTED[:, :3], TARGETS)
    with pytest.raises(ValueError, match=r"got targets \[4\] and an output \[4\]"):
        score(PREDICTED[0], TARGETS[0])
