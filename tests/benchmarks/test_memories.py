"""The benchmark of memories at toy sizes."""

import dataclasses
import json
import math

import pytest
import torch

from benchmarks import memories, memory_use, provenance, recall, report
from benchmarks.measure import Sample
from benchmarks.recall import Task, Training
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import GradientDescent, LinearMemory, MemoryRule, NoRetention

TASK = Task(pairs=3, questions=5, length=13, keys=6, values=7, fillers=4)
TINY = Training(steps=3, batch=4, tests=8, dim=8, blocks=1, chunk_size=4)
SETUP = memories.Setup(memories.LayerSize(8, 2, 4, 1, 16, rounds=2), TASK, TINY)
DELTA = MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent())


def draw(task: Task = TASK, batch: int = 50, seed: int = 0) -> tuple[torch.Tensor, ...]:
    return task.draw(batch, torch.Generator().manual_seed(seed))


def test_a_task_shows_distinct_pairs_then_questions_among_fillers():
    tokens, positions, answers = draw()
    assert tokens.shape == (50, 13)
    assert positions.shape == answers.shape == (50, 5)
    for row, places, values in zip(tokens.tolist(), positions.tolist(), answers.tolist(), strict=True):
        keys, shown = row[0:6:2], row[1:6:2]
        assert len(set(keys)) == len(set(shown)) == 3
        assert all(token < 6 for token in keys)
        assert all(6 <= token < 13 for token in shown)
        assert len(set(places)) == 5
        pairs = dict(zip(keys, shown, strict=True))
        assert [pairs[row[place]] for place in places] == values
        fillers = [token for place, token in enumerate(row[6:], 6) if place not in places]
        assert all(13 <= token < TASK.vocabulary for token in fillers)


def test_a_task_uses_its_whole_vocabulary_and_every_place():
    tokens, positions, answers = draw(batch=500)
    assert set(tokens.flatten().tolist()) == set(range(TASK.vocabulary))
    assert set(positions.flatten().tolist()) == set(range(6, 13))
    assert set(answers.flatten().tolist()) == set(range(6, 13))


def test_a_task_depends_on_its_seed_alone():
    assert all(torch.equal(a, b) for a, b in zip(draw(), draw(), strict=True))
    assert not torch.equal(draw()[0], draw(seed=1)[0])


def test_a_task_without_room_says_what_it_needs():
    with pytest.raises(ValueError, match="8 pairs need as many keys and values, got 6 and 7"):
        dataclasses.replace(TASK, pairs=8)
    with pytest.raises(ValueError, match="3 pairs and 5 questions need a length of 11 tokens, got 10"):
        dataclasses.replace(TASK, length=10)
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        Training(steps=0)


def test_the_learning_rate_rises_then_falls_to_nothing():
    training = Training(steps=100, warm_up=0.1)
    rates = [recall.schedule(step, training) for step in range(101)]
    assert rates[0] == 0.1
    assert max(rates) == rates[9] == rates[10] == 1
    assert sorted(rates[10:], reverse=True) == rates[10:]
    assert rates[100] == pytest.approx(0)
    assert recall.schedule(0, Training(steps=1)) == 1


def test_a_model_learns_to_recall():
    task = Task(pairs=2, questions=8, length=12, keys=3, values=3, fillers=1)
    training = Training(steps=120, dim=32, blocks=1, heads=1, chunk_size=4, tests=64)
    outcome = recall.train(DELTA, task, training, seed=0)
    assert outcome.accuracy is not None
    assert outcome.accuracy > 0.9  # a guess among the two values shown is right half the time


def test_training_is_reproducible_and_its_seed_counts():
    def loss(seed: int) -> float | None:
        return recall.train(DELTA, TASK, TINY, seed).loss

    assert loss(0) == loss(0) != loss(1)


def test_a_training_that_diverges_says_when():
    steps = []
    outcome = recall.train(DELTA, TASK, dataclasses.replace(TINY, lr=math.inf), 0, after_step=lambda: steps.append(0))
    assert (outcome.loss, outcome.accuracy, outcome.diverged_at) == (None, None, 1)
    assert len(steps) == 1


@pytest.mark.parametrize("name", memories.ROWS)
def test_every_row_makes_a_layer(name: str):
    layer = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4, rule=memories.ROWS[name]), 8)
    y, _ = layer(torch.randn(1, 6, 8, generator=torch.Generator().manual_seed(0)))
    assert y.isfinite().all()


def test_rows_are_distinct():
    assert len(set(memories.ROWS.values())) == len(memories.ROWS)


def fake_cost(rule, size):
    one = {"times_base": 1.5, "extra_mb": 20.0, "times_base_extra_mb": 0.5, "cpu_s": [1.5], "base_cpu_s": [1.0]}
    return {"forward": one, "training": one}


@pytest.fixture
def committed(monkeypatch: pytest.MonkeyPatch) -> dict:
    """Make nothing but training take time, and the checkout clean."""
    now = provenance.provenance() | {"commit": "abc", "uncommitted": []}
    monkeypatch.setattr(memories, "provenance", lambda: dict(now))
    monkeypatch.setattr(memories, "cost", fake_cost)
    return now


def run(out, *names: str, setup: memories.Setup = SETUP, again: bool = False) -> list[dict]:
    return memories.run(names, setup, out, again, memories.Console(quiet=True))


def test_rows_are_written_one_by_one_in_order(committed, tmp_path):
    out = tmp_path / "memories.json"
    run(out, "titans+nesterov")
    assert [row["name"] for row in run(out, "deltanet")] == ["deltanet", "titans+nesterov"]
    content = json.loads(out.read_text())
    assert "3 pairs of 6 keys and 7 values" in content["protocol"]
    row = content["rows"][0]
    assert row["rule"]["architecture"] == {"kind": "linear"}
    assert [outcome["seed"] for outcome in row["recall"]] == [0, 1]
    assert row["measured"] == json.loads(json.dumps(committed))


def test_a_row_that_fails_leaves_the_others(committed, tmp_path, monkeypatch):
    out = tmp_path / "memories.json"
    monkeypatch.setitem(memories.ROWS, "broken", "not a rule")
    with pytest.raises(ValueError, match="rule must be a MemoryRule"):
        run(out, "deltanet", "broken")
    assert [row["name"] for row in json.loads(out.read_text())["rows"]] == ["deltanet"]
    assert [path.name for path in tmp_path.iterdir()] == ["memories.json"]


def test_a_row_is_measured_again_when_its_code_may_have_changed(committed, tmp_path, monkeypatch):
    out, trained = tmp_path / "memories.json", []

    def train(*arguments, **_):
        trained.append(arguments)
        return recall.Outcome(seed=arguments[3], cpu_s=1.0, loss=1.0, accuracy=0.5)

    monkeypatch.setattr(memories, "train", train)

    def trainings(**options) -> int:
        before = len(trained)
        run(out, "deltanet", **options)
        return len(trained) - before

    assert trainings() == 2
    assert trainings() == 0
    assert trainings(again=True) == 2
    committed["commit"] = "def"
    assert trainings() == 2
    committed["uncommitted"] = [" M titans_seq/memory/_rule.py"]
    assert trainings() == 2
    assert trainings() == 2


def test_rows_of_another_setup_are_not_mixed(committed, tmp_path):
    out = tmp_path / "memories.json"
    run(out, "deltanet", "retnet")
    other = dataclasses.replace(SETUP, seeds=(3,))
    with pytest.raises(ValueError, match=r"holds rows of other steps, seeds or sizes: .* --out, .* --again"):
        run(out, "deltanet", setup=other)
    assert [row["name"] for row in run(out, "deltanet", setup=other, again=True)] == ["deltanet"]


def test_layers_are_called_in_turn_in_both_passes(monkeypatch):
    monkeypatch.setattr(memory_use, "mark", lambda: 0)
    calls = memories._calls([DELTA, memories.ROWS["titans"]], memories.LayerSize(8, 2, 4, 1, 16, rounds=3))
    assert list(calls) == ["forward", "training"]
    for samples in calls.values():
        assert [len(of_rule) for of_rule in samples] == [3, 3]
        assert all(sample.cpu_s > 0 for of_rule in samples for sample in of_rule)


def test_a_cost_is_the_median_of_the_rounds_ratios_and_the_memory_of_a_layer_alone(monkeypatch):
    def samples(times: tuple[int, ...], megabytes: int) -> list[Sample]:
        return [Sample(cpu_s, 0, 0, megabytes * 10**6) for cpu_s in times]

    def calls(rules, size):
        if len(rules) == 2:
            found = [samples((2, 2, 9), 1), samples((1, 4, 3), 1)]
        else:
            found = [samples((5,), 30 if rules == [DELTA] else 40)]
        return {which: found for which in ("forward", "training")}

    monkeypatch.setattr(memories, "_in_a_process_of_its_own", calls)
    expected = {"times_base": 2, "extra_mb": 30, "times_base_extra_mb": 0.75, "cpu_s": [2, 2, 9]}
    for one in memories.cost(DELTA, memories.LayerSize()).values():
        assert one == expected | {"base_cpu_s": [1, 4, 3]}


@pytest.mark.slow
def test_a_matrix_costs_less_than_a_deep_memory_with_momentum():
    for one in memories.cost(DELTA, memories.LayerSize(length=256, rounds=3)).values():
        assert one["times_base"] < 1
        assert one["times_base_extra_mb"] < 1


def row(name: str, *recall: dict) -> dict:
    return {"name": name, "cost": fake_cost(None, None), "recall": recall, "measured": {"date": "2026-11-21T20:00:00"}}


FINISHED = ({"loss": 1.0, "accuracy": 0.5, "diverged_at": None}, {"loss": 2.0, "accuracy": 0.7, "diverged_at": None})
LOST = {"loss": None, "accuracy": None, "diverged_at": 7}


def test_cells_show_mean_and_spread_and_say_what_diverged():
    costs = ("1.50", "1.50", "20 (0.50)", "20 (0.50)")
    assert memories.cells(row("a", *FINISHED)) == ("a", *costs, "1.500 ± 0.707", "60.0 ± 14.1")
    assert memories.cells(row("a", FINISHED[0])) == ("a", *costs, "1.000", "50.0")
    assert memories.cells(row("a", FINISHED[0], LOST)) == ("a", *costs, "1.000", "50.0; 1 of 2 diverged")
    assert memories.cells(row("a", LOST)) == ("a", *costs, "-", "-; 1 of 1 diverged")


def test_the_table_of_the_documents_has_a_line_a_row_and_the_protocol():
    text = report.memories_table({"rows": [row("a", *FINISHED), row("b", LOST)], "protocol": "How."})
    header, ruler, a, b, empty, protocol = text.splitlines()
    assert {line.count("|") for line in (header, ruler, a, b)} == {len(memories.COLUMNS) + 1}
    assert a.startswith("| a | 1.50 |")
    assert (empty, protocol) == ("", "How. Measured 2026-11-21.")


def test_only_results_that_a_document_names_need_to_be_there(tmp_path, monkeypatch):
    monkeypatch.setattr(memories, "RESULTS", tmp_path / "absent.json")
    assert list(report.sections({"presets"})) == ["presets"]
    with pytest.raises(FileNotFoundError, match="absent.json"):
        report.sections({"memories"})


def test_the_command_measures_and_prints(committed, tmp_path, capsys):
    out = tmp_path / "memories.json"
    memories.main(rows=("deltanet",), steps=1, seeds=(0,), out=out)
    printed = capsys.readouterr().out
    assert "deltanet" in printed
    assert "forward, x titans" in printed
    assert json.loads(out.read_text())["setup"]["training"]["steps"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": ("titan",)}, "error: there is no row 'titan': choose from linear_attention, "),
        ({"steps": 0}, "error: training takes at least 1 step, got 0"),
        ({"seeds": ()}, "error: training needs at least one seed, got none"),
    ],
)
def test_a_wrong_option_says_what_is_right(options: dict, message: str, tmp_path):
    with pytest.raises(SystemExit, match=message):
        memories.main(out=tmp_path / "memories.json", **options)
    assert not list(tmp_path.iterdir())


def test_validation_trains_titans_on_other_data(monkeypatch, capsys):
    calls = []

    def train(rule, task, training, seed, held_out):
        calls.append((rule, training.lr, seed, held_out))
        return recall.Outcome(seed, 1.0, 0.25, 0.5)

    monkeypatch.setattr(memories, "train", train)
    memories.main(validate_lr=(0.1, 0.2))
    titans = memories.ROWS["titans"]
    assert calls == [(titans, lr, 100, recall.VALIDATION_SEED) for lr in (0.1, 0.2)]
    assert "0.25" in capsys.readouterr().out
