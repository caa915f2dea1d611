from pathlib import Path

import pytest

from language.data.manifest import MANIFEST, read_manifest
from language.data.shards import prepare
from language.data.token_shards import TokenShards
from language.tokenizers import ByteTokenizer, CharacterTokenizer, load_tokenizer
from tests.language.making import TEXTS, contents, decoded, write_lines
from titans_seq.errors import UserError

BYTES = ByteTokenizer()
END = BYTES.end_of_document


class TestWriting:
    def test_documents_are_whole_in_order_and_end(self, lines: Path, tmp_path: Path) -> None:
        manifest = prepare([lines], BYTES, tmp_path / "out", shard_tokens=100)
        assert len(manifest.shards) > 3
        assert decoded(tmp_path / "out") == TEXTS[:38]
        opened = TokenShards.open(tmp_path / "out")
        assert all(opened[n][-1] == END and END not in opened[n][:-1] for n in range(38))
        assert manifest.complete
        assert manifest.empty_documents == 2
        assert manifest.documents("train") == 38
        assert manifest.tokens("train") == opened.tokens == sum(len(text) + 1 for text in TEXTS[:38])
        assert sum(shard.text_bytes for shard in manifest.shards) == sum(map(len, TEXTS[:38]))
        assert all(shard.tokens >= 100 for shard in manifest.shards[:-1])

    def test_the_folder_holds_nothing_else(self, lines: Path, tmp_path: Path) -> None:
        prepare([lines], BYTES, tmp_path / "out")
        assert sorted(contents(tmp_path / "out")) == [
            "manifest.json", "tokenizer.yaml", "train-00000.bin", "train-00000.ends.npy",
        ]  # fmt: skip

    def test_the_manifest_says_what_was_made_of_what(self, lines: Path, tmp_path: Path) -> None:
        tokenizer = CharacterTokenizer.build(TEXTS)
        made = prepare([lines], tokenizer, tmp_path / "out", validation=0.2, seed=3)
        manifest = read_manifest(tmp_path / "out")
        assert manifest == made
        assert manifest.tokenizer == tokenizer.info
        assert (manifest.settings.validation, manifest.settings.seed) == (0.2, 3)
        (source,) = manifest.sources
        assert (source.path, source.bytes) == (str(lines), lines.stat().st_size)
        assert "numpy" in manifest.versions
        assert load_tokenizer(tmp_path / "out").info == tokenizer.info

    @pytest.mark.parametrize(("symbols", "dtype"), [(65_535, "<u2"), (65_536, "<u4")])
    def test_the_type_holds_every_id(self, tmp_path: Path, symbols: int, dtype: str) -> None:
        (tmp_path / "a.txt").write_text("ab")
        last = "".join(chr(0x10000 + n) for n in range(symbols - 2))
        manifest = prepare([tmp_path / "a.txt"], CharacterTokenizer("ab" + last), tmp_path / "out")
        assert manifest.dtype == dtype
        assert TokenShards.open(tmp_path / "out")[0].tolist() == [0, 1, symbols]

    def test_a_separator_and_a_field_reach_the_reader(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one\n---\ntwo\n")
        prepare([tmp_path / "a.txt"], BYTES, tmp_path / "out", separator="---")
        assert decoded(tmp_path / "out") == ["one\n", "two\n"]
        write_lines(tmp_path / "b.jsonl", ["three"], field="body")
        prepare([tmp_path / "b.jsonl"], BYTES, tmp_path / "out2", field="body")
        assert decoded(tmp_path / "out2") == ["three"]

    def test_parquet_becomes_shards(self, tmp_path: Path) -> None:
        arrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'titans-seq[language]'")
        from pyarrow import parquet

        table = arrow.table({"text": TEXTS[:38], "id": [f"<urn:uuid:{n}>" for n in range(38)], "score": [2.5] * 38})
        parquet.write_table(table, tmp_path / "000_00000.parquet")
        prepare([tmp_path / "000_00000.parquet"], BYTES, tmp_path / "out", shard_tokens=200)
        assert decoded(tmp_path / "out") == TEXTS[:38]

    def test_progress_goes_to_standard_error(
        self, lines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        manifest = prepare([lines], BYTES, tmp_path / "out", progress=True)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "corpus.jsonl" in captured.err
        assert f"{manifest.tokens('train'):,} tokens" in captured.err


class TestSplits:
    def test_by_document_each_goes_one_way_and_equal_ones_together(self, lines: Path, tmp_path: Path) -> None:
        manifest = prepare([lines], BYTES, tmp_path / "out", validation=0.3, shard_tokens=150)
        train, validation = decoded(tmp_path / "out"), decoded(tmp_path / "out", "validation")
        assert sorted(train + validation) == sorted(TEXTS[:38])
        assert not set(train) & set(validation)
        assert 4 <= len(validation) <= 20
        assert {shard.name[-5:] for shard in manifest.of_split("validation")} <= {
            shard.name[-5:] for shard in manifest.of_split("train")
        }

    def test_the_choice_depends_on_the_seed_alone(self, lines: Path, tmp_path: Path) -> None:
        for name, seed in (("a", 0), ("b", 0), ("c", 1)):
            prepare([lines], BYTES, tmp_path / name, validation=0.3, seed=seed)
        write_lines(tmp_path / "reversed.jsonl", TEXTS[::-1])
        prepare([tmp_path / "reversed.jsonl"], BYTES, tmp_path / "d", validation=0.3)
        a, b, c, d = (set(decoded(tmp_path / name, "validation")) for name in "abcd")
        assert a == b == d
        assert a != c

    def test_the_share_is_about_what_was_asked_for(self, tmp_path: Path) -> None:
        write_lines(tmp_path / "a.jsonl", [f"document {n}" for n in range(2000)])
        manifest = prepare([tmp_path / "a.jsonl"], BYTES, tmp_path / "out", validation=0.1)
        # Five standard deviations of a binomial count.
        assert abs(manifest.documents("validation") - 200) < 5 * (2000 * 0.1 * 0.9) ** 0.5

    def test_by_position_every_document_is_cut(self, tmp_path: Path) -> None:
        write_lines(tmp_path / "a.jsonl", ["0123456789", "é" * 20])
        prepare([tmp_path / "a.jsonl"], BYTES, tmp_path / "out", validation=0.1, split_by="position")
        assert decoded(tmp_path / "out") == ["012345678", "é" * 18]
        assert decoded(tmp_path / "out", "validation") == ["9", "éé"]
        train, validation = TokenShards.open(tmp_path / "out"), TokenShards.open(tmp_path / "out", "validation")
        assert [train[n][-1] == END for n in (0, 1)] == [False, False]
        assert [validation[n][-1] == END for n in (0, 1)] == [True, True]

    def test_by_position_tiny_shakespeare_is_cut_as_nanogpt_cuts_it(self, shared_data: Path, tmp_path: Path) -> None:
        path = shared_data / "text" / "tinyshakespeare.txt"
        text = path.read_text(encoding="utf-8")
        tokenizer = CharacterTokenizer.build([text])
        manifest = prepare([path], tokenizer, tmp_path / "out", validation=0.1, split_by="position")
        assert (manifest.tokens("train"), manifest.tokens("validation")) == (1_003_854, 111_540 + 1)
        assert decoded(tmp_path / "out")[0] + decoded(tmp_path / "out", "validation")[0] == text

    @pytest.mark.parametrize("split_by", ["document", "position"])
    def test_everything_can_be_for_validation(self, lines: Path, tmp_path: Path, split_by: str) -> None:
        prepare([lines], BYTES, tmp_path / "out", validation=1, split_by=split_by)  # pyright: ignore[reportArgumentType]
        assert decoded(tmp_path / "out", "validation") == TEXTS[:38]
        with pytest.raises(UserError, match="out has no train split"):
            TokenShards.open(tmp_path / "out")

    def test_nothing_for_validation_leaves_documents_whole(self, lines: Path, tmp_path: Path) -> None:
        prepare([lines], BYTES, tmp_path / "out", split_by="position")
        opened = TokenShards.open(tmp_path / "out")
        assert all(opened[number][-1] == END for number in range(38))

    @pytest.mark.parametrize(("validation", "missing"), [(1e-9, "validation"), (1 - 1e-9, "train")])
    def test_an_empty_split_that_was_asked_for_is_refused(
        self, tmp_path: Path, validation: float, missing: str
    ) -> None:
        (tmp_path / "a.txt").write_text("one document")
        with pytest.raises(UserError, match=f"no document came into the {missing} split .*--split position"):
            prepare([tmp_path / "a.txt"], BYTES, tmp_path / "out", validation=validation)
        assert not (tmp_path / "out").exists()


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"validation": 1.5}, r"the validation share must be in \[0, 1\], got 1\.5"),
            ({"validation": float("nan")}, r"the validation share must be in \[0, 1\], got nan"),
            ({"split_by": "line"}, "split_by must be 'document' or 'position', got 'line'"),
            ({"seed": -1}, r"the seed must be in \[0, 2\*\*64\), got -1"),
            ({"shard_tokens": 0}, "shard_tokens must be at least 1, got 0"),
            ({"separator": "a\nb"}, "the document separator must be one line"),
        ],
    )
    def test_wrong_settings(self, lines: Path, tmp_path: Path, options: dict, message: str) -> None:
        with pytest.raises(UserError, match=message):
            prepare([lines], BYTES, tmp_path / "out", **options)
        assert not (tmp_path / "out").exists()

    def test_a_separator_that_is_no_line(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("one\n--- -\n")
        (tmp_path / "b.txt").write_text("two\n")
        message = r"the document separator '---' is no line of .*a\.txt and 1 more: give a line that stands between"
        with pytest.raises(UserError, match=message):
            prepare([tmp_path], BYTES, tmp_path / "out", separator="---")
        assert not (tmp_path / "out").exists()

    def test_input_without_text(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text(" \n")
        with pytest.raises(UserError, match=r"no text in the input \(.*a\.txt\): every document is empty"):
            prepare([tmp_path / "a.txt"], BYTES, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_text_that_the_tokenizer_does_not_know(self, lines: Path, tmp_path: Path) -> None:
        with pytest.raises(
            UserError, match=r"corpus\.jsonl, line 1: character '0' \(U\+0030\) is not one of the tokenizer's 12:"
        ):
            prepare([lines], CharacterTokenizer.build(["document wr: "]), tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_fault_late_in_the_input_leaves_whole_shards_and_no_end(self, lines: Path, tmp_path: Path) -> None:
        with lines.open("ab") as stream:
            stream.write(b'{"text": "\xff"}\n')
        with pytest.raises(UserError, match=r"line 41: not UTF-8"):
            prepare([lines], BYTES, tmp_path / "out", shard_tokens=100)
        assert not read_manifest(tmp_path / "out").complete
        assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]
        with pytest.raises(UserError, match="are not finished: run the same titans lm prepare command again"):
            TokenShards.open(tmp_path / "out")

    def test_a_folder_of_other_things(self, lines: Path, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "thesis.tex").write_text("precious")
        for overwrite in (False, True):
            with pytest.raises(UserError, match="out holds other files and no token shards"):
                prepare([lines], BYTES, tmp_path / "out", overwrite=overwrite)
        assert contents(tmp_path / "out") == {"thesis.tex": b"precious"}

    def test_a_file_in_place_of_the_folder(self, lines: Path) -> None:
        with pytest.raises(UserError, match=r"corpus\.jsonl is a file: give the name of a new folder"):
            prepare([lines], BYTES, lines)

    @pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": "titans-shards", "version": 1}'])
    def test_a_damaged_manifest(self, lines: Path, tmp_path: Path, content: str) -> None:
        prepare([lines], BYTES, tmp_path / "out")
        (tmp_path / "out" / MANIFEST).write_text(content)
        with pytest.raises(UserError, match=r"manifest\.json: (damaged|not the manifest)"):
            TokenShards.open(tmp_path / "out")
