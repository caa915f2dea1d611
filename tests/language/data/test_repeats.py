import itertools
from pathlib import Path
from typing import Any

import pytest

from language import load_tokenizer, prepare
from language.data.manifest import read_manifest
from language.data.repeats import prepare_repeats, repeats
from language.data.token_shards import TokenShards
from titans_seq.cli import main
from titans_seq.errors import UserError


def test_most_of_a_made_up_stream_stood_before() -> None:
    made = [stream.tolist() for stream in repeats(20_000, 2_000, vocabulary=500, end=7, seed=0)]
    assert [len(stream) for stream in made] == [2_000] * 10
    told = 0
    for stream in made:
        assert stream.index(7) == len(stream) - 1
        seen: dict[tuple[int, int], int] = {}
        for place, (one, two) in enumerate(itertools.pairwise(stream[:-1])):
            told += 0 < place - seen.get((one, two), place) <= 1_100
            seen[one, two] = place
    # Seven spans of ten are copies; the pair at a span's beginning is new.
    assert 0.5 < told / 20_000 < 0.7


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text("To be, or not to be\n")
    prepare([tmp_path / "a.txt"], load_tokenizer("bytes"), tmp_path / "shards")
    return tmp_path / "shards"


def test_repeats_are_shards_of_the_same_tokenizer(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = shards.parent / "repeats"
    assert main(["lm", "repeats", str(shards), "--tokens", "600", "--length", "200", "--out", str(out)]) == 0
    assert capsys.readouterr().out.startswith("3 streams, 600 tokens of a vocabulary of 257\n")
    made = TokenShards.open(out)
    wanted = repeats(600, 200, vocabulary=257, end=256, seed=0)
    assert all((made[number] == stream).all() for number, stream in enumerate(wanted))
    assert load_tokenizer(out).info == load_tokenizer(shards).info


def test_shards_are_replaced_only_where_that_is_asked_for(shards: Path) -> None:
    out = shards.parent / "repeats"
    first = prepare_repeats(shards, out, tokens=100, length=50)
    with pytest.raises(UserError, match="holds shards: give another folder, or replace them with --overwrite"):
        prepare_repeats(shards, out, tokens=100, length=50, seed=1)
    assert read_manifest(out) == first
    assert prepare_repeats(shards, out, tokens=100, length=50, seed=1, overwrite=True).shards != first.shards


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tokens": 0}, "at least 1 token and streams of at least 2, got 0 and 8192"),
        ({"length": 1}, "got 400000 and 1"),
        ({"seed": -1}, "the seed must be in"),
    ],
)
def test_bad_numbers_leave_nothing(shards: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        prepare_repeats(shards, shards.parent / "repeats", **options)
    assert not (shards.parent / "repeats").exists()
