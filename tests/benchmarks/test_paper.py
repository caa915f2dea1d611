"""The paper's ablation, depth and throughput at a small scale: what is run, kept and shown."""

from pathlib import Path

import pytest

from benchmarks import paper
from titans_seq.blocks import LMMConfig
from titans_seq.jsonl import read_rows


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text("To be, or not to be, that is the question. " * 500, encoding="utf-8")
    return path


def test_each_part_is_left_out_alone() -> None:
    whole = paper.PARTS["LMM"][0]
    for name, (memory, _) in paper.PARTS.items():
        changed = [
            part
            for part in (
                memory.rule.architecture != whole.rule.architecture,
                memory.rule.algorithm != whole.rule.algorithm,
                memory.rule.retention != whole.rule.retention,
                memory.convolution != whole.convolution,
                memory.persistent_tokens != whole.persistent_tokens,
            )
            if part
        ]
        assert len(changed) == (name != "LMM"), name


def test_a_loss_is_measured_once_and_shown(tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "PARTS", {"linear memory": paper.PARTS["linear memory"]})
    out = tmp_path / "rows.jsonl"
    for _ in range(2):
        paper.run("ablation", out, (0,), 1, text)
    (row,) = read_rows(out)
    assert (row["suite"], row["name"], row["seed"], row["steps"]) == ("ablation", "linear memory", 0, 1)
    line = paper.table("ablation", [row], steps=1).splitlines()[-1]
    assert paper.table("ablation", [row]) == paper.NOT_RUN
    assert line == f"| linear memory | {row['losses']['256']:.3f} | 28.49 | 1 |"


def test_speed_is_measured_by_length(tmp_path: Path, text: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paper, "CALL", 32)
    monkeypatch.setattr(paper, "SPEED_LENGTHS", (16, 32))
    monkeypatch.setattr(paper, "blocks", lambda: {"LMM, 2 deep": LMMConfig(paper.of_depth(2))})
    out = tmp_path / "rows.jsonl"
    paper.run("throughput", out, (), 0, text)
    rows = read_rows(out)
    assert [row["length"] for row in rows] == [16, 32]
    shown = " | ".join(f"{row['tokens_per_cpu_s']:,.0f}" for row in rows)
    assert paper.table("throughput", rows).splitlines()[-1] == f"| LMM, 2 deep | {shown} |"


def test_what_was_not_run_is_said() -> None:
    assert [paper.table(suite, []) for suite in ("ablation", "depth", "throughput")] == ["Not run yet."] * 3


def test_all_blocks_of_the_throughput_can_be_built() -> None:
    assert list(paper.blocks()) == [
        "LMM, 1 deep",
        "LMM, 2 deep",
        "LMM, 3 deep",
        "LMM, 4 deep",
        "MAC",
        "MAG",
        "MAL",
        "attention",
    ]
    for block in paper.blocks().values():
        block.build(32)
