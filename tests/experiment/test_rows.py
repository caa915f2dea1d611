from pathlib import Path

import pytest

from titans_seq.errors import UserError
from titans_seq.experiment.rows import agrees, find_row, made_by, row_of
from titans_seq.jsonl import read_rows


def test_the_last_of_equal_rows_counts() -> None:
    identity = {"model": "lmm", "settings": {"lr": 0.1}}
    assert find_row([{**identity, "x": 1}, {**identity, "x": 2}, {"seed": 1}], identity) == {**identity, "x": 2}
    assert find_row([{**identity, "model": "mac"}], identity) is None


def test_settings_that_came_later_leave_a_row_what_it_was() -> None:
    then = {"optimiser": {"lr": 0.1}, "blocks": [{"kind": "lmm"}]}
    now = {"optimiser": {"lr": 0.1, "schedule": "cosine"}, "blocks": [{"kind": "lmm", "memory": None}], "more": 1}
    assert agrees(then, now)
    assert not agrees(now, then)
    assert not agrees(then, now | {"optimiser": {"lr": 0.2}})
    assert not agrees(then, now | {"blocks": []})


def test_what_has_a_row_is_not_measured_again(tmp_path: Path) -> None:
    path, measured = tmp_path / "rows.jsonl", []
    for seed in (0, 1, 0):
        row_of(path, {"seed": seed}, lambda: measured.append(1) or made_by(("torch",), "titans_seq"))
    assert len(measured) == 2
    rows = read_rows(path)
    assert [row["seed"] for row in rows] == [0, 1]
    assert {"machine", "versions", "commit", "date"} <= rows[0].keys()
    path.write_text("[1]\n")
    with pytest.raises(UserError, match="line 1: not a JSON object"):
        row_of(path, {"seed": 0}, dict)
