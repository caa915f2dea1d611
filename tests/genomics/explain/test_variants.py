import csv
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genomics.explain import Variant, VariantOptions, VariantReport, read_vcf, score_variants
from genomics.explain.alleles import cut_pair
from genomics.explain.variant_files import NUMBERS, SPREAD, AlleleScore, open_writer
from genomics.sequences.reference import Reference
from tests.genomics.explain.models import ByHand, by_hand
from titans_seq.errors import UserError

CONTIG = "".join(np.random.default_rng(0).choice(list("ACGT"), 60))
OTHER = "ACGT".replace(CONTIG[19], "")[0]
WINDOW = 20


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    path = tmp_path / "ref.fa"
    path.write_text(f">chr1 first\n{CONTIG[:30].lower()}\n{CONTIG[30:]}\n>chr2\nACGRN\n")
    return path


def calls(folder: Path, *rows: tuple[str, int, str, str]) -> Path:
    path = folder / "calls.vcf"
    lines = [f"{contig}\t{position}\tv{i}\t{ref}\t{alt}\n" for i, (contig, position, ref, alt) in enumerate(rows)]
    path.write_text("#CHROM\tPOS\tID\tREF\tALT\n" + "".join(lines))
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open() as stream:
        return list(csv.DictReader(stream))


def score(path: Path, reference: Path, out: Path, model: ByHand | None = None, **options: Any) -> VariantReport:
    with Reference(reference) as opened:
        return score_variants(model or ByHand(), path, opened, out, VariantOptions(WINDOW, **options))


def replaced(position: int, ref: str, alt: str) -> str:
    assert CONTIG[position - 1 :].startswith(ref)
    return CONTIG[: position - 1] + alt + CONTIG[position - 1 + len(ref) :]


@pytest.mark.parametrize("position", [1, 2, 8, 30, 55, 59])
@pytest.mark.parametrize("change", ["substitution", "insertion", "deletion"])
def test_both_windows_hold_their_allele_and_are_of_one_length(reference: Path, position: int, change: str) -> None:
    ref = CONTIG[position - 1 : position + (1 if change == "deletion" else 0)]
    alt = {"substitution": "ACGT".replace(ref[0], "")[0], "insertion": ref + "GGCGG", "deletion": ref[0]}[change]
    with Reference(reference) as opened:
        pair = cut_pair(Variant(1, "chr1", position, ".", ref, (alt,)), alt, opened, WINDOW)
    assert len(pair.reference) == len(pair.alternative) == WINDOW
    assert pair.reference in CONTIG
    assert pair.alternative in replaced(position, ref, alt)
    start = CONTIG.index(pair.reference)
    assert start <= position - 1
    assert position - 1 + len(ref) <= start + WINDOW
    assert alt in pair.alternative
    if 15 < position < 45 and change == "substitution":
        assert position - 1 - start == (WINDOW - 1) // 2
        assert sum(a != b for a, b in zip(*pair, strict=True)) == 1


def test_a_contig_shorter_than_the_window_is_read_whole(reference: Path) -> None:
    with Reference(reference) as opened:
        pair = cut_pair(Variant(1, "chr2", 2, ".", "C", ("CTT",)), "CTT", opened, WINDOW)
    assert pair == ("ACGRN", "ACTTGRN")


def test_what_is_longer_than_the_window_only_as_it_is_written_is_scored(reference: Path, tmp_path: Path) -> None:
    context, mark = CONTIG[9:45], "ACGT".replace(CONTIG[19], "")[0]
    path = calls(
        tmp_path,
        ("chr1", 20, CONTIG[19], mark),
        ("chr1", 10, context, context[:10] + mark + context[11:]),
        ("chr1", 10, context, context[:10] + context[13:]),
        ("chr1", 10, context, context),
        ("chr1", 10, context, "A" * 36),
    )
    score(path, reference, tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert [row["note"] for row in rows] == ["", "", "", *["longer than the window"] * 2]
    assert rows[0]["log_odds_change_yes"] == rows[1]["log_odds_change_yes"] != rows[2]["log_odds_change_yes"]
    assert rows[1]["normalised"] == f"chr1:20:{CONTIG[19]}>{mark}"
    with pytest.raises(UserError, match=r"line 3: .* is not in its normal form chr1:20"):
        score(path, reference, tmp_path / "out.csv", normalise=False)


def test_every_allele_has_a_row_with_the_difference(reference: Path, tmp_path: Path) -> None:
    base, two = CONTIG[19], CONTIG[29:31]
    others = "ACGT".replace(base, "")
    rows = [
        ("chr1", 20, base.lower(), f"{others[0]},{others[1]}"),
        ("chr1", 30, two, two[0]),
        ("chr1", 40, CONTIG[39], f"{CONTIG[39]}ACG,<DEL>"),
        ("chr1", 41, CONTIG[40], "."),
        ("chr1", 42, CONTIG[41], "A" * 21),
        ("1", 60, CONTIG[59], "ACGT".replace(CONTIG[59], "")[2]),
        ("chr2", 4, "A", "T"),
    ]
    path = calls(tmp_path, *rows)
    report = score(path, reference, tmp_path / "out.csv")
    written = read(tmp_path / "out.csv")
    assert list(written[0]) == [
        *("line", "contig", "position", "id", "ref", "alt", "normalised", "note"),
        *("log_odds_change_yes", "log_odds_alternative_yes", "log_odds_reference_yes"),
    ]
    assert [row["line"] for row in written] == ["2", "2", "3", "4", "4", "5", "6", "7", "8"]
    notes = ["", "", "", "", "symbolic allele", "no alternative", "longer than the window", "", ""]
    assert [row["note"] for row in written] == notes
    assert [row["log_odds_change_yes"] == "" for row in written] == [note != "" for note in notes]
    assert (report.variants, report.scored, sum(report.skipped.values())) == (7, 6, 3)
    assert report.lines["symbolic allele"] == [4]
    with Reference(reference) as opened:
        for variant in read_vcf(path):
            for row in (row for row in written if row["line"] == str(variant.line) and not row["note"]):
                pair = cut_pair(variant, row["alt"], opened, WINDOW)
                assert float(row["log_odds_change_yes"]) == pytest.approx(
                    by_hand(pair.alternative) - by_hand(pair.reference), rel=1e-4, abs=1e-4
                )
                assert float(row["log_odds_reference_yes"]) == pytest.approx(by_hand(pair.reference), rel=1e-4)
                assert float(row["log_odds_alternative_yes"]) == pytest.approx(by_hand(pair.alternative), rel=1e-4)


def test_alternatives_of_a_line_share_their_reference(reference: Path, tmp_path: Path) -> None:
    model, base = ByHand(), CONTIG[19]
    others = "ACGT".replace(base, "")
    score(calls(tmp_path, ("chr1", 20, base, ",".join(others))), reference, tmp_path / "out.csv", model)
    assert [len(call) for call in model.calls] == [4]


def test_portions_change_no_number(reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("chr1", place + 1, CONTIG[place], "ACGT".replace(CONTIG[place], "")[0]) for place in range(60)]
    path = calls(tmp_path, *rows)
    score(path, reference, tmp_path / "whole.csv")
    monkeypatch.setattr("genomics.explain.variants._MOST_ROWS", 7)
    report = score(path, reference, tmp_path / "parts.csv")
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert report.text() == "60 variants read, 60 alternative alleles scored"


def test_targets_are_all_or_those_named(reference: Path, tmp_path: Path) -> None:
    path = calls(tmp_path, ("chr1", 20, CONTIG[19], "ACGT".replace(CONTIG[19], "")[0]))
    labels = ByHand("multilabel", ("a", "b", "c"))
    score(path, reference, tmp_path / "all.csv", labels)
    score(path, reference, tmp_path / "one.csv", labels, targets=("c",))
    score(path, reference, tmp_path / "value.csv", ByHand("regression", ()))
    whole, one, value = (read(tmp_path / name)[0] for name in ("all.csv", "one.csv", "value.csv"))
    assert [name[-1] for name in whole if name.startswith("log_odds_change")] == ["a", "b", "c"]
    assert one["log_odds_change_c"] == whole["log_odds_change_c"]
    assert "log_odds_change_a" not in one
    assert value["value_change"] == whole["log_odds_change_b"]
    with pytest.raises(UserError, match="the model has no class or label 'd'"):
        score(path, reference, tmp_path / "d.csv", labels, targets=("d",))


@pytest.mark.parametrize("ref", ["N", "R", "S"])
@pytest.mark.parametrize("place", [("chr1", 10), ("chr2", 4), ("chr2", 5)])
def test_an_ambiguous_ref_agrees_with_what_it_may_stand_for(
    reference: Path, tmp_path: Path, ref: str, place: tuple[str, int]
) -> None:
    there = (CONTIG + "ACGRN")[place[1] - 1] if place[0] == "chr1" else "ACGRN"[place[1] - 1]
    possible = {"N": "ACGTRN", "R": "AGRN", "S": "CGRN"}[ref]
    path, out = calls(tmp_path, (*place, ref, "<DEL>")), tmp_path / "out.csv"
    if there in possible:
        assert score(path, reference, out).skipped == {"symbolic allele": 1}
    else:
        with pytest.raises(UserError, match=f"REF is {ref}, the reference has {there}"):
            score(path, reference, out)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("chr1", 20, "ACGT".replace(CONTIG[19], "")[0], "N"), rf"line 3: REF is ., the reference has {CONTIG[19]} at"),
        (("chr9", 1, "A", "C"), r"line 3: the reference has no contig 'chr9', only chr1, chr2"),
        (("chr1", 61, "A", "C"), r"line 3: position 61 lies behind the end of chr1 \(60 bases\)"),
        (("chr1", 60, "AC", "C"), r"line 3: REF ends at position 61, behind the end of chr1 \(60 bases\)"),
        (("chr2", 4, "C", "T"), r"line 3: REF is C, the reference has R at chr2:4"),
    ],
)
def test_variants_of_another_assembly_are_named_by_line(
    reference: Path, tmp_path: Path, row: tuple[str, int, str, str], message: str
) -> None:
    good = ("chr1", 10, CONTIG[9], "ACGT".replace(CONTIG[9], "")[0])
    path, out, model = calls(tmp_path, good, row), tmp_path / "out.csv", ByHand()
    with pytest.raises(UserError, match=message) as caught:
        score(path, reference, out, model)
    assert "(1 of 2 variants do not fit" in str(caught.value)
    assert "or leave such variants out with --skip-bad" in str(caught.value)
    assert not out.exists()
    assert model.calls == []
    report = score(path, reference, out, skip_bad=True)
    assert report.skipped == {"REF or contig not in the reference": 1}
    assert read(out)[1]["note"].startswith("REF or contig not in the reference: ")
    with pytest.raises(UserError, match=r"\(1 of 1 variants do not fit .*\): give the assembly that the calls were"):
        score(calls(tmp_path, row), reference, out, skip_bad=True)


def test_a_file_without_variants_is_refused(reference: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"calls\.vcf: holds no variant: expected lines with CHROM, POS"):
        score(calls(tmp_path), reference, tmp_path / "out.csv")
    with pytest.raises(UserError, match="the window around a variant must be at least 1 base, got 0"):
        VariantOptions(window=0)


def test_a_failure_leaves_no_half_written_file(reference: Path, tmp_path: Path) -> None:
    class Broken(ByHand):
        def logits(self, sequences: list[str]) -> np.ndarray:
            return np.full((len(sequences), 2), np.nan)

    path = calls(tmp_path, ("chr1", 20, CONTIG[19], OTHER))
    with pytest.raises(ValueError, match="the model gave an output that is not finite"):
        score(path, reference, tmp_path / "out.csv", Broken())
    assert sorted(found.name for found in tmp_path.iterdir()) == ["calls.vcf", "ref.fa"]


@pytest.mark.slow
def test_the_calls_of_the_worm_fit_its_genome_but_for_ten(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "dna" / "genomes"
    path, genome = folder / "celegans_1pct.vcf.gz", folder / "celegans_1pct.fa.gz"
    if not path.exists():
        pytest.skip(f"needs {path}, which this machine does not have")
    with pytest.raises(UserError, match=r"vcf\.gz, line 1397: REF is C, the reference has G at I:147,301 \(10 of"):
        score(path, genome, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    report = score(path, genome, tmp_path / "out.csv", skip_bad=True)
    assert (report.variants, report.scored, report.skipped) == (
        8713,
        8703,
        {"REF or contig not in the reference": 10},
    )
    rows = read(tmp_path / "out.csv")
    assert len(rows) == 8713
    with gzip.open(path, "rt") as stream:
        assert [row["position"] for row in rows] == [line.split("\t")[1] for line in stream]
    with pytest.raises(UserError, match=r"the reference has no contig 'I', only gi\S*NC_001416\S* \(8,713 of 8,713"):
        score(path, folder / "lambda_NC_001416.fa", tmp_path / "other.csv")


def test_one_change_has_one_score_however_it_is_written(tmp_path: Path) -> None:
    contig = CONTIG[:30] + "GTTTTTTTC" + CONTIG[30:]
    (tmp_path / "ref.fa").write_text(f">chr1\n{contig}\n")
    changes = {"chr1:31:G>GTT": [(31, "G", "GTT"), (35, "T", "TTT"), (37, "TT", "TTTT")]}
    changes["chr1:31:GTT>G"] = [(31, "GTT", "G"), (36, "TTT", "T")]
    changes["chr1:33:T>A"] = [(33, "T", "A"), (32, "TTT", "TAT")]
    for normal, written in changes.items():
        path = calls(tmp_path, *(("chr1", *row) for row in written))
        report = score(path, tmp_path / "ref.fa", tmp_path / "out.csv")
        rows = read(tmp_path / "out.csv")
        assert len({row["log_odds_change_yes"] for row in rows}) == 1
        assert [row["normalised"] for row in rows] == ["", *[normal] * (len(written) - 1)]
        assert f"{len(written) - 1} scored left-aligned" in report.text()
        with pytest.raises(UserError, match=f"is not in its normal form {normal}"):
            score(path, tmp_path / "ref.fa", tmp_path / "out.csv", normalise=False)
        report = score(path, tmp_path / "ref.fa", tmp_path / "out.csv", normalise=False, skip_bad=True)
        assert report.skipped == {"not in its normal form": len(written) - 1}


def test_lines_that_are_no_variants_are_counted_and_left_out(reference: Path, tmp_path: Path) -> None:
    path = calls(tmp_path, ("chr1", 20, CONTIG[19], OTHER), ("chr1", 21, "<DEL>", "C"), ("chr1", 22, CONTIG[21], "C,."))
    with pytest.raises(UserError, match=r"line 3: REF must be bases, .* \(2 such lines\), or leave such lines out"):
        score(path, reference, tmp_path / "out.csv")
    report = score(path, reference, tmp_path / "out.csv", skip_bad=True)
    assert (report.variants, report.scored, len(report.left_out)) == (1, 1, 2)


def test_what_is_not_certain_is_not_scored_as_if_it_were(reference: Path, tmp_path: Path) -> None:
    """An alternative of N is no allele; a REF of N is what the reference has."""
    path = calls(tmp_path, ("chr1", 20, "N", OTHER), ("chr1", 20, CONTIG[19], OTHER), ("chr1", 20, CONTIG[19], "R"))
    report = score(path, reference, tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert report.skipped == {"ambiguous base in the alternative": 1}
    assert rows[0]["log_odds_change_yes"] == rows[1]["log_odds_change_yes"] != ""
    assert [row["normalised"] for row in rows] == [f"chr1:20:{CONTIG[19]}>{OTHER}", "", ""]


def test_telomeres_have_a_note(reference: Path, tmp_path: Path) -> None:
    path = calls(
        tmp_path, ("chr1", 0, "N", "]chr2:5]N"), ("chr1", 61, "N", "N[chr2:5["), ("chr1", 20, CONTIG[19], OTHER)
    )
    report = score(path, reference, tmp_path / "out.csv")
    assert report.skipped == {"telomere": 1, "symbolic allele": 1}
    assert report.scored == 1


def test_scores_go_into_the_calls(reference: Path, tmp_path: Path) -> None:
    head = "##fileformat=VCFv4.3\n##contig=<ID=chr1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS\n"
    (tmp_path / "a.vcf").write_text(
        head
        + f"chr1\t20\tx\t{CONTIG[19]}\t{OTHER},<DEL>\t5\tPASS\tDP=3\tGT\t0/1\n"
        + f"chr1\t30\t.\t{CONTIG[29]}\t<DEL>\t.\t.\t.\tGT\t0/0\n"
    )
    score(tmp_path / "a.vcf", reference, tmp_path / "out.vcf")
    score(tmp_path / "a.vcf", reference, tmp_path / "out.csv")
    lines = (tmp_path / "out.vcf").read_text().splitlines()
    assert lines[:2] == head.splitlines()[:2]
    assert [line.split(",")[0] for line in lines[2:5]] == [
        f"##INFO=<ID=TITANS_log_odds_{what}_yes" for what in ("change", "alternative", "reference")
    ]
    scored, skipped = (line.split("\t") for line in lines[6:])
    change = read(tmp_path / "out.csv")[0]["log_odds_change_yes"]
    assert scored[7].startswith(f"DP=3;TITANS_log_odds_change_yes={change},.;TITANS_log_odds_alternative_yes=")
    assert scored[8:] == ["GT", "0/1"]
    assert skipped[7] == "."
    score(tmp_path / "out.vcf", reference, tmp_path / "again.vcf")  # what was scored before is replaced
    assert (tmp_path / "again.vcf").read_text() == (tmp_path / "out.vcf").read_text()
    stale = "\n".join(lines).replace(f"{OTHER},<DEL>", "<DUP>,<DEL>").replace("DP=3;", "")
    (tmp_path / "stale.vcf").write_text(stale.replace("_change_yes=", "_change_spread_yes=1,1;TITANS_x=") + "\n")
    score(tmp_path / "stale.vcf", reference, tmp_path / "none.vcf")  # what has a score no more keeps none
    first, second = (line.split("\t")[7] for line in (tmp_path / "none.vcf").read_text().splitlines()[-2:])
    assert (first, second) == (f"TITANS_x={change},.", ".")
    path = calls(tmp_path, ("chr1", 20, CONTIG[19], OTHER))
    score(path, reference, tmp_path / "short.vcf")
    assert (tmp_path / "short.vcf").read_text().splitlines()[-1].split("\t")[5:7] == [".", "."]
    with pytest.raises(UserError, match=r"expected the name of a file that ends in \.csv or \.vcf"):
        score(path, reference, tmp_path / "out.bcf")


def test_each_number_of_labels_that_differ_in_signs_has_a_field_of_its_own(reference: Path, tmp_path: Path) -> None:
    path = calls(tmp_path, ("chr1", 20, CONTIG[19], OTHER))
    labels = ("T cell+", "T cell-", "spread_T cell+")
    variant = next(read_vcf(path))
    for targets in (labels, labels[1:]):
        with open_writer(tmp_path / "out.vcf", path, "multilabel", targets, (*NUMBERS, SPREAD), labels) as write:
            write(AlleleScore(variant, OTHER, np.arange(4.0 * len(targets)).reshape(-1, 4)))
        lines = (tmp_path / "out.vcf").read_text().splitlines()
        names = [field.split("=")[0] for field in lines[-1].split("\t")[7].split(";")]
        assert len({*names}) == len(names) == 4 * len(targets)
        assert [line.split(",")[0] for line in lines if line.startswith("##INFO")] == [
            f"##INFO=<ID={name}" for name in names
        ]
        assert names[4 * (len(targets) - 2)] == "TITANS_log_odds_change_T_cell__2"


def test_a_header_without_its_sign_and_samples_without_names(reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.vcf"
    path.write_text(f"CHROM\tPOS\tID\tREF\tALT\nchr1\t20\t.\t{CONTIG[19]}\tN\t5\tPASS\t.\tGT\t0/1\n")
    score(path, reference, tmp_path / "out.vcf")
    *_, names, row = (line.split("\t") for line in (tmp_path / "out.vcf").read_text().splitlines())
    assert len(names) == len(row) == 8
