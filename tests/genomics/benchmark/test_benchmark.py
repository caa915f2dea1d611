import contextlib
import csv
import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from genomics.benchmark import SETS, load_set, markdown
from genomics.benchmark.sets import find_set
from genomics.synthetic import planted_motifs
from titans_seq.cli import main
from titans_seq.errors import UserError
from titans_seq.jsonl import read_rows

TINY = ("--preset", "tiny", "--epochs", "1", "--baselines", "quick", "--device", "cpu", "--progress", "none")


def write(path: Path, count: int, seed: int) -> None:
    made = planted_motifs(count, 30, seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as stream:
        writer = csv.writer(stream)
        writer.writerow(["sequence", "label"])
        writer.writerows(zip(made.sequences, made.labels, strict=True))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sets")
    for seed, (part, count) in enumerate({"train": 40, "dev": 16, "test": 20}.items()):
        write(folder / "gue" / "tf_0" / f"{part}.csv.gz", count, seed)
    write(folder / "genomic_benchmarks" / "human_nontata_promoters" / "test.csv.gz", 50, 9)
    return folder


def run(*arguments: object) -> int:
    return main(["dna", "benchmark", *map(str, arguments)])


def test_a_row_each_and_a_table_with_what_was_published(data, tmp_path, capsys):
    out = tmp_path / "results"
    assert run("tf_0", "--data-dir", data, "--seeds", 2, "--out", out, *TINY) == 0
    rows = read_rows(out / "benchmark.jsonl")
    assert [(row["model"], row["seed"]) for row in rows[:5]] == [
        ("Titans tiny, strands augment", 0),
        ("majority", 0),
        ("length only", 0),
        ("k-mer regression", 0),
        ("one-hot regression", 0),
    ]
    assert len(rows) == 10
    ours = rows[0]
    assert ours["counts"] == {"train": 40, "validation": 16, "test": 20}
    assert ours["settings"]["classifier"]["strands"] == "augment"
    assert (ours["fold"], ours["epochs"], ours["best_epoch"]) == (None, 1, 1)
    assert "mcc" in ours["test"]
    assert "mcc" in ours["validation"]
    assert rows[3]["chosen"]
    printed = capsys.readouterr().out
    assert "| DNABERT-2 (117 M, as published) | 0.7199 |" in printed
    assert "| **Titans tiny, strands augment** |" in printed
    assert (out / "benchmark.md").read_text() == markdown(rows) + "\n"


def test_rows_that_are_there_are_not_made_again(data, tmp_path, monkeypatch):
    given = ("tf_0", "--data-dir", data, "--out", tmp_path, *TINY)
    assert run(*given, "--seeds", 1) == 0
    before = read_rows(tmp_path / "benchmark.jsonl")
    with monkeypatch.context() as patch:
        patch.setattr("genomics.benchmark.run.fit", lambda *arguments, **more: pytest.fail("trained again"))
        assert run(*given, "--seeds", 1) == 0
    assert read_rows(tmp_path / "benchmark.jsonl") == before
    assert run(*given, "--seeds", 1, "--strands", "given", "--mixer", "identity", "--label", "control") == 0
    after = read_rows(tmp_path / "benchmark.jsonl")
    assert [row["model"] for row in after[len(before) :]] == ["control"]
    assert run(*given, "--seeds", 1, "--lr", "0.1", "--label", "control") == 0
    assert "**control (2)**" in (tmp_path / "benchmark.md").read_text()


def test_the_mean_is_over_runs_on_the_same_data(data, tmp_path, capsys):
    sets = shutil.copytree(data, tmp_path / "sets")
    given = ("tf_0", "--data-dir", sets, "--out", tmp_path, "--only-baselines", *TINY[2:])
    assert run(*given, "--seeds", 2) == 0
    write(sets / "gue" / "tf_0" / "test.csv.gz", 10, 7)
    capsys.readouterr()
    assert run(*given, "--seeds", 1) == 0
    printed = capsys.readouterr().out
    assert "10 test sequences, 1 seed;" in printed
    assert "Left out: 8 runs on other data than that of the last." in printed
    assert "| majority | 0.0000 | " in printed


def test_networks_among_the_baselines_have_the_strands_of_ours(data, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("genomics.benchmark.run_set", lambda *arguments: asked.append(arguments[3]))
    given = ("tf_0", "--data-dir", data, "--out", tmp_path, "--baselines", "all", "--device", "cpu")
    for strands in ([], ["--strands", "given"]):
        with contextlib.suppress(FileNotFoundError):
            run(*given, *strands)
    assert [{one.both_strands for one in held if hasattr(one, "both_strands")} for held in asked] == [{True}, {False}]


def test_folds_where_the_training_part_is_not_at_hand(data, tmp_path, capsys):
    given = ("human_nontata_promoters", "--data-dir", data, "--out", tmp_path, "--seeds", 1, "--only-baselines")
    assert run(*given, *TINY) == 2
    assert run(*given, *TINY[2:]) == 0
    rows = read_rows(tmp_path / "benchmark.jsonl")
    assert sorted({row["fold"] for row in rows}) == [1, 2, 3, 4, 5]
    assert len(rows) == 20
    assert sum(row["counts"]["test"] for row in rows if row["model"] == "majority") == 50
    printed = capsys.readouterr().out
    assert "99.6 % of the published test negatives overlap a training negative" in printed
    assert "| majority | 0.0000 ± 0.0000 |" in printed


def test_a_set_has_mutations_of_its_own_unless_told_otherwise(data, tmp_path, monkeypatch):
    monkeypatch.setitem(SETS, "tf_0", replace(SETS["tf_0"], mutations=0.25))
    given = ["tf_0", "--data-dir", data, "--out", tmp_path, "--seeds", 1, *TINY]
    given[given.index("quick")] = "none"
    assert run(*given) == 0
    assert run(*given, "--mutations", 0) == 0
    rows = read_rows(tmp_path / "benchmark.jsonl")
    assert [(row["model"], row["settings"]["train"]["mutations"]) for row in rows] == [
        ("Titans tiny, strands augment", 0.25),
        ("Titans tiny, strands augment, mutations 0", 0.0),
    ]


def test_all_sets_are_listed(capsys):
    assert run("--list") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(SETS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no set is named"),
        (("tf_9",), "unknown benchmark set 'tf_9'"),
        (("mouse_2", "--data-dir", "nowhere"), "nowhere/gue/mouse_2: not there: give --data-dir"),
        (("tf_0", "--seeds", "0"), "--seeds must be at least 1"),
        (("tf_0", "--words", "6"), "--words"),
        (("tf_0", "--strands", "auto"), "auto"),
    ],
)
def test_errors(arguments, message, capsys, tmp_path):
    assert run(*arguments, "--out", tmp_path / "r") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "r").exists()


def test_the_sets_at_hand_can_be_read(dna):
    for name in ("mouse_3", "prom_core_tata"):
        splits = load_set(find_set(name), dna)
        assert splits.train.classes == ("0", "1")
    for one in SETS.values():
        assert (dna / one.path).exists(), one.name


def test_a_set_without_official_parts_is_refused(tmp_path):
    for part in ("train", "test"):
        write(tmp_path / "gue" / "tf_0" / f"{part}.csv.gz", 10, 0)
    with pytest.raises(UserError, match="expected the official train, dev and test files"):
        load_set(find_set("tf_0"), tmp_path)
