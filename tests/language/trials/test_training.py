import pytest
import torch

from language.tasks import InductionHeads, Task, TaskBatch
from language.trials import AnswerModel, ModelOptions, TrainingOptions, TrialSettings, train, trial_model
from language.trials.training import TEST, TRAINING, VALIDATION, generator, length_at
from titans_seq.errors import UserError

OPTIONS = ModelOptions(dim=16, window=4, chunk_size=4)


class Recorded(Task):
    """Induction heads that note what is drawn."""

    def __init__(self) -> None:
        self.drawn: list[TaskBatch] = []

    @property
    def vocabulary(self) -> int:
        return 3

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        self.drawn.append(InductionHeads(2).batch(batch_size, length, generator))
        return self.drawn[-1]


def run(validate=lambda: 0.0, examples: int | None = None, lr: float = 1e-2, **changes: object):
    torch.manual_seed(0)
    task, reader = Recorded(), AnswerModel(trial_model("lmm", 3, OPTIONS), "position")
    course = train(reader, task, 6, TrialSettings().changed(**changes), lr, 0, validate, examples=examples)
    return task, reader, course


def test_the_same_seed_gives_the_same_weights() -> None:
    (_, first, course), (_, second, again) = (run(steps=3, batch=2) for _ in range(2))
    assert course.history == again.history
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_every_step_has_fresh_sequences() -> None:
    task, _, _ = run(steps=4, batch=8)
    assert len({tuple(batch.ids.flatten().tolist()) for batch in task.drawn}) == 4


def test_a_fixed_training_set_comes_again_in_the_same_order() -> None:
    task, _, _ = run(steps=5, batch=8, examples=17)
    ids = [batch.ids for batch in task.drawn]
    assert torch.equal(ids[0], ids[2])
    assert torch.equal(ids[1], ids[3])
    assert not torch.equal(ids[0], ids[1])


def test_purposes_never_share_their_numbers() -> None:
    draws = {torch.rand(1, generator=generator(purpose, 0)).item() for purpose in (TRAINING, VALIDATION, TEST)}
    assert len(draws) == 3


def test_shorter_sequences_come_first() -> None:
    options = TrainingOptions(steps=8, batch=2, warm_up_lengths=(3, 4))
    assert [length_at(step, 6, options) for step in range(8)] == [3, 3, 4, 4, 6, 6, 6, 6]
    task, _, _ = run(steps=8, batch=2, warm_up_lengths=(3, 4))
    assert [batch.ids.shape[1] for batch in task.drawn] == [3, 3, 4, 4, 6, 6, 6, 6]


def test_shorter_sequences_may_come_in_as_many_tokens() -> None:
    task, _, _ = run(steps=8, batch=2, warm_up_lengths=(3, 4), even_tokens=True)
    assert [tuple(batch.ids.shape) for batch in task.drawn] == [(4, 3)] * 2 + [(3, 4)] * 2 + [(2, 6)] * 4


def test_training_stops_when_validation_has_been_good_for_long_enough() -> None:
    scores = iter([0.2, 1.0, 0.5, 1.0, 1.0, 1.0])
    _, _, course = run(lambda: next(scores), steps=100, batch=2, every=2, stop_after=2)
    assert course.steps == 10
    assert course.reached
    assert course.history == ((2, 0.2), (4, 1.0), (6, 0.5), (8, 1.0), (10, 1.0))


def test_steps_end_with_a_validation() -> None:
    _, _, course = run(lambda: 0.25, steps=5, batch=2, every=2)
    assert [step for step, _ in course.history] == [2, 4, 5]
    assert not course.reached
    assert course.validation == course.best == 0.25


def test_divergence_ends_training_and_leaves_the_weights() -> None:
    _, reader, course = run(lr=1e10, steps=20, batch=2, warm_up=0)
    assert course.diverged
    assert not course.reached
    assert course.steps < 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, got 0"),
        ({"lr": ()}, "lr must be one or more numbers above 0"),
        ({"lr": (1e-3, -1.0)}, "lr must be one or more numbers above 0"),
        ({"stop_at": 1.5}, r"stop_at must be in \(0, 1\], got 1.5"),
        ({"weight_decay": float("nan")}, "weight_decay must be at least 0"),
    ],
)
def test_wrong_options_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        TrialSettings().changed(**change)
