import gzip
import importlib
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from language.data.documents import ReadOptions, read_file
from language.data.formats import has_separator
from titans_seq.errors import UserError


def texts(path: Path, **options: str) -> list[str]:
    return [document.text for document in read_file(path, ReadOptions(**options))]


def places(path: Path, **options: str) -> list[str]:
    return [document.place.removeprefix(str(path)) for document in read_file(path, ReadOptions(**options))]


@pytest.fixture(params=["", ".gz"], ids=["plain", "gzip"])
def suffix(request: pytest.FixtureRequest) -> str:
    return request.param


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def refusal(path: Path, **options: str) -> str:
    with pytest.raises(UserError) as caught:
        texts(path, **options)
    return str(caught.value).removeprefix(str(path))


def write_rows(path: Path, values: Sequence[object], kind: str = "string", column: str = "text") -> Path:
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'titans-seq[language]'")
    from pyarrow import parquet

    numbers = arrow.array(range(len(values)))
    parquet.write_table(arrow.table({"id": numbers, column: arrow.array(values, kind)}), path, row_group_size=3)
    return path


class TestText:
    def test_a_file_is_one_document_as_it_stands(self, tmp_path: Path, suffix: str) -> None:
        text = "first\r\n\n  second\tñ🙂\r"
        path = write(tmp_path / f"a.txt{suffix}", text.encode())
        (document,) = read_file(path, ReadOptions())
        assert (document.text, document.place, document.read) == (text, str(path), path.stat().st_size)
        assert "".join(document.pieces()) == text

    def test_a_byte_order_mark_is_no_text(self, tmp_path: Path, suffix: str) -> None:
        assert texts(write(tmp_path / f"a.txt{suffix}", b"\xef\xbb\xbfone")) == ["one"]

    def test_lines_separate_documents(self, tmp_path: Path, suffix: str) -> None:
        path = write(tmp_path / f"a.txt{suffix}", b"\xef\xbb\xbfone\none\n<end>\r\ntwo\n <end>  \n<end> not\n<end>\n")
        assert texts(path, separator="<end>") == ["one\none\n", "two\n", "<end> not\n", ""]
        assert places(path, separator="<end>") == [", line 1", ", line 4", ", line 6", ", line 8"]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_lines_end_as_on_any_system_and_keep_their_ends(self, tmp_path: Path, suffix: str, end: str) -> None:
        lines = ["\ufeffoné", "", "<end>", "two", "<end>", "漢"]
        path = write(tmp_path / f"a.txt{suffix}", end.join(lines).encode())
        assert texts(path, separator="<end>") == [f"oné{end}{end}", f"two{end}", "漢"]
        assert places(path, separator="<end>") == [", line 1", ", line 4", ", line 6"]
        assert texts(write(path, f"a\r\r\nb{end}c".encode()), separator="<end>") == [f"a\r\r\nb{end}c"]

    def test_a_separator_is_looked_for(self, tmp_path: Path, suffix: str) -> None:
        path = write(tmp_path / f"a.txt{suffix}", b"one\r - \rtwo")
        assert (has_separator(path, "-"), has_separator(path, "--")) == (True, False)
        assert has_separator(write(path, b"one\xff"), "-")

    def test_an_empty_line_can_separate(self, tmp_path: Path) -> None:
        assert texts(write(tmp_path / "a.txt", b"one\n\n \ntwo"), separator="") == ["one\n", "", "two"]

    def test_what_was_read_only_grows(self, tmp_path: Path, suffix: str) -> None:
        path = write(tmp_path / f"a.txt{suffix}", b"some words\n-\n" * 40_000)
        read = [document.read for document in read_file(path, ReadOptions(separator="-"))]
        assert read == sorted(read)
        assert 0 < read[0] <= read[-1] == path.stat().st_size

    @pytest.mark.parametrize("options", [{}, {"separator": "-"}])
    def test_bad_utf8_is_refused_by_its_offset(self, tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
        path = write(tmp_path / f"a.txt{suffix}", b"\xef\xbb\xbfgood\n-\nna\xefve\n")
        assert refusal(path, **options) == ": not UTF-8: byte 0xef at offset 12: convert the file to UTF-8"

    def test_a_character_cut_off_at_the_end_is_refused(self, tmp_path: Path) -> None:
        assert ": not UTF-8: byte 0xc3 at offset 4" in refusal(
            write(tmp_path / "a.txt", "ababé".encode()[:-2] + b"\xc3")
        )

    def test_utf16_is_recognised(self, tmp_path: Path) -> None:
        message = refusal(write(tmp_path / "a.txt", "one".encode("utf-16")))
        assert (
            message == ": not UTF-8: byte 0xff at offset 0 (the file begins as UTF-16 does): convert the file to UTF-8"
        )


class TestGzip:
    def test_a_truncated_file_is_refused(self, tmp_path: Path) -> None:
        content = gzip.compress(b"".join(b'{"text": "%d"}\n' % (n * 7919) for n in range(5000)))
        for name, options in (("a.jsonl.gz", {}), ("a.txt.gz", {}), ("b.txt.gz", {"separator": "x"})):
            (tmp_path / name).write_bytes(content[:-4000])
            assert refusal(tmp_path / name, **options).startswith(": broken gzip file (Compressed file ended before")

    def test_what_is_not_gzip_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt.gz").write_bytes(b"plain text")
        assert refusal(tmp_path / "a.txt.gz").startswith(": broken gzip file (Not a gzipped file")


class TestJSONLines:
    def test_each_line_is_a_document(self, tmp_path: Path, suffix: str) -> None:
        content = b'\xef\xbb\xbf{"text": "one\\n\\u00e9"}\n\n  \n{"n": 1, "text": "two"}\r\n{"text": ""}'
        path = write(tmp_path / f"a.jsonl{suffix}", content)
        assert texts(path) == ["one\né", "two", ""]
        assert places(path) == [", line 1", ", line 4", ", line 5"]

    def test_the_field_can_be_named(self, tmp_path: Path) -> None:
        assert texts(write(tmp_path / "a.ndjson", b'{"content": "one"}'), field="content") == ["one"]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (b"{'text': 1}", ": not JSON (Expecting property name enclosed in double quotes, column 2): expected one"),
            (b'{"text": "a', ": not JSON (Unterminated string starting at, column 10)"),
            (b"[" * 100_000, ": not JSON ("),
            (b"9" * 5000, ": not JSON (Exceeds the limit"),
            (b'["a"]', ": expected a JSON object with a field 'text', got [\"a\"]"),
            (b'{"body": "a", "id": 2}', ": no field 'text': its fields are 'body', 'id'; name the one that holds"),
            (b"{}", ": no field 'text': its fields are none; name the one"),
            (b'{"text": null}', ": field 'text' holds null: expected a string"),
            (b'{"text": 12}', ": field 'text' holds 12: expected a string"),
            (b'{"text": "a\\ud800"}', ": field 'text' holds \\ud800 at character 1, half of a surrogate pair"),
            (b'{"text": "\xff"}', ": not UTF-8: byte 0xff at offset 24: convert the file to UTF-8"),
        ],
    )
    def test_a_bad_line_is_refused_by_its_number(self, tmp_path: Path, suffix: str, line: bytes, message: str) -> None:
        path = write(tmp_path / f"a.jsonl{suffix}", b'{"text": "a"}\n' + line + b'\n{"text": "b"}\n')
        assert refusal(path).startswith(f", line 2{message}")


class TestParquet:
    @pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
    def test_each_row_is_a_document(self, tmp_path: Path, kind: str) -> None:
        arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
        values = [f"döc {n}" for n in range(700)]
        chosen = arrow.dictionary(arrow.int32(), arrow.string()) if kind == "dictionary" else kind
        path = write_rows(tmp_path / "a.parquet", values, chosen)
        assert texts(path) == values
        assert places(path)[:2] == [", row 1", ", row 2"]
        assert [document.read for document in read_file(path, ReadOptions())][-1] == path.stat().st_size

    def test_a_missing_column_is_refused(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "a.parquet", ["a"], column="content")
        assert refusal(path).startswith(": no column 'text': its columns are 'id', 'content'; name the one")
        assert texts(path, field="content") == ["a"]

    def test_a_column_that_comes_twice_is_refused(self, tmp_path: Path) -> None:
        arrow = pytest.importorskip("pyarrow")
        table = arrow.table([arrow.array(["L"]), arrow.array(["R"])], names=["text", "text"])
        importlib.import_module("pyarrow.parquet").write_table(table, tmp_path / "a.parquet")
        assert refusal(tmp_path / "a.parquet").startswith(": 2 columns are called 'text': write the file again")

    def test_a_column_of_numbers_is_refused(self, tmp_path: Path) -> None:
        assert refusal(write_rows(tmp_path / "a.parquet", ["a"]), field="id").startswith(
            ": column 'id' holds int64: expected strings"
        )

    def test_a_row_without_text_is_refused(self, tmp_path: Path) -> None:
        path = write_rows(tmp_path / "a.parquet", ["a"] * 300 + [None])
        assert refusal(path).startswith(", row 301: column 'text' is empty (null): expected a string")

    def test_bad_utf8_is_refused_by_its_row(self, tmp_path: Path) -> None:
        arrow = pytest.importorskip("pyarrow", reason="needs pyarrow")
        from pyarrow import parquet

        bad = arrow.array([b"good", b"b\xffd"], "binary").view("string")
        parquet.write_table(arrow.table({"text": bad}), tmp_path / "a.parquet")
        assert refusal(tmp_path / "a.parquet").startswith(
            ", row 2: column 'text' is not UTF-8: byte 0xff at offset 1 of the text"
        )

    @pytest.mark.parametrize("cut", [0, 3, -20])
    def test_a_broken_file_is_refused(self, tmp_path: Path, cut: int) -> None:
        path = write_rows(tmp_path / "a.parquet", ["a"] * 100)
        path.write_bytes(path.read_bytes()[:cut])
        assert refusal(path).startswith(": not a whole Parquet file (Parquet ")

    def test_a_text_file_of_that_name_is_refused(self, tmp_path: Path) -> None:
        pytest.importorskip("pyarrow", reason="needs pyarrow")
        (tmp_path / "a.parquet").write_text(json.dumps({"text": "a"}) * 10)
        assert refusal(tmp_path / "a.parquet").startswith(": not a whole Parquet file (Parquet magic bytes not found")
