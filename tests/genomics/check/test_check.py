from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genomics.check import CheckReport, check, check_scored, findings, render, render_short
from genomics.check.report import ClassOverlap
from genomics.sequences.alphabet import reverse_complement
from genomics.sequences.loading import load_splits
from genomics.sequences.values import LabelledSequences, Splits
from genomics.synthetic import planted_motifs
from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError

RANDOM = np.random.default_rng(0)


def text(length: int) -> str:
    return "".join(RANDOM.choice(list("ACGT"), length))


def made(sequences: list[str], labels: list[int]) -> LabelledSequences:
    names = tuple(map(str, range(len(sequences))))
    return LabelledSequences(names, tuple(sequences), np.array(labels, dtype=np.int64), ("no", "yes"), "classes")


def clean_data(count: int, seed: int) -> LabelledSequences:
    return planted_motifs(count, 100, seed)


class TestOneFault:
    def test_nothing_stands_out_of_clean_data(self) -> None:
        splits = Splits(clean_data(200, 0), clean_data(60, 1), clean_data(60, 2))
        report = check(splits)
        assert findings(report) == ()
        assert render(report).endswith("\n\nnothing stands out")
        assert render_short(report).split("\n") == [
            "train: 200 sequences of 100 bases",
            "validation: 60 sequences of 100 bases",
            "test: 60 sequences of 100 bases",
            "nothing stands out",
        ]
        assert [(overlap.part, overlap.other) for overlap in report.overlaps] == [
            ("validation", "train"),
            ("test", "train"),
            ("test", "validation"),
        ]

    @pytest.mark.parametrize("with_test", [False, True])
    def test_length_predicts_the_class(self, with_test: bool) -> None:
        def data(count: int) -> LabelledSequences:
            return made([text(60 + 20 * (number % 2)) for number in range(count)], [n % 2 for n in range(count)])

        report = check(Splits(data(60), test=data(40) if with_test else None))
        assert report.length is not None
        assert (report.length.accuracy, report.length.mcc, report.length.majority) == (1.0, 1.0, 0.5)
        assert report.length.scored_on == ("test part" if with_test else "5 folds")
        assert findings(report)[0].startswith("Length alone predicts the class: accuracy 1.000 and MCC 1.000, where")
        assert "! Length alone predicts the class" in render_short(report)

    def test_lengths_that_say_nothing_are_not_blamed(self) -> None:
        data = made([text(int(RANDOM.integers(50, 150))) for _ in range(200)], [n % 2 for n in range(200)])
        assert findings(check(Splits(data))) == ()

    def test_copies_within_a_part(self) -> None:
        one, two = text(50), text(50)
        data = made([one, one, reverse_complement(one), two, two, text(50)], [0, 0, 0, 0, 1, 1])
        report = check(Splits(data))
        (part,) = report.parts
        assert (part.duplicates, part.reversed, part.conflicting) == (2, 1, 2)
        assert any(found.startswith("2 train sequences have copies with another label") for found in findings(report))
        assert any(
            found.startswith("3 of 6 train sequences repeat an earlier one, 1 as the reverse complement")
            for found in findings(report)
        )
        (overlap,) = report.overlaps
        assert overlap.within
        assert overlap.sharing == 5
        assert "train in the rest of it: 2 equal, 1 reverse complement" in render(report)

    @pytest.mark.parametrize("copy", [str, reverse_complement])
    def test_copies_with_another_label_are_counted_on_either_strand(self, copy: Callable[[str], str]) -> None:
        one, other = text(50), text(50)
        report = check(Splits(made([one, other, copy(one), copy(other)], [0, 1, 1, 1])))
        assert (report.parts[0].conflicting, report.overlaps[0].conflicting) == (2, 1)
        assert any(found.startswith("2 train sequences have copies with another") for found in findings(report))

    def test_test_sequences_that_stand_in_training(self) -> None:
        train, alone = [text(50) for _ in range(6)], [text(50) for _ in range(3)]
        test = [train[0], train[1], reverse_complement(train[2]), *alone]
        report = check(Splits(made(train, [0, 0, 0, 1, 1, 1]), test=made(test, [0, 1, 0, 1, 1, 1])))
        (overlap,) = report.overlaps
        assert (overlap.exact, overlap.reversed, overlap.conflicting, overlap.sharing) == (2, 1, 1, 3)
        assert any(
            found
            == "3 of 6 test sequences also stand in train, 1 as the reverse complement, 1 with another label there: "
            "remove them from train."
            for found in findings(report)
        )

    def test_scored_sequences_that_a_model_has_seen(self) -> None:
        train = made([text(100) for _ in range(6)], [0, 0, 0, 1, 1, 1])
        seen, turned, windows = train.sequences[0], reverse_complement(train.sequences[1]), train.sequences[2][10:90]
        assert check_scored(train, made([text(100)], [0])) == ()
        copies = check_scored(train, made([seen, turned, text(100)], [1, 0, 1]))
        assert copies == (
            "2 of 3 sequences also stand in the training part, 1 as the reverse complement, 1 with another label "
            "there: the model has seen them. Leave them out to learn how good it is on others.",
        )
        (found,) = check_scored(train, made([windows, text(100)], [0, 1]))
        assert found.startswith("50.0% of the sequences share 40 bases with a training sequence")

    def test_windows_that_overlap_are_seen_by_class(self) -> None:
        genome = text(400)
        train = [genome[:100], genome[200:300], text(100), text(100)]
        test = [genome[55:155], reverse_complement(genome[260:360]), text(100), genome[150:200] + text(50)]
        report = check(Splits(made(train, [1, 1, 0, 0]), test=made(test, [1, 1, 0, 0])))
        (overlap,) = report.overlaps
        assert (overlap.exact, overlap.sharing) == (0, 2)
        assert overlap.classes == (ClassOverlap("no", 0.0), ClassOverlap("yes", 1.0))
        (found,) = findings(report)
        assert found.startswith("50.0% of the test sequences share 40 bases with train")
        assert "It differs between classes ('no' 0.0%, 'yes' 100.0%)" in found

    def test_unequal_classes_and_unknown_letters(self) -> None:
        data = made([text(50) + "NNR" for _ in range(40)], [0] * 34 + [1] * 6)
        found = findings(check(Splits(data)))
        assert found[0].startswith(
            "The classes are unequal: from 6 to 34 sequences. Weight them (--class-weights balanced)"
        )
        assert found[1] == "5.7% of the letters of train are not A, C, G or T."

    @pytest.mark.parametrize(
        ("names", "found"),
        [
            (("NULL", "x"), "The class 'NULL' reads like a missing label"),
            (("A;B", "A;C"), "The class 'A;B' has a part in common with another"),
        ],
    )
    def test_classes_that_are_none_or_several(self, names: tuple[str, str], found: str) -> None:
        data = made([text(50) for _ in range(40)], [n % 2 for n in range(40)])
        (said,) = findings(check(Splits(replace(data, classes=names))))
        assert said.startswith(found)

    @pytest.mark.parametrize(
        ("names", "alike"),
        [
            (("TRUE", "True"), "'TRUE' and 'True'"),
            (("a b", "a  B"), "'a b' and 'a  B'"),
            (("1", "1.0"), "'1' and '1.0'"),
        ],
    )
    def test_classes_that_differ_only_in_how_they_are_written(self, names: tuple[str, str], alike: str) -> None:
        data = made([text(50) for _ in range(40)], [n % 2 for n in range(40)])
        (found,) = findings(check(Splits(replace(data, classes=names))))
        assert found.startswith(f"The classes {alike} differ only in case, in blanks or in how")

    def test_a_class_that_a_part_lacks(self) -> None:
        train = made([text(50) for _ in range(40)], [n % 2 for n in range(40)])
        test = made([text(50) for _ in range(9)], [1] * 9)
        (found,) = findings(check(Splits(train, test=test)))
        assert found.startswith("The test part has no sequence of 'no': its scores say nothing about that")

    def test_sequences_of_n(self) -> None:
        sequences = [text(50) for _ in range(40)]
        sequences[3:5] = ["N" * 50, "N" * 26 + text(24)]
        found = findings(check(Splits(made(sequences, [n % 2 for n in range(40)]))))
        assert found[0].startswith("2 of 40 train sequences are mostly N or other letters")

    def test_classes_of_unlike_composition(self) -> None:
        data = made(["GC" * 4 + text(42) if n % 2 else text(50) for n in range(80)], [n % 2 for n in range(80)])
        assert findings(check(Splits(data)))[0].startswith("GC content differs between classes: ")

    def test_short_sequences_are_counted(self) -> None:
        data = made([text(10), text(50), text(50)], [0, 1, 1])
        report = check(Splits(data, test=data))
        assert report.overlaps[0].too_short == 1
        assert "sharing 40 bases: 2 of 3 (66.7%; 1 are shorter)" in render(report)
        assert check(Splits(data, test=data), k=10).overlaps[0].sharing == 3

    def test_a_k_out_of_range(self) -> None:
        with pytest.raises(UserError, match="k-mers must have from 1 to 64 bases, got 99"):
            check(Splits(clean_data(4, 0)), k=99)


class TestOtherKinds:
    def test_numbers(self) -> None:
        sequences = tuple(text(50) for _ in range(6))
        labels = np.arange(6.0)
        report = check(Splits(LabelledSequences(("",) * 6, sequences, labels, (), "regression")))
        assert report.length is None
        assert report.parts[0].classes == ()
        assert "length alone: not scored" in render(report)

    def test_several_labels(self) -> None:
        sequences = tuple(text(50) for _ in range(6))
        labels = np.zeros((6, 20), dtype=np.float32)
        labels[:2, 0] = 1
        data = LabelledSequences(
            ("",) * 6, (*sequences[:5], sequences[0]), labels, tuple("abcdefghijklmnopqrst"), "multilabel"
        )
        report = check(Splits(data, test=data))
        assert [held.count for held in report.parts[0].classes][:3] == [2, 0, 0]
        assert report.parts[0].conflicting == 2
        assert report.overlaps[0].classes == ()
        assert "... and 8 more" in render(report)

    def test_a_class_with_one_sequence(self) -> None:
        assert check(Splits(made([text(50), text(50), text(50)], [0, 0, 1]))).length is None


def test_the_report_can_be_saved() -> None:
    report = check(Splits(clean_data(20, 0), test=clean_data(10, 1)))
    assert from_dict(to_dict(report), CheckReport) == report


class TestRealData:
    def test_length_alone_predicts_the_regulatory_class(self, dna: Path) -> None:
        data = load_splits(dna / "genomic_benchmarks/human_ensembl_regulatory_subset").train
        report = check(Splits(data))
        assert report.length is not None
        assert report.length.accuracy == pytest.approx(0.90, abs=0.03)
        assert report.length.majority == pytest.approx(1 / 3)
        assert findings(report)[0].startswith("Length alone predicts the class")

    @pytest.mark.slow
    def test_negatives_of_the_non_tata_set_overlap(self, dna: Path) -> None:
        report = check(load_splits(dna / "genomic_benchmarks/human_nontata_promoters/test.csv.gz"))
        (overlap,) = report.overlaps
        shares = {held.name: held.share for held in overlap.classes}
        assert shares["0"] > 0.9
        assert shares["1"] < 0.05
        assert "It differs between classes" in findings(report)[0]

    @pytest.mark.parametrize(
        ("name", "exact", "conflicting"),
        [
            ("prom_core_tata", 16, 1),
            pytest.param("prom_core_all", 43, 6, marks=pytest.mark.slow),
            pytest.param("prom_core_notata", 30, 6, marks=pytest.mark.slow),
        ],
    )
    def test_core_promoters_stand_in_training_too(self, dna: Path, name: str, exact: int, conflicting: int) -> None:
        (overlap,) = (
            held
            for held in check(load_splits(dna / "gue" / name)).overlaps
            if held.part == "test" and held.other == "train"
        )
        assert (overlap.exact, overlap.reversed, overlap.conflicting) == (exact, 0, conflicting)

    def test_mouse_2_shares_windows_in_one_class(self, dna: Path) -> None:
        overlap = check(load_splits(dna / "gue/mouse_2")).overlaps[1]
        assert (overlap.part, overlap.other, overlap.exact) == ("test", "train", 0)
        assert overlap.sharing / overlap.count == pytest.approx(0.23, abs=0.01)
        shares = {held.name: held.share for held in overlap.classes}
        assert shares["1"] > 0.4 > 0.05 > shares["0"]

    def test_uci_splice_repeats_itself(self, dna: Path) -> None:
        assert check(load_splits(dna / "uci_splice/splice.csv.gz")).parts[0].duplicates == 185
