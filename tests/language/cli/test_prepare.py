from pathlib import Path

import pytest
import tyro

from language.cli.prepare import Prepare, prepare
from language.data.token_shards import TokenShards
from language.tokenizers import load_tokenizer
from tests.language.making import train_pieces, write_lines
from titans_seq.errors import UserError


def run(*arguments: object) -> None:
    config = (tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff)
    prepare(tyro.cli(Prepare, args=[*map(str, arguments)], config=config))


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "corpus.jsonl", [f"document {n}" for n in range(20)] + [""])


def test_the_defaults_write_bytes(lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(lines, "--out", tmp_path / "out", "--progress", "none")
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [
        "tokenizer bytes, vocabulary 257",
        "train:      20 documents, 230 tokens, 210 bytes of text, 1 shard",
        "left out:   1 document without text",
        f"written: {tmp_path / 'out'}",
    ]
    assert captured.err == ""
    assert len(TokenShards.open(tmp_path / "out")) == 20


def test_every_option_reaches_the_shards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("abcdefghij\n---\nabcdefghij")
    write_lines(tmp_path / "b.jsonl", ["abcdefghij"], field="body")
    run(
        *(tmp_path / "a.txt", tmp_path / "b.jsonl", "--out", tmp_path / "out", "--tokenizer", "characters"),
        *("--validation", 0.2, "--split", "position", "--field", "body", "--document-separator", "---"),
        *("--shard-tokens", 11, "--progress", "bar"),
    )
    captured = capsys.readouterr()
    assert "tokens" in captured.err
    assert "validation: 3 documents" in captured.out
    assert load_tokenizer(tmp_path / "out").vocabulary == 12
    assert TokenShards.open(tmp_path / "out").lengths.tolist() == [8, 8, 8]
    with pytest.raises(UserError, match="made in another way: .*split_by was 'position', is 'document'"):
        run(tmp_path / "a.txt", tmp_path / "b.jsonl", "--out", tmp_path / "out")
    run(tmp_path / "a.txt", "--out", tmp_path / "out", "--overwrite")
    assert load_tokenizer(tmp_path / "out").vocabulary == 257


def test_files_of_other_kinds_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "texts").mkdir()
    for name in ("a.txt", "notes.log", ".hidden"):
        (tmp_path / "texts" / name).write_text("text")
    run(tmp_path / "texts", "--out", tmp_path / "out", "--progress", "none")
    log = tmp_path / "texts" / "notes.log"
    assert f"passed over: 1 file of other kinds, such as {log}" in capsys.readouterr().out.splitlines()


def test_files_without_the_separator_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(13):
        (tmp_path / f"{number:02}.txt").write_text("a\n---\nb" if number == 0 else "a\nb")
    run(tmp_path, "--document-separator", "---", "--out", tmp_path / "out", "--progress", "none")
    names = ", ".join(str(tmp_path / f"{number:02}.txt") for number in range(1, 11))
    assert f"note: no line '---' in 12 files: {names} and 2 more" in capsys.readouterr().out.splitlines()


def test_an_option_without_use_is_refused(lines: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    for path, options, message in (
        (lines, ("--split", "position"), "add --validation"),
        (lines, ("--seed", 1), "add --validation"),
        (lines, ("--seed", 1, "--validation", 0.2, "--split", "position"), "--split position none"),
        (lines, ("--document-separator", "---"), "--document-separator is of text files"),
        (tmp_path / "a.txt", ("--field", "body"), "--field is of JSON Lines and Parquet files"),
    ):
        with pytest.raises(UserError, match=message):
            run(path, *options, "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_input_and_a_folder_have_to_be_given(lines: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="no input is given: name a text, JSON Lines or Parquet file"):
        run("--out", "x")
    with pytest.raises(SystemExit):
        run(lines)
    assert "--out" in capsys.readouterr().err


def test_the_help_describes_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("--help")
    text = capsys.readouterr().out
    for option in ("--tokenizer", "--validation", "--split", "--document-separator", "--shard-tokens", "--overwrite"):
        assert option in text


def test_what_was_lost_or_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = {"normalization_rule_name": "nmt_nfkc", "remove_extra_whitespaces": True}
    pieces = train_pieces(tmp_path / "small.model", **options)
    (tmp_path / "a.jsonl").write_text('{"text": "to be\\nor not"}\nnull\n')
    arguments = (tmp_path / "a.jsonl", "--out", tmp_path / "out", "--tokenizer", pieces, "--progress", "none")
    with pytest.raises(UserError, match=r"a\.jsonl, line 2: expected a JSON object"):
        run(*arguments)
    with pytest.raises(UserError, match=r"the tokenizer loses 8\.3% of 12 characters: '\\n' \(U\+000A\) 1; expected"):
        run(*arguments, "--skip-bad")
    run(*arguments, "--skip-bad", "--max-loss", 0.1)
    captured = capsys.readouterr().out
    assert "left out:   1 document that could not be read" in captured
    assert "note: the tokenizer loses 8.3% of 12 characters" in captured
    run(tmp_path / "a.jsonl", "--out", tmp_path / "bytes", "--tokenizer", "characters", "--skip-bad")
