"""Files of kinds that biologists have and that are not sequences, labels or intervals as they should be."""

import gzip
from collections import Counter
from pathlib import Path

import pytest

from genomics.sequences.loading import load_splits, read_all
from genomics.sequences.options import LoadOptions
from tests.genomics.sequences.making import write
from titans_seq.errors import UserError

ONE, TWO = "ACGTACGTACGTACGT", "GGCCTTAAGGCCTTAA"
ROWS = [f"{ONE},a", f"{TWO},b"] * 4


def read(path: Path, **options) -> tuple[list[tuple[str, str]], list[str]]:
    notes: Counter[str] = Counter()
    found = [(record.name, record.sequence) for record in read_all([path], LoadOptions(**options), None, notes)]
    return found, list(notes)


def labelled(path: Path, **options):
    notes: Counter[str] = Counter()
    return load_splits(path, LoadOptions(**options), None, notes), list(notes)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(b"BAM\x01" + bytes(90)), "is a BAM file of aligned reads.*samtools fastq"),
        (b"CRAM\x03\x00" + bytes(90), "is a CRAM file"),
        (b"\x43\x27\x41\x1a" + bytes(90), "is a .2bit genome.*twoBitToFa"),
        (b"\x26\xfc\x8f\x88" + bytes(90), "is a bigWig file"),
        (b"PAR1" + bytes(90), "is a Parquet file.*to_csv"),
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml", "is an Excel workbook.*save the sheet as CSV"),
        (b"\xd0\xcf\x11\xe0" + bytes(90), "is an Excel workbook"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (b"\x93NUMPY\x01\x00", "is a NumPy array"),
        (b'[{"sequence":"ACGT","label":1}]', "is JSON: write a table"),
        (b'{"sequence":"ACGT","label":1}\n', "is JSON: write a table"),
        (b"CLUSTAL W (1.83)\n\nseq1      ACGT\n", "is an alignment"),
        (b"fixedStep chrom=chr1 start=1 step=10\n1\n", "is a track of numbers"),
        (b"MEME version 4\n", "is a file of motifs"),
        (b"r1\t0\tchr1\t100\t60\t16M\t*\t0\t0\tACGTACGTACGTACGT\tIIIIIIIIIIIIIIII\n", "is a SAM file"),
    ],
)
def test_other_formats_are_named_with_a_remedy(tmp_path, content, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read(tmp_path / "a.txt")


def test_a_workbook_is_no_archive_of_classes(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml" + bytes(40))
    with pytest.raises(UserError, match="not a whole zip file|is an Excel workbook"):
        load_splits(tmp_path / "a.xlsx")


def test_embl_is_read(tmp_path):
    record = "ID   X1; SV 1; linear; mRNA; STD; PLN; 16 BP.\nAC   X1;\nSQ   Sequence 16 BP;\n"
    record += "     acgtacgtac gtacgt  16\n//\n"
    assert read(write(tmp_path / "a.embl", record * 2))[0] == [("X1.1", ONE), ("X1.1#2", ONE)]


def test_a_column_of_parts_divides_a_table(tmp_path):
    rows = [f"{row},{part}" for part in ("train", "Valid", "test") for row in ROWS]
    splits, notes = labelled(write(tmp_path / "a.csv", "\n".join(["sequence,label,split", *rows])))
    assert [part and len(part) for part in (splits.train, splits.validation, splits.test)] == [8, 8, 8]
    assert notes == ["is in the part that a column names (train, validation or test)"]
    other = write(tmp_path / "b.csv", "\n".join(["sequence,label,set", *(f"{row},{row[-1]}" for row in ROWS)]))
    splits, notes = labelled(other)
    assert splits.test is None
    assert notes == [f"has no part's name in its column of parts, such as {ROWS[0][-1]!r}: the column is not used"]
    mixed = write(tmp_path / "c.csv", "\n".join(["sequence,label,split", *rows, f"{ONE},a,unused"]))
    with pytest.raises(UserError, match="names parts .* and 'unused' as well"):
        labelled(mixed)


def test_a_column_that_names_parts_under_another_name_is_said(tmp_path):
    rows = [f"{row},{part}" for part in ("train", "Valid", "test") for row in ROWS]
    said = "has a part's name in column 'fold', which is not used: to divide by it, call it 'split'"
    for rest, expected in (([], [said]), ([f"{ONE},a,unused"], [])):
        splits, notes = labelled(write(tmp_path / "a.csv", "\n".join(["sequence,label,fold", *rows, *rest])))
        assert (len(splits.train), splits.test, notes) == (24 + len(rest), None, expected)
    as_labels = write(tmp_path / "b.csv", "\n".join(["sequence,name,label", *rows]))
    assert labelled(as_labels)[1] == []


@pytest.mark.parametrize(
    ("header", "row", "note"),
    [
        ("sequence,label,class", f"{ONE},{{}},x", "has its label in column 'label', not in 'class' (--label)"),
        ("sequence,seq,label", f"{ONE},{TWO},{{}}", "has its sequence in column 'sequence', not in 'seq' (--sequence)"),
    ],
)
def test_of_two_columns_that_could_be_meant_one_is_said(tmp_path, header, row, note):
    path = write(tmp_path / "a.csv", "\n".join([header, *(row.format("ab"[n % 2]) for n in range(6))]))
    splits, notes = labelled(path)
    assert (splits.train.classes, splits.train.sequences[0], notes) == (("a", "b"), ONE, [note])


@pytest.mark.parametrize(
    "above", ["# by me\n", "# by me, today\n\n", "sep=,\n", "## a\n# b,c,d\n"], ids=["one", "comma", "excel", "two"]
)
def test_lines_above_a_table(tmp_path, above):
    path = write(tmp_path / "a.csv", above + "\n".join(["sequence,label", *ROWS]))
    assert labelled(path)[0].train.sequences[:2] == (ONE, TWO)


def test_a_header_after_a_hash(tmp_path):
    path = write(tmp_path / "a.csv", "\n".join(["#sequence,label", *ROWS]))
    assert labelled(path)[0].train.sequences[:2] == (ONE, TWO)


def test_peaks_of_macs_count_from_one_and_have_a_summit(tmp_path):
    write(tmp_path / "g.fa", ">chr1\nAACCGGTTACGTTGCA\n")
    table = "# This file is generated by MACS\n\nchr\tstart\tend\tlength\tabs_summit\tname\nchr1\t3\t8\t6\t7\tp\n"
    path = write(tmp_path / "peaks.xls", table)
    found, notes = read(path, reference=str(tmp_path / "g.fa"))
    assert found == [("p", "CCGGTT")]
    assert notes == ["coordinates taken to count from 1, end included, as R's GRanges, SAF, HOMER and MACS's tables do"]
    assert read(path, reference=str(tmp_path / "g.fa"), window=3)[0] == [("p", "GTT")]


_FROM_ONE = "coordinates taken to count from 1, end included, as R's GRanges, SAF, HOMER and MACS's tables do"


@pytest.mark.parametrize(
    ("header", "row", "window", "found", "expected"),
    [
        ("length,abs_summit", "3,8,6,7.0", 3, "GTT", [_FROM_ONE]),
        ("length,abs_summit", "3.0,8.0,6.0,7", 3, "GTT", [_FROM_ONE]),
        ("width,abs_summit", "2,8,6.0,7.", 3, "TTA", []),
        ("length,abs_summit", "3,8,6,", 3, "GGT", ["has no summit, and the middle takes its place", _FROM_ONE]),
        ("width", "3,8,6.0", None, "CCGGTT", [_FROM_ONE]),
        ("width", "2.0,8e+0,6", None, "CCGGTT", []),
        ("width", "2,8,600", None, "CCGGTT", ["has a width that is neither end - start nor one more"]),
        ("width", "2,8,", None, "CCGGTT", ["has a width that is neither end - start nor one more"]),
    ],
)
def test_whole_numbers_may_be_written_with_a_point(tmp_path, header, row, window, found, expected):
    write(tmp_path / "g.fa", ">chr1\nAACCGGTTACGTTGCA\n")
    path = write(tmp_path / "a.csv", f"chr,start,end,{header}\nchr1,{row}\n")
    records, notes = read(path, reference=str(tmp_path / "g.fa"), window=window)
    assert records[0][1] == found
    assert [note.startswith(start) for note, start in zip(notes, expected, strict=True)] == [True] * len(expected)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("3,8,6,7.5", "summit '7.5': expected a base of the interval, 3 to 8, or nothing"),
        ("3,8,6,NA", "summit 'NA'"),
        ("3,8,6,9", "summit '9'"),
        ("3,8,6,2", "summit '2'"),
        ("2,8,6,8", "summit '8': expected a base of the interval, 2 to 7"),
        ("3.5,8,6,7", "start '3.5' and end '8': expected whole numbers"),
        ("-3,8,11,7", "start '-3' and end '8': expected whole numbers"),
    ],
)
def test_a_broken_summit_is_refused_or_left_out(tmp_path, row, message):
    write(tmp_path / "g.fa", ">chr1\nAACCGGTTACGTTGCA\n")
    path = write(tmp_path / "a.csv", f"chr,start,end,length,abs_summit\nchr1,{row}\nchr1,3,8,6,7\n")
    with pytest.raises(UserError, match=f"a.csv, row 1: {message}"):
        read(path, reference=str(tmp_path / "g.fa"), window=3)
    found, _ = read(path, reference=str(tmp_path / "g.fa"), window=3, skip_bad=True)
    assert [sequence for _, sequence in found] == ["GTT"]


@pytest.mark.parametrize(
    ("name", "line", "note"),
    [
        (
            "a.bed",
            "chr1\t0\t9\tt\t0\t+\t0\t9\t0\t2\t2,2\t0,7\n",
            "has several blocks (BED12), and is read whole, with what lies between them",
        ),
        (
            "a.gtf",
            'chr1\tx\tgene\t1\t9\t.\t+\t.\tgene_id "g";\nchr1\tx\texon\t1\t4\t.\t+\t.\tgene_id "g";\n',
            "is a feature of type 'exon': all types are read, each feature by itself",
        ),
    ],
)
def test_what_is_read_of_genes_is_said(tmp_path, name, line, note):
    write(tmp_path / "g.fa", ">chr1\nAACCGGTTACGTTGCA\n")
    assert note in read(write(tmp_path / name, line), reference=str(tmp_path / "g.fa"))[1]


@pytest.mark.parametrize(
    "names", [["train_a.fa", "train_b.fa", "test_a.fa"], ["a.train.fa", "b.train.fa", "a.test.fa"]]
)
def test_files_named_by_part_and_class_are_no_classes(tmp_path, names):
    for name in names:
        write(tmp_path / name, f">x\n{ONE}\n")
    with pytest.raises(UserError, match="hold a part and a class: make folders train, dev and test"):
        labelled(tmp_path)


def test_a_genome_beside_intervals_is_no_class(tmp_path):
    for name in ("a.bed", "b.bed"):
        write(tmp_path / name, "chr1\t0\t9\n")
    write(tmp_path / "genome.fa", f">chr1\n{ONE}\n")
    with pytest.raises(UserError, match="a.bed holds intervals and genome.fa sequences"):
        labelled(tmp_path, reference=str(tmp_path / "genome.fa"))


def test_labels_that_are_not_utf8_are_refused(tmp_path):
    rows = [row.replace(",a", ",\xe9").replace(",b", ",\xe8") for row in ROWS]
    (tmp_path / "a.csv").write_bytes("\n".join(["sequence,label", *rows]).encode("latin-1"))
    with pytest.raises(UserError, match="letters that are not UTF-8.*save the file as UTF-8"):
        labelled(tmp_path / "a.csv")


def test_a_regression_of_one_value_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", "\n".join(["sequence,label", *(row[:-1] + "2.0" for row in ROWS)]))
    with pytest.raises(UserError, match=r"all 8 training records have the same label \(2.0\)"):
        labelled(path, kind="regression")


@pytest.mark.parametrize(
    ("name", "text", "note"),
    [
        ("a.txt", f"{ONE}\n{TWO}\n{ONE}\nACGT\n", "is shorter than all before it"),
        ("a.fa", f">a\n{ONE}--{TWO}\n", "had gaps of an alignment, which were removed"),
        ("a.csv", f"sequence,label\n{'A' * 32767},x\n", "has 32,767 letters, at which Excel cuts a cell off"),
    ],
)
def test_what_may_be_wrong_is_noted(tmp_path, name, text, note):
    assert read(write(tmp_path / name, text))[1][0].startswith(note)


def test_names_before_sequences_without_a_header_are_kept(tmp_path):
    assert read(write(tmp_path / "a.txt", f"gene1\t{ONE}\ngene2\t{TWO}\n"))[0] == [("gene1", ONE), ("gene2", TWO)]
