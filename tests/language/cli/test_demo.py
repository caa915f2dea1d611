import json
from collections.abc import Sequence
from pathlib import Path
from pydoc_data import topics

import pytest

from language.cli.demo import READ_LAST, write_documentation
from titans_seq.cli import main
from titans_seq.commands import CommandGroup, run_in_turn


def test_the_text_is_python_s_documentation_and_one_page_is_kept_out(tmp_path: Path) -> None:
    corpus, page = tmp_path / "python.jsonl", tmp_path / "page.txt"
    write_documentation(corpus, page)
    texts = [json.loads(line)["text"] for line in corpus.read_text().splitlines()]
    assert len(texts) > 50
    assert sum(map(len, texts)) > 300_000
    assert any('The "for" statement' in text for text in texts)
    assert READ_LAST in page.read_text()
    assert page.read_text() not in texts


@pytest.mark.usefixtures("blank_pictures")
def test_it_trains_reads_and_writes(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: text[:400] for name, text in topics.topics.items()}  # a fifteenth
    monkeypatch.setattr(topics, "topics", few)

    def run_short(group: CommandGroup, lines: Sequence[str], prog: str) -> None:
        run_in_turn(group, [line.replace("--max-tokens 200", "--max-tokens 9") for line in lines], prog)

    monkeypatch.setattr("language.cli.demo.run_in_turn", run_short)
    assert main(["lm", "demo", "--out", str(tmp_path / "demo"), "--steps", "2"]) == 0
    said = capfd.readouterr().out
    for number, verb in enumerate(("prepare", "pretrain", "generate", "read", "generate"), 1):
        assert f"\n{number}. titans lm {verb} " in said
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        "python.jsonl",
        f"{READ_LAST}.txt",
        "shards",
        "run",
        "memory.safetensors",
    }


def test_a_folder_that_is_taken_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep")
    assert main(["lm", "demo", "--out", str(tmp_path), "--steps", "1"]) == 2
    assert "error: " in capfd.readouterr().err
    assert (tmp_path / "run" / "mine.txt").read_text() == "keep"
