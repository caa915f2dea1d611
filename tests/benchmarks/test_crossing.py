"""The benchmark of where memory and attention train as fast, at toy sizes."""

import json
from pathlib import Path

import pytest

from benchmarks import crossing
from benchmarks.crossing import Size, meeting


def test_lines_meet_where_their_logarithms_do() -> None:
    assert meeting([(128, 8.0, 1.0), (256, 8.0, 2.0), (1024, 8.0, 32.0)]) == pytest.approx(512)
    assert meeting([(128, 8.0, 1.0), (256, 8.0, 2.0)]) is None
    assert meeting([(128, 1.0, 2.0), (256, 3.0, 4.0)]) == 128


def test_rows_and_their_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    took = {
        8: {"matrix": 4.0, "deep x4": 9.0, "attention": 2.0},
        32: {"matrix": 8.0, "deep x4": 9.0, "attention": 16.0},
    }
    called: list[list[str]] = []

    def times(blocks: dict, length: int, dim: int, rounds: int) -> dict[str, float]:
        measured = crossing_times(blocks, length, dim, rounds)
        assert all(ms > 0 for ms in measured.values())
        called.append([*measured])
        return {name: took.get(length, {"deep x4": 10.0, "attention": 5.0})[name] for name in measured}

    crossing_times = crossing.times
    monkeypatch.setattr(crossing, "times", times)
    out = tmp_path / "crossing.json"
    crossing.main(Size(8, 2), ("matrix", "deep x4"), lengths=(64, 8, 32), rounds=1, out=out)
    assert called == [["attention", "matrix", "deep x4"]] * 2
    content = json.loads(out.read_text())
    assert [row["meet"] for row in content["rows"]] == [pytest.approx(16), pytest.approx(8 * 4**0.7233, rel=1e-3)]
    lines = crossing.table(content).splitlines()
    assert lines[0] == "| memory | faster from | 8 | 32 |"
    assert lines[2] == "| matrix, chunks of 64 | 16 | 4 / 2 | 8 / 16 |"
    assert "faster from" in capsys.readouterr().out


def test_a_memory_that_is_slower_at_all_lengths_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossing, "times", lambda *_: {"matrix": 3.0, "attention": 2.0})
    out = tmp_path / "crossing.json"
    crossing.main(Size(8, 2), ("matrix",), lengths=(8, 16), rounds=1, out=out)
    assert crossing.table(json.loads(out.read_text())).splitlines()[2].startswith("| matrix, chunks of 64 | above 16 |")


def test_an_unknown_memory_is_refused() -> None:
    with pytest.raises(SystemExit, match="no memory cube: choose from matrix, deep x2, deep x4"):
        crossing.main(memories=("cube",))
