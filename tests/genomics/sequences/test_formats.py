import gzip
import io
import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from genomics.sequences import opening
from genomics.sequences.loading import read_all
from genomics.sequences.options import LoadOptions
from genomics.sequences.values import Record
from tests.genomics.sequences.making import truncate, write
from titans_seq.errors import UserError

FASTA = ">one first\nACGT\nacg\n\n>two\nNNRY\n"


@pytest.fixture(params=["", ".gz", ".bgz"], ids=["plain", "gzip", "bgzip"])
def packing(request: pytest.FixtureRequest) -> str:
    return request.param


def read(path: Path) -> list[tuple[str, str]]:
    return [(record.name, record.sequence) for record in read_all([path])]


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(path)
    return str(caught.value).removeprefix(str(path))


def test_fasta(tmp_path: Path, packing: str) -> None:
    path = write(tmp_path / f"a.fa{packing}", FASTA)
    assert list(read_all([path])) == [
        Record("one", "ACGTACG", str(path), 1, title="one first"),
        Record("two", "NNRY", str(path), 2, title="two"),
    ]


def test_fastq(tmp_path: Path, packing: str) -> None:
    assert read(write(tmp_path / f"a.fq{packing}", "@r1 x\nACGT\n+\nIIII\n@r2\nGG\n+\n@@\n")) == [
        ("r1", "ACGT"),
        ("r2", "GG"),
    ]


def test_plain_has_one_sequence_a_line(tmp_path: Path, packing: str) -> None:
    assert read(write(tmp_path / f"a.txt{packing}", "acgt\n\nGGU\n")) == [("1", "ACGT"), ("2", "GGT")]


def test_a_column_of_a_table(tmp_path: Path, packing: str) -> None:
    assert read(write(tmp_path / f"a.csv{packing}", "id,seq\nx,acgt\n,GG\n")) == [("x", "ACGT"), ("2", "GG")]


def test_the_content_tells_the_format_not_the_name(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.txt", FASTA))[0] == ("one", "ACGTACG")
    packed = write(tmp_path / "a.fa.gz", FASTA)
    assert len(read(packed.rename(tmp_path / "a.fasta"))) == 2


def test_line_ends_marks_and_blank_lines_do_not_matter(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.fa", "\ufeff\r\n\r\n>one\r\nAC\r\nGT\r\n")) == [("one", "ACGT")]


def test_a_record_without_a_name_has_its_number(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.fa", ">one\nA\n>\nC\n")) == [("one", "A"), ("2", "C")]


def test_a_sequence_may_be_longer_than_a_cell_of_csv_usually_is(tmp_path: Path) -> None:
    (record,) = read_all([write(tmp_path / "a.csv", "seq\n" + "ACGT" * 50_000)])
    assert len(record.sequence) == 200_000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "a.fa",
            "; a comment\n>one\nACGT\n",
            ", line 1, before record 1: a FASTA file begins with '>', got '; a comment'",
        ),
        ("a.txt", "\n# made by x\n>one\nACGT\n", ", line 2, before record 1: a FASTA file begins with '>'"),
        ("a.fa", "ACGT\n", ", line 1, before record 1: a FASTA file begins with '>', got 'ACGT'"),
        ("a.fa", ">one\nAC\n>two\nAC!\n", ", record 2 (two): '!' at position 3 is no letter of DNA"),
        (
            "a.fa",
            ">one\nAC\n>p\nMKVLAAGIEQ\n",
            ", record 2 (p): 'L' at position 4 is no letter of DNA (it looks like a",
        ),
        ("a.fa", ">one\n>two\nAC\n", ", record 1 (one): no sequence: give it one or remove the record"),
        (
            "a.fq",
            "@one\nACGT\n+\nIIII\n@two\nACGT\n+\nII\n",
            ", record 2: not a whole FASTQ record (Lengths of sequence",
        ),
        ("a.fq", "@one\nACGT\n", ", record 1: not a whole FASTQ record (End of file without quality information)"),
        ("a.fq", "ACGT\n", ", line 1: expected a line that begins with '@', got 'ACGT'"),
        ("a.txt", "ACGT\nAC?\n", ", record 2: '?' at position 3 is no letter of DNA"),
        ("a.dat", "12 34\n", ", line 1: fits no format: expected FASTA ('>name'), FASTQ"),
        ("a.fa", " \n", ": the file is empty: expected sequences"),
        ("a.csv", "seq\nAC1\n", ", row 1: '1' at position 3 is no letter of DNA"),
        (
            "a.csv",
            "name,value\nx,ACGT\n",
            ": no column of sequences: expected one named sequence or seq, or the columns",
        ),
        ("a.csv", "region,name\nchr1:10-60,x\n", ": no column of sequences: expected one named sequence or seq, or"),
        (
            "a.bed",
            "chr1\t0\t10\n",
            ": holds intervals, not sequences: give the FASTA file of the genome (--reference)",
        ),
    ],
)
def test_what_cannot_be_read_is_named_by_file_and_record(tmp_path: Path, name: str, text: str, message: str) -> None:
    assert refusal(write(tmp_path / name, text)).startswith(message)


def test_a_truncated_gzip_is_named_by_the_record_it_ends_in(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.fa.gz", "".join(f">r{n}\n{n:b}\n".replace("0", "A").replace("1", "C") for n in range(99))
    )
    message = refusal(truncate(path))
    assert message.startswith(", record ")
    assert "the gzip file is cut short or damaged here (Compressed file ended before" in message
    assert message.endswith("get it again")


@pytest.mark.parametrize("name", ["a.csv.gz", "a.txt.gz"])
def test_other_truncated_gzips_too(tmp_path: Path, name: str) -> None:
    path = truncate(write(tmp_path / name, "sequence\n" * name.startswith("a.csv") + "ACGTTGCA\n" * 99))
    assert "the gzip file is cut short or damaged here" in refusal(path)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"PK\x03\x04zip", "a zip archive: expected text, plain or compressed with gzip; unpack it with 'unzip'"),
        (b"BZh9", "compressed with bzip2: expected text, plain or compressed with gzip; unpack it with 'bunzip2'"),
        (">a\nACGT".encode("utf-16"), "UTF-16 text: expected text, plain or compressed with gzip; save it as UTF-8"),
        (">a\nACGT".encode("utf-32"), "UTF-32 text: expected text, plain or compressed with gzip; save it as UTF-8"),
        (gzip.compress(gzip.compress(b">a\nACGT\n")), "compressed with gzip twice: unpack it once"),
        (b"\n<!DOCTYPE html><html>404</html>", "a web page or XML, not data"),
    ],
)
def test_other_packings_are_named(tmp_path: Path, raw: bytes, kind: str) -> None:
    (tmp_path / "a.fa").write_bytes(raw)
    assert refusal(tmp_path / "a.fa").startswith(f": is {kind}")


def test_text_of_two_bytes_a_letter_is_refused_without_its_mark_too(tmp_path: Path) -> None:
    (tmp_path / "a.fa").write_bytes(">a\nACGT".encode("utf-16-le"))
    assert refusal(tmp_path / "a.fa").startswith(": holds zero bytes, as UTF-16 text without its mark")


def test_a_base_that_was_not_read_is_unknown(tmp_path: Path) -> None:
    """A dot in FASTQ is a base, in an alignment it is none."""
    notes: Counter[str] = Counter()
    path = write(tmp_path / "a.fastq", "@r\nAC.T\n+\nIIII\n")
    assert [record.sequence for record in read_all([path], None, None, notes)] == ["ACNT"]
    assert "which became N" in next(iter(notes))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    assert refusal(tmp_path / "no.fa") == ": no such file or folder: check the path"
    assert refusal(tmp_path) == ": is a folder: give a file"


def test_bad_records_can_be_left_out_and_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fa", ">one\nAC\n>two\nA!\n>three\n>four\nGG\n")
    left_out: list[str] = []
    records = list(read_all([path], LoadOptions(skip_bad=True), left_out))
    assert [(record.name, record.number) for record in records] == [("one", 1), ("four", 4)]
    assert [message.removeprefix(str(path))[:18] for message in left_out] == [
        ", record 2 (two): ",
        ", record 3 (three)",
    ]


def test_a_broken_record_does_no_harm_to_those_behind_it(tmp_path: Path) -> None:
    good = "@r{0}\nACGT\n+\n@III\n"
    text = good.format(1) + "@short\nACGT\n+\nII\n" + good.format(2) + "@headless\nACGT\n" + good.format(3)
    text += good.format(4) + "@torn\nACGT"
    left_out: list[str] = []
    path = write(tmp_path / "a.fq", text + "\n@many\nAC\nGT\n+\n@I\nII\n")
    records = list(read_all([path], LoadOptions(skip_bad=True), left_out))
    assert [(record.name, record.sequence) for record in records] == [
        *((f"r{number}", "ACGT") for number in (1, 2, 3, 4)),
        ("many", "ACGT"),
    ]
    assert ["not a whole FASTQ record" in message for message in left_out] == [True] * 3


def test_records_of_one_name_get_names_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.fa", "> s 0\nAC\n> s 1\nGG\n>s#2\nTT\n")
    notes: Counter[str] = Counter()
    assert [record.name for record in read_all([path], notes=notes)] == ["s", "s#2", "s#2#2"]
    assert [number for number in notes.values()] == [2]


def test_sequences_in_overlapping_kmers_are_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "sequence\tlabel\nACGTAC CGTACG GTACGG\t1\n")
    notes: Counter[str] = Counter()
    (record,) = read_all([path], notes=notes)
    assert record.sequence == "ACGTACGG"
    assert notes == {"written as overlapping 6-mers with blanks between, which were put together again": 1}
    assert "blanks stand between letters" in refusal(write(tmp_path / "a.fa", ">one\nACG TGC ATT\n"))


def test_a_pipe_is_read_as_a_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = gzip.compress(FASTA.encode())
    reader, writer = os.pipe()
    os.write(writer, held)
    os.close(writer)
    assert len(read(Path(f"/dev/fd/{reader}"))) == 2
    os.close(reader)
    opening._copy_of_pipe.cache_clear()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(held)))
    assert read(Path("-"))[1] == ("two", "NNRY")
    opening._copy_of_pipe.cache_clear()


def test_sam_files_are_named(tmp_path: Path) -> None:
    assert "is a SAM file" in refusal(write(tmp_path / "a.sam", "@HD\tVN:1.6\nr1\t0\tchr1\n"))


def test_records_come_one_at_a_time(tmp_path: Path) -> None:
    records = read_all([write(tmp_path / "a.fa", ">one\nAC\n>two\nA!\n")])
    assert next(records).name == "one"
    with pytest.raises(UserError):
        next(records)


class TestRealFiles:
    @pytest.mark.parametrize(
        ("name", "count", "length"),
        [
            ("ecoli_K12_NC_000913.3.fna.gz", 1, 4_641_652),
            ("biopython_NC_005816.gb", 1, 9_609),
            ("biopython_NC_000932.gb.bgz", 1, 154_478),
            ("biopython_example.fastq", 3, 25),
            ("biopython_example.fastq.gz", 3, 25),
            ("biopython_example.fastq.bgz", 3, 25),
            ("sars_cov_2_MN908947.gb", 1, 29_903),
            ("athaliana_1pct.fa.gz", 7, 304_276),
        ],
    )
    def test_they_are_read_whole(self, dna: Path, name: str, count: int, length: int) -> None:
        records = list(read_all([dna / "genomes" / name]))
        assert (len(records), len(records[0].sequence)) == (count, length)

    def test_fasta_and_genbank_of_a_virus_agree(self, dna: Path) -> None:
        (fasta,) = read_all([dna / "genomes/sars_cov_2_MN908947.fasta"])
        (genbank,) = read_all([dna / "genomes/sars_cov_2_MN908947.gb"])
        assert fasta.sequence == genbank.sequence

    def test_codes_beyond_n_are_kept(self, dna: Path) -> None:
        assert {"K", "S", "Y"} <= set("".join(r.sequence for r in read_all([dna / "genomes/athaliana_1pct.fa.gz"])))

    def test_a_truncated_genbank_is_refused(self, dna: Path, tmp_path: Path) -> None:
        text = (dna / "genomes/biopython_NC_005816.gb").read_text()
        path = write(tmp_path / "a.gb", text[: text.rindex("//")])
        assert ", record 1: not a whole GenBank record (Premature end of file" in refusal(path)

    def test_a_genbank_without_its_sequence_is_refused(self, dna: Path, tmp_path: Path) -> None:
        text = (dna / "genomes/biopython_NC_005816.gb").read_text()
        path = write(tmp_path / "a.gb", text[: text.index("ORIGIN")] + "ORIGIN\n//\n")
        assert ", record 1 (NC_005816.1): no sequence" in refusal(path)
