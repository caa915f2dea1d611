from collections import Counter
from pathlib import Path

import pytest

from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.bad_records import Refuse
from genomics.sequences.intervals import around_centre
from genomics.sequences.loading import load_splits, read_all
from genomics.sequences.options import Edges, LoadOptions
from genomics.sequences.reference import Reference
from genomics.sequences.sources import Reading, records_of
from genomics.sequences.values import Interval
from tests.genomics.sequences.making import truncate, write
from titans_seq.errors import UserError

CONTIGS = {"chr1": "AACCGGTTAACCGGTTACGT", "chr2": "TTTTTGGGGG", "chrM": "ACGTN"}
GENOME = "".join(f">{name} some words\n{sequence[:7]}\n{sequence[7:].lower()}\n" for name, sequence in CONTIGS.items())


@pytest.fixture(params=["", ".gz", ".bgz"], ids=["plain", "gzip", "bgzip"])
def genome(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return write(tmp_path / f"genome/g.fa{request.param}", GENOME)


def cut(path: Path, genome: Path, window: int | None = None, edges: Edges = "refuse") -> list[str]:
    with Reference(genome) as reference:
        reading = Reading(LoadOptions(window=window, edges=edges), reference, Refuse())
        return [record.sequence for record in records_of(path, reading)]


class TestReference:
    def test_pieces_on_both_strands(self, genome: Path) -> None:
        with Reference(genome) as reference:
            assert reference.names == tuple(CONTIGS)
            assert reference.contig("chr1") == CONTIGS["chr1"]
            assert reference.window("chr2", 3, 7) == "TTGG"
            assert reference.window("chr2", 3, 7, "-") == "CCAA"
            assert reference.window("chr1", 0, 20) == CONTIGS["chr1"]

    @pytest.mark.parametrize(("asked", "found"), [("1", "chr1"), ("chr2", "chr2"), ("MT", "chrM"), ("MtDNA", "chrM")])
    def test_chr_in_front_may_differ(self, genome: Path, asked: str, found: str) -> None:
        with Reference(genome) as reference:
            assert reference.find(asked) == found

    def test_a_missing_contig_shows_those_there_are(self, genome: Path) -> None:
        with Reference(genome) as reference, pytest.raises(UserError) as caught:
            reference.window("chr3", 0, 1)
        assert str(caught.value) == (
            f"contig 'chr3' is not in the reference {genome}, which has chr1, chr2, chrM: give the reference of the "
            "same assembly, with the same names (a 'chr' in front may differ)"
        )

    @pytest.mark.parametrize(("start", "end"), [(5, 11), (-1, 3), (4, 4)])
    def test_a_piece_beyond_its_end(self, genome: Path, start: int, end: int) -> None:
        with Reference(genome) as reference, pytest.raises(UserError, match="are not all on contig 'chr2'"):
            reference.window("chr2", start, end)

    @pytest.mark.parametrize("suffix", ["", ".gz", ".bgz"])
    def test_two_contigs_of_one_name(self, tmp_path: Path, suffix: str) -> None:
        with pytest.raises(UserError, match="two contigs are named 'a': rename or remove one"):
            Reference(write(tmp_path / f"a.fa{suffix}", ">a\nAC\n>b\nAC\n>a\nGG\n"))

    @pytest.mark.parametrize("suffix", ["", ".bgz"])
    @pytest.mark.parametrize("change", ["byte order mark", "old Mac", "Windows"])
    def test_texts_of_other_systems(self, tmp_path: Path, change: str, suffix: str) -> None:
        ends = {"byte order mark": "\n", "old Mac": "\r", "Windows": "\r\n"}[change]
        text = ("\ufeff" if change == "byte order mark" else "") + GENOME.replace("\n", ends)
        with Reference(write(tmp_path / f"a.fa{suffix}", text)) as reference:
            assert {name: reference.contig(name) for name in reference.names} == CONTIGS

    @pytest.mark.parametrize("suffix", ["", ".gz", ".bgz"])
    def test_gaps_would_move_what_is_behind_them(self, tmp_path: Path, suffix: str) -> None:
        path = write(tmp_path / f"a.fa{suffix}", ">one\nAC--GT\n")
        with pytest.raises(UserError, match="contig 'one': has a gap '-' at position 3"), Reference(path) as reference:
            reference.contig("one")

    def test_contigs_are_read_once_as_long_as_they_fit(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[str] = []
        usual = Reference._read
        monkeypatch.setattr(Reference, "_read", lambda self, name: read.append(name) or usual(self, name))
        path = write(tmp_path / "a.fa", GENOME)
        for room, expected in ((30, ["chr1", "chr2"]), (29, ["chr1", "chr2", "chr1", "chr2"])):
            monkeypatch.setattr("genomics.sequences.reference._HELD_BASES", room)
            read.clear()
            with Reference(path) as reference:
                for name in ("chr1", "chr2", "chr1", "chr2"):
                    assert reference.contig(name) == CONTIGS[name]
            assert read == expected

    def test_another_format(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="a reference must be a FASTA file, this one is fastq"):
            Reference(write(tmp_path / "a.fq", "@a\nAC\n+\nII\n"))

    def test_a_comment_first(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="line 1, before record 1: a FASTA file begins with '>'"):
            Reference(write(tmp_path / "a.fa", "# x\n>a\nAC\n"))

    @pytest.mark.parametrize("suffix", [".gz", ".bgz"])
    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
    def test_cut_short(self, tmp_path: Path, suffix: str, share: float) -> None:
        path = truncate(write(tmp_path / f"a.fa{suffix}", GENOME), share)
        with pytest.raises(UserError, match="the gzip file is cut short or damaged here"):
            Reference(path)

    def test_a_contig_that_is_no_dna(self, tmp_path: Path) -> None:
        with (
            Reference(write(tmp_path / "a.fa", ">a\nAC\n>b\nA!\n")) as reference,
            pytest.raises(UserError, match="a.fa, contig 'b': '!' at position 2"),
        ):
            reference.contig("b")


class TestIntervals:
    def test_bed(self, tmp_path: Path, genome: Path) -> None:
        bed = "track name=x\n# made by y\nchr2\t3\t7\tone\t0\t-\nchr1\t0\t4\n\nchr2\t0\t2\t.\t.\t.\n"
        assert cut(write(tmp_path / "a.bed.gz", bed), genome) == ["CCAA", "AACC", "TT"]

    def test_the_layout_of_genomic_benchmarks(self, tmp_path: Path, genome: Path) -> None:
        for name, row in (("positive", "1,chr2,3,7,-"), ("negative", "2,chr1,0,4,+")):
            for part in ("train", "test"):
                write(tmp_path / f"data/{part}/{name}.csv.gz", f"id,region,start,end,strand\n{row}\n")
        write(tmp_path / "data/metadata.yaml", "version: 0")
        splits = load_splits(tmp_path / "data", LoadOptions(reference=str(genome)))
        assert splits.train.classes == ("negative", "positive")
        assert splits.train.sequences == ("AACC", "CCAA")
        assert splits.test is not None
        assert splits.test.names == ("2", "1")

    def test_a_table_with_labels(self, tmp_path: Path, genome: Path) -> None:
        path = write(tmp_path / "a.tsv", "chrom\tstart\tend\tlabel\nchr2\t3\t7\tx\n1\t0\t4\ty\n")
        data = load_splits(path, LoadOptions(reference=str(genome))).train
        assert (data.sequences, data.classes, data.names) == (("TTGG", "AACC"), ("x", "y"), ("chr2:3-7", "1:0-4"))

    def test_windows_around_centres(self, tmp_path: Path, genome: Path) -> None:
        path = write(tmp_path / "a.bed", "chr1\t8\t12\nchr1\t0\t20\n")
        assert cut(path, genome, window=6) == [CONTIGS["chr1"][7:13]] * 2
        assert around_centre(Interval("a", "c", 10, 13, "+"), 3) == Interval("a", "c", 10, 13, "+")

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("chr9\t0\t4", ", record 1 (chr9:0-4): contig 'chr9' is not in the reference"),
            (
                "chr2\t8\t12",
                ", record 1 (chr2:8-12): the interval, bases 8 to 12, leaves contig 'chr2', which has 10: move it",
            ),
            ("chr2\t50\t60", ", record 1 (chr2:50-60): bases 50 to 60 are not all on contig 'chr2' of the reference"),
            ("chr2\t8", ", record 1: expected contig, start and end with tabs between, got 'chr2\\t8'"),
            ("chr2\t8\t8", ", record 1: start '8' and end '8': expected whole numbers from 0, the start smaller"),
            ("chr2\t-1\t8", ", record 1: start '-1' and end '8'"),
            ("chr2\t1\t8\tx\t0\t?", ", record 1: strand '?': expected '+', '-', '.', '*' or nothing"),
            ("chr2\t1\t8\tchr2\t2\t9\tx", ", record 1: looks like a pair of places (BEDPE)"),
        ],
    )
    def test_faults_are_named_by_record(self, tmp_path: Path, genome: Path, line: str, message: str) -> None:
        path = write(tmp_path / "a.bed", line + "\n")
        with pytest.raises(UserError) as caught:
            cut(path, genome)
        assert str(caught.value).removeprefix(str(path)).startswith(message)

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.narrowPeak", "chr2\t3\t7\tp\t0\t-\t6.1\t22.8\t20\t2\n"),
            ("a.broadPeak", "chr2\t3\t7\tp\t0\t-\t6.1\t22.8\t20\n"),
            ("a.bedGraph.gz", "chr2\t3\t7\t0.5\n"),
            ("a.gff3", "##gff-version 3\nchr2\tx\tgene\t4\t7\t.\t-\t.\tID=g\n##FASTA\n>chr2\nACGT\n"),
            ("a.gtf", 'chr2\tx\texon\t4\t7\t.\t-\t.\tgene_id "g"; exon "1"\n'),
            ("a.tsv", "seqnames\tstart\tend\twidth\tstrand\nchr2\t4\t7\t4\t-\n"),
            ("a.saf", "GeneID\tChr\tStart\tEnd\tStrand\ng\tchr2\t4\t7\t-\n"),
            ("homer.txt", "#PeakID\tchr\tstart\tend\tstrand\np\tchr2\t4\t7\t-\n"),
            ("annotated.txt", "PeakID (cmd=annotatePeaks.pl a hg38)\tChr\tStart\tEnd\tStrand\np\tchr2\t4\t7\t-\n"),
            ("a.txt", "chr2\t3\t7\tp\t0\t-\n"),
            ("a.bed", "chrom\tstart\tend\nchr2\t3\t7\tp\t0\t*\n"),
        ],
    )
    def test_every_file_of_intervals(self, tmp_path: Path, genome: Path, name: str, text: str) -> None:
        expected = "TTGG" if name in ("a.bedGraph.gz", "a.bed") else "CCAA"
        assert cut(write(tmp_path / name, text), genome) == [expected]

    def test_escapes_in_names_are_those_of_gff3(self, tmp_path: Path, genome: Path) -> None:
        row = "chr2\tx\tgene\t4\t7\t.\t-\t.\t"
        for name, attributes, expected in (("a.gff3", "ID=g%201%3B", "g 1;"), ("a.gtf", 'gene_id "g%201";', "g%201")):
            file = write(tmp_path / name, f"{row}{attributes}\n")
            assert [record.name for record in read_all([file], LoadOptions(reference=str(genome)))] == [expected]

    @pytest.mark.parametrize(
        ("head", "strand", "found"),
        [
            ("PeakID\tchr", "1", "CCAA"),
            ("PeakID\tchr", "0", "TTGG"),
            ("#PeakID\tchr", "1", "CCAA"),
            ("# by me\n#PeakID\tchr", "0", "TTGG"),
            ("PeakID (cmd=annotatePeaks.pl a hg38)\tChr", "1", "CCAA"),
            ("PeakID\tchr", "+", "TTGG"),
            ("Geneid\tchr", "1", "TTGG"),
            ("GeneID\tchr", "-1", "CCAA"),
        ],
    )
    def test_homer_writes_1_for_the_other_strand(
        self, tmp_path: Path, genome: Path, head: str, strand: str, found: str
    ) -> None:
        path = write(tmp_path / "a.tsv", f"{head}\tstart\tend\tstrand\np\tchr2\t4\t7\t{strand}\n")
        (record,) = read_all([path], LoadOptions(reference=str(genome)))
        assert (record.name, record.sequence) == ("p", found)

    @pytest.mark.parametrize(
        ("text", "name"),
        [
            ("seqname,source,feature,start,end,score,strand,frame,gene_id\nchr2,h,exon,4,7,,-,0,g\n", "g"),
            ("seqname,source,feature,start,end,score,strand,frame,attribute\nchr2,h,exon,4,7,,-,0,x\n", "chr2:3-7"),
            ("seqid\tsource\ttype\tstart\tend\tstrand\tphase\nchr2\th\tgene\t4\t7\t-\t.\n", "chr2:3-7"),
            ("seq_id,source,type,start,end,strand,attributes,ID\nchr2,h,gene,4.0,7.0,-,ID=g,g\n", "g"),
            ("seqid,type,start,end,strand,attributes\nchr2,gene,4,7,-,ID=g\n", "chr2:3-7"),
            ("seqname,feature,start,end,strand,transcript_id,gene_id\nchr2,gene,4,7,-,,g\n", "g"),
            ("seqname,feature,start,end,strand,transcript_id\nchr2,exon,4,7,-,t\n", "t"),
        ],
    )
    def test_a_table_with_the_columns_of_gff_counts_from_one(
        self, tmp_path: Path, genome: Path, text: str, name: str
    ) -> None:
        notes: Counter[str] = Counter()
        (record,) = read_all([write(tmp_path / "a.tsv", text)], LoadOptions(reference=str(genome)), notes=notes)
        assert (record.sequence, record.name) == ("CCAA", name)
        assert [note.startswith("coordinates taken to count from 1") for note in notes] == [True]

    def test_a_seqname_alone_is_no_gff(self, tmp_path: Path, genome: Path) -> None:
        assert cut(write(tmp_path / "a.csv", "seqname,start,end,strand\nchr2,3,7,-\n"), genome) == ["CCAA"]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("a.bed", "#chrom\tstart\tend\tstrand\nchr2\t3\t7\t-\n"),
            ("a.bed.gz", "# by me\n#chr\tchromStart\tchromEnd\tstrand\tname\nchr2\t3\t7\t-\tp\n"),
            ("a.bed", "#chrom start end strand\nchr2 3 7 -\n"),
            ("a.bed", "chrom\tstart\tend\tstrand\nchr2\t3\t7\t-\n"),
            ("a.txt", "#chrom\tstart\tend\tname\tstrand\nchr2\t3\t7\tp\t-\n"),
            ("a.bed", "#bin\tchrom\tchromStart\tchromEnd\tname\tscore\tstrand\n5\tchr2\t3\t7\tp\t0\t-\n"),
            ("a.bed", "#chrom\tend\tstart\tname\tscore\tstrand\nchr2\t7\t3\tp\t0\t-\n"),
            ("a.bed", "seqnames\tstart\tend\twidth\tstrand\nchr2\t4\t7\t4\t-\n"),
            ("a.bed", "#chrom\tstart\tend\tpeak\tsignal\tstrand\nchr2\t3\t7\tp\t1\t-\n"),
            ("a.bed", "# of chrom 2, start and end from strand minus\nchr2\t3\t7\tp\t1\t-\n"),
        ],
    )
    def test_a_header_above_bed_tells_the_order_of_columns(
        self, tmp_path: Path, genome: Path, name: str, text: str
    ) -> None:
        assert cut(write(tmp_path / name, text), genome) == ["CCAA"]

    @pytest.mark.parametrize("text", ["#chrom\tstart\tend\tstrand\n# by me\n", "track\n#chrom\tstart\tend\tstrand\n"])
    def test_such_a_header_stands_right_above(self, tmp_path: Path, genome: Path, text: str) -> None:
        with pytest.raises(UserError, match="a.bed: its header '#chrom.* names columns in another order than BED's"):
            cut(write(tmp_path / "a.bed", f"{text}chr2\t3\t7\t-\n"), genome)

    def test_0_is_a_strand_of_homer_alone(self, tmp_path: Path, genome: Path) -> None:
        for name, text in (("a.csv", "name,chr,start,end,strand\n"), ("b.csv", "Geneid,chr,start,end,strand\n")):
            with pytest.raises(UserError, match="row 1: strand '0': expected"):
                cut(write(tmp_path / name, f"{text}p,chr2,4,7,0\n"), genome)

    def test_the_summit_of_a_peak_centres_its_window(self, tmp_path: Path, genome: Path) -> None:
        path = write(
            tmp_path / "a.bed.gz", "chr1\t4\t16\tp\t0\t.\t6.1\t22.8\t20\t1\nchr1\t4\t16\tp\t0\t.\t6\t2\t2\t-1\n"
        )
        assert cut(path, genome, window=4) == [CONTIGS["chr1"][3:7], CONTIGS["chr1"][8:12]]
        path = write(tmp_path / "a.narrowPeak", "chr1\t4\t16\tp\t0\t.\t6.1\t22.8\t20\t12\n")
        with pytest.raises(UserError, match="summit '12' in column 10: expected bases from the start on"):
            cut(path, genome, window=4)

    @pytest.mark.parametrize(
        ("cells", "start", "note"),
        [
            ("p 0 + chr1 5 9 0", 8, "has columns behind the sixth"),  # bedtools closest -d
            ("p 0 + . -1 -1 -1", 8, "has columns behind the sixth"),
            ("p 0 + 7 6 12 0.5000000", 8, "has columns behind the sixth"),  # bedtools coverage
            ("p 0 + 7 6 12 12", 8, "has columns behind the sixth"),
            ("p 0 + 4 16 0 1", 8, "has columns behind the sixth"),  # the first ten columns of BED12
            ("p 0 + chr1 5 9 q 0 + 2", 8, "has columns behind the sixth"),
            ("p 0 + 6.1 -1 2e-3 1", 3, "has the columns of a narrowPeak file"),
            ("1000 50.5 chr1:10-15", 8, "has something else than a strand in column 6"),  # SEACR
            ("p 0 BRCA1", 8, "has something else than a strand in column 6"),
        ],
    )
    def test_columns_of_other_tools_are_neither_summit_nor_strand(
        self, tmp_path: Path, genome: Path, cells: str, start: int, note: str
    ) -> None:
        path = write(tmp_path / "a.bed", "\t".join(["chr1", "4", "16", *cells.split()]) + "\n")
        notes: Counter[str] = Counter()
        (record,) = read_all([path], LoadOptions(reference=str(genome), window=4), notes=notes)
        assert record.sequence == CONTIGS["chr1"][start : start + 4]
        assert [(text.startswith(note), count) for text, count in notes.items()] == [(True, 1)]

    @pytest.mark.parametrize(
        ("name", "cells", "message"),
        [
            ("a.narrowPeak", "p 0 + 7 6 12 0.5", "summit '0.5' in column 10"),
            ("a.narrowPeak.gz", "p 0 + chr1 5 9 12 x", "summit '12' in column 10"),
            ("a.narrowPeak", "p 0 BRCA1 7 6 12 1", "strand 'BRCA1': expected"),
            ("a.bed", "p 0 minus", "strand 'minus': expected"),
            ("a.bed", "p 0 ? 6.1 -1 2 1", "strand '\\?': expected"),
            ("a.bed", "p 0 -1.0", "strand '-1.0': expected"),
        ],
    )
    def test_broken_summits_and_strands_are_refused(
        self, tmp_path: Path, genome: Path, name: str, cells: str, message: str
    ) -> None:
        path = write(tmp_path / name, "\t".join(["chr1", "4", "16", *cells.split()]) + "\n")
        with pytest.raises(UserError, match=f"record 1: {message}"):
            cut(path, genome, window=4)

    @pytest.mark.parametrize(
        ("line", "edges", "found"),
        [
            ("chr2\t0\t4", "shift", "TTTTTG"),
            ("chr2\t8\t10", "shift", "TGGGGG"),
            ("chr2\t0\t4\tx\t0\t-", "shift", "CAAAAA"),
            ("chr2\t0\t4", "fill", "NTTTTT"),
            ("chr2\t8\t10\tx\t0\t-", "fill", "NNCCCC"),
        ],
    )
    def test_a_window_that_leaves_its_contig(
        self, tmp_path: Path, genome: Path, line: str, edges: Edges, found: str
    ) -> None:
        path = write(tmp_path / "a.bed", line + "\n")
        assert cut(path, genome, 6, edges) == [found]
        with pytest.raises(UserError, match="the window of 6 bases around it, bases .* leaves contig 'chr2'"):
            cut(path, genome, 6)

    def test_no_window_is_moved_onto_a_contig_that_is_too_short_or_from_far_off(
        self, tmp_path: Path, genome: Path
    ) -> None:
        path = write(tmp_path / "a.bed", "chr2\t0\t4\n")
        with pytest.raises(UserError, match=r"which has 10: fill it with N \(--edges fill\)"):
            cut(path, genome, 30, "shift")
        assert cut(path, genome, 14, "fill") == ["NNNNNTTTTTGGGG"]
        with pytest.raises(UserError, match=r"99,999,990 bases of it lie beyond contig 'chr2', which has 10, and at"):
            cut(path, genome, 100_000_000, "fill")
        with pytest.raises(UserError, match="are not all on contig 'chr2' of the reference"):
            cut(write(tmp_path / "b.bed", "chr2\t90\t94\n"), genome, 6, "shift")

    def test_a_class_in_column_4(self, tmp_path: Path, genome: Path) -> None:
        path = write(tmp_path / "a.bed", "".join(f"chr1\t{n}\t{n + 9}\t{'pn'[n % 2]}\n" for n in range(6)))
        notes: Counter[str] = Counter()
        data = load_splits(path, LoadOptions(reference=str(genome)), notes=notes).train
        assert (data.classes, data.labels.tolist()) == (("n", "p"), [1, 0, 1, 0, 1, 0])
        assert notes == {"has its class in column 4": 1}
        path = write(tmp_path / "a.bed", "".join(f"chr1\t{n}\t{n + 9}\tpeak{n}\t{n}\n" for n in range(6)))
        with pytest.raises(UserError, match=r"holds no labels \(6 different names in column 4 of 6 intervals\)"):
            load_splits(path, LoadOptions(reference=str(genome)))
        values = LoadOptions(reference=str(genome), labels=("score",), kind="regression")
        assert load_splits(path, values).train.labels.tolist() == [0, 1, 2, 3, 4, 5]

    def test_a_record_knows_where_it_was_cut(self, tmp_path: Path, genome: Path) -> None:
        path = write(tmp_path / "a.bed", "chr2\t3\t7\tone\t0\t-\n")
        (record,) = read_all([path], LoadOptions(reference=str(genome), window=2))
        assert record.interval == Interval("one", "chr2", 3, 7, "-")
        assert record.place == Interval("one", "chr2", 4, 6, "-")

    @pytest.mark.parametrize(("edges", "start"), [("shift", 0), ("fill", -1)])
    def test_the_place_of_a_window_that_left_its_contig(
        self, tmp_path: Path, genome: Path, edges: Edges, start: int
    ) -> None:
        path = write(tmp_path / "a.bed", "chr2\t0\t4\tone\n")
        (record,) = read_all([path], LoadOptions(reference=str(genome), window=6, edges=edges))
        assert record.place == Interval("one", "chr2", start, start + 6, ".")

    def test_intervals_need_a_reference(self, tmp_path: Path) -> None:
        write(tmp_path / "a.bed", "chr1\t0\t4\n")
        write(tmp_path / "b.bed", "chr1\t0\t4\n")
        with pytest.raises(UserError, match="a.bed: holds intervals, not sequences: give the FASTA file"):
            load_splits(tmp_path)

    def test_intervals_that_are_not_on_the_reference_can_be_left_out(self, tmp_path: Path, genome: Path) -> None:
        write(tmp_path / "data/a.bed", "chr9\t0\t4\nchr1\t0\t4\n")
        write(tmp_path / "data/b.bed", "chr2\t0\t4\nchr2\t0\t40\n")
        left_out: list[str] = []
        options = LoadOptions(reference=str(genome), skip_bad=True)
        assert load_splits(tmp_path / "data", options, left_out).train.sequences == ("AACC", "TTTT")
        assert ["a.bed, record 1" in left_out[0], "b.bed, record 2" in left_out[1]] == [True, True]


class TestRealData:
    def test_worm_intervals_on_the_first_part_of_the_genome(self, dna: Path) -> None:
        folder = dna / "genomic_benchmarks_intervals/demo_human_or_worm"
        left_out: list[str] = []
        with Reference(dna / "genomes/celegans_1pct.fa.gz") as reference:
            reading = Reading(LoadOptions(), reference, Refuse(True, left_out))
            records = list(records_of(folder / "test/worm.csv.gz", reading))
        assert {len(record.sequence) for record in records} == {200}
        assert len(records) + len(left_out) == 12_500
        assert len(records) == 98

    def test_fly_intervals_name_contigs_with_chr(self, dna: Path) -> None:
        options = LoadOptions(reference=str(dna / "genomes/dmelanogaster_1pct.fa.gz"), skip_bad=True)
        splits = load_splits(dna / "genomic_benchmarks_intervals/drosophila_enhancers_stark", options)
        assert splits.test is not None
        assert len(splits.train) + len(splits.test) == 5 + 44

    def test_the_other_strand_of_a_genome(self, dna: Path) -> None:
        with Reference(dna / "genomes/lambda_NC_001416.fa") as reference:
            (name,) = reference.names
            assert reverse_complement(reference.window(name, 100, 200, "-")) == reference.window(name, 100, 200)
