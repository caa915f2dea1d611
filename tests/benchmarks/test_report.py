"""The tables in the documents are what the results say."""

import pytest

from benchmarks import report


def test_documents_are_up_to_date(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["report", "--check"])
    assert report.main() == 0, f"run python -m benchmarks.report: {capsys.readouterr().out}"


def test_a_changed_result_changes_the_text() -> None:
    text = "before\n<!-- table: peer -->\nold\n<!-- end -->\nafter"
    assert report.fill(text, {"peer": "new"}) == "before\n<!-- table: peer -->\nnew\n<!-- end -->\nafter"
