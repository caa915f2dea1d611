import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import dna_defaults, genome, motif_pairs, small_sets
from genomics.benchmark import overview, variants
from genomics.models import encoder_preset
from genomics.synthetic import motif_pairs as pairs
from tests.genomics.small import random_sequence
from titans_seq.errors import UserError
from titans_seq.jsonl import append_row, read_rows


def test_a_genome_is_read_in_one_stream(tmp_path: Path) -> None:
    file, out = tmp_path / "genome.fa", tmp_path / "genome.json"
    file.write_text(f">tiny\n{random_sequence(30_000, np.random.default_rng(0))}\n")
    genome.main(genome.Arguments((2_000, 20_000, 100_000), file, out))
    content = json.loads(out.read_text())
    assert [row["bases"] for row in content["rows"]] == [2_000, 20_000, 30_000]
    assert genome.table(content).count("\n") == 4


def test_motif_pairs_are_trained_tested_and_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phases = motif_pairs.Phase(64, 64, 1, 8), motif_pairs.Phase(64, 90, 2, 8)
    monkeypatch.setattr(motif_pairs, "PHASES", phases)
    monkeypatch.setattr(motif_pairs, "TESTED", (64, 90))
    monkeypatch.setattr(motif_pairs, "TESTS", 4)
    monkeypatch.setattr(motif_pairs, "HELD_OUT", 8)
    monkeypatch.setattr(motif_pairs, "encoder_preset", lambda name, mixer: encoder_preset("tiny", mixer))
    out = tmp_path / "rows.jsonl"
    arguments = motif_pairs.Arguments(1, ("memory", "cnn"), out)
    motif_pairs.main(arguments)
    rows = read_rows(out)
    assert [row["model"] for row in rows] == ["memory", "cnn"]
    assert set(rows[0]["accuracy"]) == {"64", "90"}
    # Eight sequences teach nothing: every phase goes on as long as it may.
    assert rows[0]["training"]["rounds"] == [motif_pairs.MOST_ROUNDS] * 2
    motif_pairs.main(arguments)
    assert read_rows(out) == rows
    assert motif_pairs.table(rows).count("\n") == 3


def test_small_sets_are_trained_tested_and_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(small_sets, "TESTS", 20)
    arguments = small_sets.Arguments(1, (20,), ("k-mer regression", "small CNN"), tmp_path / "rows.jsonl")
    small_sets.main(arguments)
    rows = read_rows(arguments.out)
    assert [(row["model"], row["size"]) for row in rows] == [("k-mer regression", 20), ("small CNN", 20)]
    small_sets.main(arguments)
    assert read_rows(arguments.out) == rows
    assert small_sets.table(rows).count("\n") == 3


def test_the_data_of_several_distances_is_joined() -> None:
    made = motif_pairs.phase_data(motif_pairs.Phase(70, 140, 2, 4), seed=0)
    assert [len(sequence) for sequence in made.sequences] == [140] * 2 + [280] * 2
    assert made.labels.tolist() == [0, 1, 0, 1]
    assert made.classes == pairs(2, 140, 70, 0).classes


def row(dataset: str, model: str, seed: int = 0, mcc: float = 0.5, ours: bool = True) -> dict[str, Any]:
    scores = {
        "fold": None,
        "data": "of the set",
        "settings": {"of": model},
        "test": {"mcc": mcc},
        "validation": {"mcc": mcc + 0.1},
    }
    return {"dataset": dataset, "model": model, "seed": seed, "ours": ours} | scores


def test_the_overview_has_a_line_a_set_and_ours_first() -> None:
    rows = [
        row("mouse_3", "small CNN", 0, 0.75, ours=False),
        *(row("tf_0", "Titans small, strands augment", seed, 0.7 + seed / 50) for seed in (0, 1)),
        row("tf_0", "Titans small, without memory, strands augment", 0, 0.69),
    ]
    lines = overview(rows).splitlines()
    assert lines[0].startswith("| test MCC | Titans | small CNN | DNABERT-2")
    assert lines[2] == "| tf_0 | 0.7100 ± 0.0141 | - | 0.7199 | 2 |"
    assert lines[3] == "| mouse_3 | - | 0.7500 | - | 1 |"


def test_other_settings_have_a_table_of_their_own_in_which_the_usual_strands_are_not_named() -> None:
    names = (", strands equivariant", "", ", both directions, strands augment", ", strands augment")
    rows = [row("mouse_3", f"Titans small{name}") for name in names]
    rows += [row("prom_core_tata", "Titans small"), row("mouse_3", "small CNN", ours=False)]
    assert variants(rows).splitlines()[2:] == [
        "| mouse_3 | as above | 0.5000 | 0.6000 | 1 |",
        "| mouse_3 | both directions | 0.5000 | 0.6000 | 1 |",
        "| mouse_3 | strands equivariant | 0.5000 | 0.6000 | 1 |",
        "| mouse_3 | strands given | 0.5000 | 0.6000 | 1 |",
    ]


def test_defaults_are_laid_out_as_the_command_reads_them_and_tabled(tmp_path: Path) -> None:
    held = {name for layout in dna_defaults.SETS.values() for name in ([layout] if isinstance(layout, str) else layout)}
    assert all(name.endswith(".gz") or "/" in name for name in held)
    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "x.fa.gz").write_bytes(b"x")
    layout = {"train/one.fa.gz": "a/x.fa.gz"}
    folder = dna_defaults.laid_out(layout, tmp_path / "data", tmp_path / "laid")
    assert (folder / "train" / "one.fa.gz").read_bytes() == b"x"
    assert dna_defaults.laid_out("a/x.fa.gz", tmp_path / "data", tmp_path) == tmp_path / "data" / "a" / "x.fa.gz"
    with pytest.raises(UserError, match=r"nothing\.csv: not there: give --data-dir"):
        dna_defaults.laid_out("nothing.csv", tmp_path / "data", tmp_path)

    def row(name: str, *scores: float) -> dict[str, Any]:
        test = {model: {"mcc": score} for model, score in zip(dna_defaults.MODELS, scores, strict=True)}
        counts = {"train": {"sequences": 1_000}}
        more = {"strands": "augment", "epochs": 9, "parts": counts, "tested": 50, "cpu_seconds": 100}
        return {"set": name, "seed": 0, "test": test, **more}

    rows = [row("tf_0", 0.1, 0.6, 0.1, 0.2), row("mouse_3", 0.7, 0.6, 0.1, 0.8), row("tf_0", 0.5, 0.6, 0.1, 0.2)]
    rows[2] |= {"stack": {"loss": 0.4, "alone": 0.5}, "defaults": dna_defaults.DEFAULTS}
    text = dna_defaults.table(rows)
    assert "1 of the stacked sets were run without as well: mean MCC 0.100, with it 0.500" in text
    assert text.endswith("to 0.80 of the network's, on average.")
    lines = text.splitlines()
    assert lines[2].startswith("| mouse_3 | 0.700 | 0.600 | 0.100 | **0.800** | no | augment | 9 | 1,000 / 50 | 100 |")
    assert lines[3].startswith("| tf_0 | 0.500 | **0.600** | 0.100 | 0.200 | yes | augment | 9 |")
    assert lines[4].startswith("| mean of 2 | 0.600 | 0.600 | 0.100 | 0.500 |")
    assert lines[-1].startswith(
        "Of 2 sets ours is above the k-mer regression on 1, the one-hot regression on 2, the small"
    )


def test_a_set_of_earlier_defaults_is_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[str] = []

    def measure(layout: Any, data_dir: Path) -> dict[str, Any]:
        trained.append(layout)
        return {"stack": None, "defaults": dna_defaults.DEFAULTS}

    monkeypatch.setattr(dna_defaults, "measure", measure)
    monkeypatch.setattr(dna_defaults, "table", lambda rows: f"{len(rows)}")
    monkeypatch.setattr(dna_defaults, "SETS", {"old": "1", "older": "2", "now": "3", "unmarked": "4"})
    out, earlier = tmp_path / "rows.jsonl", {**dna_defaults.DEFAULTS, "training": {"rows": 7}}
    append_row(out, {"set": "old", "seed": 0})
    append_row(out, {"set": "older", "seed": 0, "stack": None, "defaults": earlier})
    append_row(out, {"set": "now", "seed": 0, "stack": None, "defaults": dna_defaults.DEFAULTS})
    append_row(out, {"set": "unmarked", "seed": 0, "stack": None})
    for _ in range(2):
        dna_defaults.main(dna_defaults.Arguments(out=out))
    assert trained == ["1", "2"]
