import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from language.evaluation.perplexity import Evaluation, PositionLoss
from language.evaluation.recency import RecencyLoss
from language.evaluation.report import CSV, JSON, PICTURE, RECENCY_CSV, RECENCY_PICTURE, table_text, write_report

RANGES = (PositionLoss(0, 15, 16, 2.0, 2.0), PositionLoss(16, 19, 4, 1.0, 1.5))
EVALUATION = Evaluation(1, 20, 40, 16, 1.8, 1.9, RANGES)


def test_the_files_say_the_same(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    files = write_report(EVALUATION, tmp_path / "out", {"run": "runs/y"})
    assert [path.name for path in files] == [JSON, CSV, PICTURE]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([JSON, CSV, PICTURE])
    content = json.loads(files[0].read_text())
    with files[1].open() as stream:
        rows = list(csv.DictReader(stream))
    assert content["run"] == "runs/y"
    assert (content["tokens"], content["text_bytes"], content["length"]) == (20, 40, 16)
    assert (content["all"]["first"], content["all"]["last"], content["all"]["loss_carried"]) == (0, 19, 1.8)
    assert [{k: float(v) for k, v in row.items()} for row in rows] == content["by_position"]
    assert rows[1]["loss_cut"] == "1.5"
    assert files[2].read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    with pytest.raises(Exception, match="matplotlib"):
        write_report(EVALUATION, tmp_path / "out", {})
    assert not (tmp_path / "out").exists()


def test_every_line_of_the_table_is_of_one_length() -> None:
    wide = Evaluation(1, 2_000_000, 2_000_000, 1024, 1.8, 1.9, RANGES)
    assert len({len(line) for line in table_text(wide).splitlines()}) == 1


def test_an_evaluation_by_recency_has_its_own_files(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the picture needs matplotlib")
    parts = tuple(
        RecencyLoss(first, last, rare, tokens, 1.0, 1.5)
        for rare in (None, True, False)
        for first, last, tokens in ((0, 0, 5), (1, 64, 0), (65, None, 7))
    )
    files = write_report(replace(EVALUATION, window=64, by_recency=parts), tmp_path / "out", {})
    assert [path.name for path in files[3:]] == [RECENCY_CSV, RECENCY_PICTURE]
    content = json.loads(files[0].read_text())
    assert content["window"] == 64
    assert content["by_recency"][1] == {
        "pairs": "all", "first": 1, "last": 64, "tokens": 0, "loss_carried": None, "loss_cut": None,
    }  # fmt: skip
    with files[3].open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["pairs"] for row in rows] == ["all"] * 3 + ["rare"] * 3 + ["other"] * 3
    assert (rows[2]["last"], rows[2]["loss_cut"]) == ("", "1.5")
    assert files[4].read_bytes().startswith(b"\x89PNG")
