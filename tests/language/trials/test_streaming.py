import pytest
import torch

from language.tasks import MQAR, Compression, TaskBatch, class_accuracy, exact_match, token_accuracy
from language.trials import AnswerModel, ModelOptions, score, streaming, trial_model

OPTIONS = ModelOptions(dim=16, window=4, chunk_size=4)


def reader_of(name: str, vocabulary: int, readout: str = "position") -> AnswerModel:
    torch.manual_seed(0)
    return AnswerModel(trial_model(name, vocabulary, OPTIONS), readout)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["lmm", "mac", "mal", "mag", "transformer", "window"])
@pytest.mark.parametrize("piece", [1, 5, 16])
def test_pieces_answer_as_one_pass_does(name: str, piece: int) -> None:
    task = MQAR(pairs=3, size=20)
    reader, batch = reader_of(name, 20), task.batch(4, 24, torch.Generator().manual_seed(1))
    seen = []
    for length in (piece, 24):
        score(reader, lambda count: batch, lambda p, t: seen.append((p, t)) or 0.0, 4, 24, length)
    (pieces, targets), (whole, same_targets) = seen
    assert torch.equal(pieces, whole)
    assert torch.equal(targets, same_targets)
    outputs, _ = reader(batch.ids, return_state=False)
    asked = batch.targets != -100
    predicted = reader.logits(outputs, asked).argmax(-1)
    direct = (predicted == batch.targets[asked]).float().mean().item()
    assert score(reader, lambda count: batch, token_accuracy, 4, 24, piece) == pytest.approx(direct)


def test_answers_that_are_decoded_from_the_last_output() -> None:
    reader, batch = reader_of("lmm", 6, "last"), Compression(6).batch(3, 9, torch.Generator().manual_seed(1))
    assert reader.decoder is not None
    outputs, _ = reader(batch.ids)
    logits = reader.logits(outputs, batch.targets != -100)
    assert logits.shape == (27, 6)
    # All see the last output alone, and their own positions.
    other = outputs.detach().clone()
    other[:, :-1] = 0
    assert torch.equal(reader.logits(other, batch.targets != -100), logits)
    direct = class_accuracy(logits.argmax(-1).unflatten(0, (3, 9)), batch.targets)
    assert score(reader, lambda count: batch, class_accuracy, 3, 9, piece=4) == pytest.approx(direct)


def test_sequences_come_in_groups_and_count_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_TOKENS_AT_ONCE", 64)
    task, reader = MQAR(pairs=2, size=12), reader_of("lmm", 12)
    drawn: list[TaskBatch] = []

    def draw(count: int) -> TaskBatch:
        drawn.append(task.batch(count, 16, torch.Generator().manual_seed(len(drawn))))
        return drawn[-1]

    together = score(reader, draw, exact_match, 10, 16)
    assert [len(batch.ids) for batch in drawn] == [4, 4, 2]
    right = [
        score(
            reader,
            lambda count, row=row, batch=batch: TaskBatch(*(part[row : row + 1] for part in batch)),
            exact_match,
            1,
            16,
        )
        for batch in drawn
        for row in range(len(batch.ids))
    ]
    assert together == pytest.approx(sum(right) / 10)


def test_activations_take_the_memory_of_a_piece() -> None:
    """The largest tensor that reading makes does not grow with the sequence."""
    reader, largest = reader_of("lmm", 12), []

    def look(module: torch.nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            largest[-1] = max(largest[-1], output.numel())

    for module in reader.modules():
        module.register_forward_hook(look)
    for length in (64, 512):
        batch = MQAR(pairs=2, size=12).batch(1, length, torch.Generator().manual_seed(0))
        largest.append(0)
        score(reader, lambda count, batch=batch: batch, token_accuracy, 1, length, piece=32)
    assert largest[0] == largest[1] > 0
