"""Documents that cannot be read, and text that its tokenizer loses."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from language.data import shards
from language.data.manifest import read_manifest
from language.data.shards import prepare
from language.data.token_shards import TokenShards
from language.tokenizers import ByteTokenizer, CharacterTokenizer, JSONTokenizer, SentencePieceTokenizer, Tokenizer
from tests.language.making import contents, decoded, train_pieces
from titans_seq.errors import UserError

BYTES = ByteTokenizer()
BAD_LINES = [b"null", b"{", b'{"other": "x"}', b'{"text": 3}', b'{"text": "\\ud800"}', b'{"text": "\xff"}']


class TestSkipping:
    @pytest.mark.parametrize("bad", BAD_LINES)
    def test_a_bad_line_is_counted_or_refused(self, tmp_path: Path, bad: bytes) -> None:
        path = tmp_path / "a.jsonl"
        path.write_bytes(b'{"text": "one"}\n' + bad + b'\n{"text": "two"}\n')
        with pytest.raises(UserError, match=r"a\.jsonl, line 2: "):
            prepare([path], BYTES, tmp_path / "out")
        manifest = prepare([path], BYTES, tmp_path / "out", skip_bad=True)
        assert decoded(tmp_path / "out") == ["one", "two"]
        assert (manifest.bad_documents, read_manifest(tmp_path / "out").bad_documents) == (1, 1)

    def test_what_a_document_gave_before_its_fault_is_taken_back(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one")
        (tmp_path / "b.txt").write_bytes(b"x" * 3_000_000 + b"\xff")
        (tmp_path / "c.txt").write_text("three")
        with pytest.raises(UserError, match=r"b\.txt: not UTF-8: byte 0xff at offset 3000000"):
            prepare([tmp_path], BYTES, tmp_path / "out")
        manifest = prepare([tmp_path], BYTES, tmp_path / "out", skip_bad=True)
        assert decoded(tmp_path / "out") == ["one", "three"]
        assert sum(shard.text_bytes for shard in manifest.shards) == 8

    def test_text_of_unknown_characters_is_bad_too(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("ab\n-\nabx\n-\nba")
        tokenizer = CharacterTokenizer("\nab")
        with pytest.raises(UserError, match=r"a\.txt, line 3: character 'x'"):
            prepare([tmp_path / "a.txt"], tokenizer, tmp_path / "out", separator="-")
        prepare([tmp_path / "a.txt"], tokenizer, tmp_path / "out", separator="-", skip_bad=True)
        assert decoded(tmp_path / "out") == ["ab\n", "ba"]

    def test_of_documents_between_lines_only_the_broken_one_is_left_out(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_bytes(b"one\n-\ntw\xffo\n-\nthree\n")
        with pytest.raises(UserError, match=r"a\.txt: not UTF-8: byte 0xff at offset 8"):
            prepare([tmp_path / "a.txt"], BYTES, tmp_path / "out", separator="-")
        prepare([tmp_path / "a.txt"], BYTES, tmp_path / "out", separator="-", skip_bad=True)
        assert decoded(tmp_path / "out") == ["one\n", "three\n"]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
    @pytest.mark.parametrize("options", [{}, {"separator": "-"}])
    def test_other_encodings_without_a_mark_are_no_text(self, tmp_path: Path, encoding: str, options: dict) -> None:
        (tmp_path / "a.txt").write_bytes("To be, or not to be\n".encode(encoding) * 9)
        with pytest.raises(UserError, match=r"a\.txt: one byte in four, or more, is zero, as in UTF-16"):
            prepare([tmp_path / "a.txt"], BYTES, tmp_path / "out", **options)
        (tmp_path / "a.jsonl").write_bytes('{"text": "one"}\n'.encode(encoding))
        with pytest.raises(UserError, match=r"a\.jsonl, line 1: one byte in four"):
            prepare([tmp_path / "a.jsonl"], BYTES, tmp_path / "out")

    @pytest.mark.parametrize(
        ("begin", "hint"), [(b"\x1f\x8b\x08", r"give it a name that ends in \.gz"), (b"PK\xff", "zip")]
    )
    def test_other_files_are_known_by_their_first_bytes(self, tmp_path: Path, begin: bytes, hint: str) -> None:
        (tmp_path / "a.txt").write_bytes(begin + b"text")
        with pytest.raises(UserError, match=rf"a\.txt: not UTF-8: byte .* {hint}"):
            prepare([tmp_path / "a.txt"], BYTES, tmp_path / "out")

    def test_a_bad_row_of_parquet(self, tmp_path: Path) -> None:
        arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
        from pyarrow import parquet

        parquet.write_table(arrow.table({"text": ["one", None, "two"]}), tmp_path / "a.parquet")
        with pytest.raises(UserError, match=r"row 2: column 'text' is empty"):
            prepare([tmp_path / "a.parquet"], BYTES, tmp_path / "out")
        assert prepare([tmp_path / "a.parquet"], BYTES, tmp_path / "out", skip_bad=True).bad_documents == 1

    def test_a_broken_archive_is_no_bad_document(self, tmp_path: Path) -> None:
        lines = b"".join(json.dumps({"text": f"{number} " * 50}).encode() + b"\n" for number in range(2000))
        (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines)[:-100])
        with pytest.raises(UserError, match="broken gzip file"):
            prepare([tmp_path / "a.jsonl.gz"], BYTES, tmp_path / "out", skip_bad=True)

    def test_nothing_but_bad_documents(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_text("null\n")
        with pytest.raises(
            UserError, match="no text in the input .*every document is empty or bad, the first one: .*a.jsonl, line 1: "
        ):
            prepare([tmp_path / "a.jsonl"], BYTES, tmp_path / "out", skip_bad=True)


def lossy(kind: str, folder: Path) -> Tokenizer:
    """A tokenizer that loses line ends, what it does not know, or capitals."""
    if kind == "sentencepiece":
        options = {"normalization_rule_name": "nmt_nfkc", "remove_extra_whitespaces": True}
        return SentencePieceTokenizer(train_pieces(folder / "small.model", **options))
    library = pytest.importorskip("tokenizers", reason="needs tokenizers: pip install 'titans-seq[language]'")
    if kind == "bpe":
        made = library.Tokenizer(library.models.BPE({letter: n for n, letter in enumerate("theking of\n☃")}, []))
    else:
        made = library.Tokenizer(library.models.WordLevel({"the": 0, "king": 1, "[UNK]": 2}, unk_token="[UNK]"))
        made.normalizer = library.normalizers.Lowercase()
        made.pre_tokenizer = library.pre_tokenizers.Whitespace()
    made.save(str(folder / "tokenizer.json"))
    return JSONTokenizer(folder / "tokenizer.json")


def test_a_file_that_is_written_to_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("one")
    usual = shards.split_document

    def grows(*arguments: Any) -> Any:
        with (tmp_path / "a.txt").open("a") as file:
            file.write(" more")
        return usual(*arguments)

    monkeypatch.setattr(shards, "split_document", grows)
    with pytest.raises(UserError, match=r"a\.txt was written to while it was read"):
        prepare([tmp_path / "a.txt"], BYTES, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class TestLoss:
    @pytest.mark.parametrize(
        ("kind", "shown"),
        [
            ("sentencepiece", r"'\\n' \(U\+000A\) 500"),
            ("bpe", r"'T' \(U\+0054\) 500, '漢' \(U\+6F22\) 500"),
            ("words", r"'T' \(U\+0054\) 500"),
        ],
    )
    def test_a_tokenizer_that_loses_text_is_refused_unless_it_may(self, tmp_path: Path, kind: str, shown: str) -> None:
        tokenizer = lossy(kind, tmp_path)
        (tmp_path / "good.txt").write_text("the king")
        (tmp_path / "text.txt").write_text("The king of 漢\n" * 500)
        inputs = [tmp_path / "good.txt", tmp_path / "text.txt"]
        with pytest.raises(UserError, match=r"(?s)text\.txt: the tokenizer loses [\d.]+% of 4,096 .*--max-loss"):
            prepare(inputs, tokenizer, tmp_path / "out")
        assert not (tmp_path / "out").exists()
        manifest = prepare(inputs, tokenizer, tmp_path / "out", max_loss=1)
        assert manifest.tokens_per_byte("train") is None
        assert read_manifest(tmp_path / "out") == manifest
        assert manifest.loss.share > 0.01

    def test_a_tokenizer_that_keeps_all_is_not_asked_twice(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("The king 漢\n" * 500)
        tokenizer = SentencePieceTokenizer(train_pieces(tmp_path / "small.model"))
        manifest = prepare([tmp_path / "a.txt"], tokenizer, tmp_path / "out")
        assert (manifest.lost, manifest.sampled) == ({}, 4096)
        assert manifest.tokens_per_byte("train") == pytest.approx(manifest.tokens("train") / 6500)
        assert manifest.tokens_per_byte("validation") is None

    @pytest.mark.parametrize("share", [-0.1, 1.5])
    def test_a_share_out_of_range(self, tmp_path: Path, share: float) -> None:
        with pytest.raises(UserError, match=r"share that may be lost must be in \[0, 1\]"):
            prepare([tmp_path], BYTES, tmp_path / "out", max_loss=share)

    def test_a_stopped_run_comes_to_the_same_manifest(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        tokenizer = lossy("sentencepiece", tmp_path)
        lines = [json.dumps({"text": f"to be\nor not {number}"}) for number in range(300)]
        (tmp_path / "a.jsonl").write_text("\n".join(lines))

        def make(out: Path) -> None:
            prepare([tmp_path / "a.jsonl"], tokenizer, out, max_loss=1, shard_tokens=200)

        make(tmp_path / "whole")
        finish, left = shards._finish, 3

        def stop(*arguments):
            nonlocal left
            left -= 1
            if not left:
                raise KeyboardInterrupt
            return finish(*arguments)

        monkeypatch.setattr(shards, "_finish", stop)
        with pytest.raises(KeyboardInterrupt):
            make(tmp_path / "out")
        assert not read_manifest(tmp_path / "out").complete
        make(tmp_path / "out")
        assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_large_document_and_a_large_shard_lie_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("first\n-\n" + "line of text\n" * 1000 + "-\nlast")
    prepare([tmp_path / "a.txt"], BYTES, tmp_path / "memory", separator="-", validation=0.5, seed=4)
    monkeypatch.setattr("language.data.formats._IN_MEMORY", 100)
    monkeypatch.setattr("language.data.formats._BLOCK", 64)
    monkeypatch.setattr("language.data.parts._IN_MEMORY", 100)
    prepare([tmp_path / "a.txt"], BYTES, tmp_path / "disk", separator="-", validation=0.5, seed=4)
    assert contents(tmp_path / "memory") == contents(tmp_path / "disk")
    assert {len(TokenShards.open(tmp_path / "disk", split)) for split in ("train", "validation")} == {1, 2}
