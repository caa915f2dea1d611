from pathlib import Path

import pytest

from language.data.moved import find_shards
from language.data.shards import prepare
from language.data.token_shards import TokenShards
from language.tokenizers import ByteTokenizer
from titans_seq.errors import UserError


def make(folder: Path, text: str = "To be") -> str:
    folder.parent.mkdir(parents=True, exist_ok=True)
    source = folder.parent / "text.txt"
    source.write_text(text)
    prepare([source], ByteTokenizer(), folder)
    return TokenShards.open(folder).fingerprint


def test_shards_are_found_where_they_were_or_where_they_moved_with_the_run(tmp_path: Path) -> None:
    saved, run = tmp_path / "project" / "data" / "shards", tmp_path / "project" / "runs" / "a"
    name = make(saved)
    assert find_shards(name, saved, run) == saved
    (tmp_path / "project").rename(tmp_path / "other")
    moved = tmp_path / "other" / "data" / "shards"
    assert find_shards(name, saved, tmp_path / "other" / "runs" / "a") == moved
    assert find_shards(name, saved, tmp_path / "nowhere", given=moved) == moved


def test_other_shards_are_not_taken(tmp_path: Path) -> None:
    saved, run = tmp_path / "shards", tmp_path / "runs" / "a"
    name = make(saved)
    make(tmp_path / "runs" / "shards", "To be or not")
    assert find_shards(name, saved, run) == saved
    with pytest.raises(UserError, match=r"runs/shards are not those that the run in .* --data, or start a new run"):
        find_shards(name, saved, run, given=tmp_path / "runs" / "shards")
    saved.rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"are gone: they were in .*/shards; put them back, or say with --data"):
        find_shards(name, saved, run)
    make(saved, "another")
    with pytest.raises(UserError, match="are not those that it was started on: they were in"):
        find_shards(name, saved, run)
    assert find_shards(name, saved, run, given=tmp_path / "elsewhere") == tmp_path / "elsewhere"
