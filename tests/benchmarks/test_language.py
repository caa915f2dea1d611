"""The benchmarks of language models at toy sizes."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import book, long_context, long_text, shakespeare
from language.trials import Summary, default_settings
from titans_seq.errors import UserError
from titans_seq.jsonl import read_rows
from titans_seq.models import CausalLM, count_parameters

TEXT = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 60


@pytest.fixture
def text(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").write_text(TEXT)
    return tmp_path / "text.txt"


def test_all_models_of_shakespeare_are_of_a_size() -> None:
    for name in shakespeare.MODELS:
        assert count_parameters(shakespeare.model_config(name, 65)) == pytest.approx(800_000, rel=0.01)
    with pytest.raises(UserError, match="unknown model 'rnn': expected one of transformer, lmm"):
        shakespeare.model_config("rnn", 65)


def test_the_rows_of_shakespeare_are_of_the_models_that_the_command_trains() -> None:
    rows = read_rows(shakespeare.RESULTS)
    # 65 characters, and one for the end of a text.
    counted = {name: count_parameters(shakespeare.model_config(name, 66)) for name in shakespeare.MODELS}
    assert {(row["model"], row["parameters"]) for row in rows} == set(counted.items())


def test_without_memory_nothing_is_written() -> None:
    torch.manual_seed(0)
    model = CausalLM(shakespeare.model_config("mag-no-memory", 65))
    _, state = model(torch.randint(65, (1, 40)))
    assert state is not None
    for block in state.blocks:
        for now, initial in zip(block[1].memory.weights, block[1].memory.anchor, strict=True):
            assert torch.equal(now, initial)


def test_validation_covers_all_windows_whatever_the_batch(text: Path) -> None:
    data = shakespeare.Text.read(text)
    assert len(data.train) + len(data.validation) == len(TEXT)
    torch.manual_seed(0)
    model = CausalLM(shakespeare.model_config("lmm", data.vocabulary)).eval()
    ids = data.train[: 3 * shakespeare.LENGTH + 7]
    losses = []
    with torch.inference_mode():
        for start in range(0, 3 * shakespeare.LENGTH, shakespeare.LENGTH):
            window = ids[start : start + shakespeare.LENGTH + 1]
            logits, _ = model(window[None, :-1])
            losses.append(torch.nn.functional.cross_entropy(logits[0], window[1:]).item())
    assert shakespeare.validation_loss(model, ids) == pytest.approx(sum(losses) / 3, rel=1e-5)


def test_a_run_of_shakespeare_is_a_row_and_not_run_again(
    text: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "rows.jsonl"
    arguments = shakespeare.Arguments(("lmm",), (0,), steps=1, out=out, data=text)
    shakespeare.main(arguments)
    shakespeare.main(arguments)
    (row,) = read_rows(out)
    assert f"| lmm | {row['validation_loss']:.3f} (1 seed)" in capsys.readouterr().out
    assert (row["model"], row["seed"], row["steps"]) == ("lmm", 0, 1)
    assert row["validation_loss"] > 0
    with pytest.raises(UserError, match="no such file: give the text"):
        shakespeare.Text.read(tmp_path / "nowhere.txt")


def test_times_of_shakespeare_are_written_where_they_are_asked_for(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"times_transformer": {"lmm": 2.0}}
    monkeypatch.setattr(shakespeare, "step_times", lambda text: found)
    monkeypatch.setattr(shakespeare, "TIMES", tmp_path / "results.json")
    shakespeare.main(shakespeare.Arguments(out=tmp_path / "times.json", data=text, time=True))
    assert json.loads((tmp_path / "times.json").read_text()) == found
    assert not (tmp_path / "results.json").exists()


def test_the_table_shows_the_gain_and_only_whole_runs() -> None:
    rows = [
        {"model": model, "seed": seed, "steps": shakespeare.STEPS, "validation_loss": loss + seed / 100}
        for model, loss in (("transformer", 1.7), ("lmm", 1.5), ("lmm-no-memory", 1.9))
        for seed in (0, 1)
    ]
    lines = shakespeare.table([*rows, rows[0] | {"steps": 5}], {"lmm": 1.6}).splitlines()
    assert lines[2] == "| transformer | 1.705 (1.700 to 1.710, 2 seeds) | - | - | - |"
    assert lines[3] == ("| lmm | 1.505 (1.500 to 1.510, 2 seeds) | 1.905 (1.900 to 1.910, 2 seeds) | 0.400 | x 1.60 |")
    # A gain is of the same seeds: the second seed's loss without memory is not there.
    assert "| 1.900 (1 seed) | 0.400 |" in shakespeare.table(rows[:-1], {}).splitlines()[3]


def test_a_long_text_is_read_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_text, "STEPS", 2)
    out = tmp_path / "long.json"
    long_text.main(long_text.Arguments(("lmm",), 1_500, out))
    long_text.main(long_text.Arguments(("mac",), 100, out))
    rows = json.loads(out.read_text())["rows"]
    assert [(row["model"], [stop["position"] for stop in row["stops"]]) for row in rows] == [
        ("lmm", [1_000, 1_500]),
        ("mac", [100]),
    ]
    assert len({stop["state_mb"] for stop in rows[0]["stops"]}) == 1


def test_a_book_is_scored_by_position(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (book.TRAINING, book.TEST):
        (tmp_path / name).write_text(TEXT)
    monkeypatch.setattr(book, "PLACES", (0, 256))
    arguments = book.Arguments(("lmm",), (0,), 1, tmp_path / "rows.jsonl", tmp_path)
    book.main(arguments)
    (row,) = read_rows(arguments.out)
    assert row["evaluation"]["tokens"] == len(TEXT)
    assert row["bits_per_byte"] == pytest.approx(book.bits_from(row, 0, 1e9))
    assert "| lmm | 1 |" in book.table([row], steps=1)
    assert "| lmm | 1 |" not in book.table([row])
    counts = [count_parameters(book.model_config(name, 257)) for name in ("mac", "mac-no-memory", "mac-fading")]
    assert counts[0] == counts[1] > counts[2]
    with pytest.raises(UserError, match="give the folder of the books with --books"):
        book.run("lmm", 0, 1, tmp_path / "nowhere")


def test_the_overview_has_training_length_and_longest() -> None:
    def summary(model: str, validation: float, scores: dict[int, float]) -> Summary:
        row = {"model": model, "training": {"validation": validation}}
        return Summary("mqar-128-8", model, (row,), {length: (score, score, score) for length, score in scores.items()})

    lines = long_context.overview(
        [
            summary("lmm", 1.0, {128: 1.0, 256: 0.9, 512: 0.8}),
            summary("lmm-no-memory", 0.1, {128: 0.1}),
            summary("transformer", 0.2, {128: 0.2, 512: 0.1}),
            summary("transformer", 0.4, {128: 0.1, 512: 0.0}),
        ]
    ).splitlines()
    assert lines[2:] == [
        "| mqar-128-8, trained at 128 | 128 | 100.0 | 10.0 | 10.0 | - |",
        "| mqar-128-8, trained at 128 | 512 | 80.0 | - | 0.0 | - |",
    ]


def test_the_parts_of_long_context_can_be_planned(tmp_path: Path) -> None:
    tasks = tuple(part.task for part in long_context.PARTS if not part.task.startswith("babilong"))
    plans = list(long_context.plans(long_context.Arguments(tasks=tasks, data=tmp_path)))
    assert len(plans) == sum(part.task in tasks for part in long_context.PARTS)
    assert plans[0].test_lengths[-1] == 65_536
    assert plans[1].test_lengths[-1] == 4_096
    assert plans[0].settings == default_settings("induction-heads")
