import gzip
from pathlib import Path

import pytest
from Bio import bgzf

from genomics.explain import Variant, read_vcf
from titans_seq.errors import UserError

TEXT = (
    "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    "I\t5\trs1\ta\tc,GG\t.\t.\t.\n\nI\t7\t.\tAC\t.\nII\t9\tx\tG\t<DEL>,*,G]II:4],T\n"
)
VARIANTS = [
    Variant(3, "I", 5, "rs1", "A", ("C", "GG")),
    Variant(5, "I", 7, ".", "AC", ()),
    Variant(6, "II", 9, "x", "G", ("<DEL>", "*", "G]II:4]", "T")),
]


def test_plain_gzip_and_bgzip_are_read_by_their_content(tmp_path: Path) -> None:
    (tmp_path / "a.vcf").write_text(TEXT)
    (tmp_path / "b.vcf").write_bytes(gzip.compress(TEXT.encode()))
    with bgzf.BgzfWriter(tmp_path / "c.vcf.gz") as stream:
        stream.write(TEXT.encode())
    (tmp_path / "d.vcf").write_bytes(TEXT.replace("\n", "\r\n").encode())
    for name in ("a.vcf", "b.vcf", "c.vcf.gz", "d.vcf"):
        assert list(read_vcf(tmp_path / name)) == VARIANTS


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "I 5 . A C",
            r"line 2: has 1 of the columns CHROM, POS, ID, REF, ALT that a VCF file begins with",
        ),
        ("I\t5.0\t.\tA\tC", r"line 2: POS must be a whole number from 0 on, got '5\.0'"),
        ("I\t5\t.\t-\tC", r"line 2: REF must be bases, got '-'"),
        ("I\t5\t.\tA\t-", r"line 2: ALT must be bases, .* got '-'"),
        ("I\t5\t.\t<DEL>\tC", r"line 2: REF must be bases, got '<DEL>'"),
        ("I\t5\t.\t.\tC", r"line 2: REF must be bases, got '\.': correct or remove the line"),
        ("I\t5\t.\tA\tQ", r"line 2: ALT must be bases, '\*', a symbol in angle brackets or a break end, got 'Q'"),
        ("I\t5\t.\tA\tC,", r"line 2: ALT must be bases, .* got ''"),
        (">chr1", r"line 2: has 1 of the columns"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "a.vcf").write_text(f"#CHROM\tPOS\tID\tREF\tALT\n{line}\n")
    with pytest.raises(UserError, match=message):
        list(read_vcf(tmp_path / "a.vcf"))


def test_files_that_are_no_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.vcf.gz").write_bytes(gzip.compress(TEXT.encode() * 50)[:-20])
    with pytest.raises(UserError, match=r"a\.vcf\.gz, line \d+: the gzip file is cut short or damaged here"):
        list(read_vcf(tmp_path / "a.vcf.gz"))
    (tmp_path / "a.bcf").write_bytes(gzip.compress(b"BCF\2\2\0"))
    with pytest.raises(UserError, match=r"a\.bcf: is a BCF file of variants.*convert it to VCF with 'bcftools view'"):
        list(read_vcf(tmp_path / "a.bcf"))
    with pytest.raises(UserError, match="no such file or folder"):
        list(read_vcf(tmp_path / "missing.vcf"))
