import pytest

from genomics.training.overfitting import overfitting
from titans_seq.experiment.history import History


def epochs(train: list[float], validation: list[float | None]) -> History:
    pairs = enumerate(zip(train, validation, strict=True), 1)
    rows = ({"epoch": number, "loss": loss, "validation_loss": held} for number, (loss, held) in pairs)
    return History(tuple({name: x for name, x in row.items() if x is not None} for row in rows))


def test_a_rising_validation_loss_is_told_with_its_numbers() -> None:
    found = overfitting(epochs([0.5, 0.3, 0.1], [0.5, 0.4, 0.6]))
    assert found is not None
    assert found.startswith(
        "The validation loss rose from 0.400 (epoch 2) to 0.600 while the training loss fell to 0.1"
    )


@pytest.mark.parametrize(
    ("train", "validation"),
    [
        ([0.5, 0.3, 0.1], [0.5, 0.4, 0.45]),
        ([0.5, 0.45, 0.41], [0.5, 0.4, 0.6]),
        ([0.5, 0.3, 0.1], [None, None, None]),
        ([0.1], [0.5]),
    ],
    ids=["little", "training loss is no lower", "no validation part", "one epoch"],
)
def test_others_are_left_alone(train: list[float], validation: list[float | None]) -> None:
    assert overfitting(epochs(train, validation)) is None
