from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from genomics.sequences.loading import load_splits
from genomics.sequences.options import LoadOptions
from genomics.sequences.values import Splits
from tests.genomics.sequences.making import truncate, write
from titans_seq.errors import UserError

TABLE = "sequence,label\nACGTACGT,b\nCCCC,a\nGG,b\n"


def refusal(path: Path, options: LoadOptions | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load_splits(path, options)
    return str(caught.value).removeprefix(str(path))


def sizes(splits: Splits) -> list[int | None]:
    return [None if part is None else len(part) for part in (splits.train, splits.validation, splits.test)]


class TestTables:
    @pytest.mark.parametrize("separator", [",", ";", "\t"], ids=["comma", "semicolon", "tab"])
    @pytest.mark.parametrize("suffix", [".csv", ".tsv", ".txt.gz"])
    def test_one_file_is_training_data(self, tmp_path: Path, separator: str, suffix: str) -> None:
        splits = load_splits(write(tmp_path / f"a{suffix}", TABLE.replace(",", separator)))
        assert sizes(splits) == [3, None, None]
        assert splits.train.sequences == ("ACGTACGT", "CCCC", "GG")
        assert splits.train.classes == ("a", "b")
        assert splits.train.labels.tolist() == [1, 0, 1]
        assert splits.train.names == ("1", "2", "3")

    @pytest.mark.parametrize("header", ["Sequence,Label", "seq,class", "text,target", "DNA,y"])
    def test_common_names_of_columns_are_known(self, tmp_path: Path, header: str) -> None:
        path = write(tmp_path / "a.csv", TABLE.replace("sequence,label", header))
        assert load_splits(path).train.labels.tolist() == [1, 0, 1]

    def test_other_columns_can_be_named(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "promoter,strength\nAC,1\nGG,0\n")
        data = load_splits(path, LoadOptions(sequence="promoter", labels=("strength",))).train
        assert data.sequences == ("AC", "GG")

    def test_a_table_without_a_header(self, tmp_path: Path) -> None:
        data = load_splits(write(tmp_path / "a.tsv", "ACGTACGTAC\tno\nAC\tyes\n")).train
        assert (data.sequences, data.classes) == (("ACGTACGTAC", "AC"), ("no", "yes"))

    def test_files_named_for_their_parts(self, tmp_path: Path) -> None:
        for name, rows in (("train.csv", 3), ("dev.csv.gz", 2), ("test.csv", 1)):
            write(tmp_path / name, "\n".join(TABLE.split("\n")[: rows + 1]))
        write(tmp_path / "README.txt", "about")
        assert sizes(load_splits(tmp_path)) == [3, 2, 1]

    def test_numbers_are_sorted_as_numbers_and_the_order_of_rows_does_not_matter(self, tmp_path: Path) -> None:
        one = load_splits(write(tmp_path / "a.csv", "seq,label\nA,10\nC,9\nG,2\n")).train
        other = load_splits(write(tmp_path / "b.csv", "seq,label\nG,2\nA,10\nC,9\n")).train
        assert one.classes == other.classes == ("2", "9", "10")

    def test_a_part_may_lack_a_class_and_keeps_its_id(self, tmp_path: Path) -> None:
        write(tmp_path / "train.csv", TABLE)
        write(tmp_path / "test.csv", "sequence,label\nAC,b\n")
        test = load_splits(tmp_path).test
        assert test is not None
        assert (test.classes, test.labels.tolist()) == (("a", "b"), [1])

    def test_several_columns_are_several_labels(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "id,seq,p,q\nx,AC,1,0\ny,GG,1,1\n")
        for options in (LoadOptions(labels=("p", "q")), LoadOptions(kind="multilabel")):
            data = load_splits(path, options).train
            assert (data.kind, data.classes, data.names) == ("multilabel", ("p", "q"), ("x", "y"))
            assert data.labels.dtype == np.float32
            assert data.labels.tolist() == [[1, 0], [1, 1]]

    def test_labels_of_a_regression_keep_the_digits_of_the_file(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "seq,y\nAC,100000000.01\nGG,100000000.02\n")
        assert load_splits(path, LoadOptions(kind="regression")).train.labels.tolist() == [100000000.01, 100000000.02]

    def test_labels_that_are_lists_are_refused(self, tmp_path: Path) -> None:
        for one, other in (("[0, 1]", "[1, 1]"), ("(0, 1)", "(1, 0)"), ("A;B", "A")):
            path = write(tmp_path / "a.tsv", f"seq\tlabel\nACGT\t{one}\nGGTT\t{other}\n")
            with pytest.raises(UserError, match="give each label a column of 0 and 1"):
                load_splits(path)

    @pytest.mark.parametrize(
        "text",
        [
            '"","sequence","label"\n"1","ACGTACGT",0\n"2","GGGGTTTT",1\n',
            '"sequence","label"\n"1","ACGTACGT",0\n"2","GGGGTTTT",1\n',
            '"sequence" "label"\n"1" "ACGTACGT" 0\n"2" "GGGGTTTT" 1\n',
            '"sequence"\t"label"\n"1"\t"ACGTACGT"\t0\n"2"\t"GGGGTTTT"\t1\n',
        ],
    )
    def test_tables_as_r_writes_them(self, tmp_path: Path, text: str) -> None:
        data = load_splits(write(tmp_path / "a.txt", text)).train
        assert (data.sequences, data.labels.tolist()) == (("ACGTACGT", "GGGGTTTT"), [0, 1])
        data = load_splits(tmp_path / "a.txt", LoadOptions(kind="multilabel")).train
        assert data.classes == ("label",)

    def test_numbers_to_predict(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "seq,label\nAC,0.5\nGG,-1e2\n")
        data = load_splits(path, LoadOptions(kind="regression")).train
        assert (data.classes, data.labels.tolist()) == ((), [0.5, -100.0])
        assert refusal(path) == ": labels such as '0.5' are numbers, not names of classes: give --kind regression"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (TABLE.replace("CCCC,a", "CCCC,"), ", row 2: no label in column 'label': fill the cell or remove the row"),
            (TABLE.replace("CCCC,a", "CCCC,NA"), ", row 2: no label in column 'label'"),
            ("id,seq,label\nx,AC,1\ny,AC,\n", ", row 2 (y): no label in column 'label'"),
            (TABLE.replace("CCCC,a", "CCCC"), ", row 2 (line 3): 1 cells, but there are 2 columns: correct the row"),
            (TABLE.replace("CCCC", "MKLE"), ", row 2: 'L' at position 3 is no letter of DNA (it looks like a protein"),
            (
                TABLE.replace(",b", ",a"),
                ": all 3 training records are of one class, 'a' (the first is {path}, record 1, 1): a classifier needs",
            ),
            ("sequence,name\nACG,x\n", ": no column of labels: expected one named label or class; its columns are"),
            ("sequence,label\n", ": no usable record in its train part: expected sequences with labels"),
            ("seq,label,label\nAC,1,1\n", ": column 'label' occurs 2 times in the header: rename one"),
        ],
    )
    def test_faults_are_named_by_row(self, tmp_path: Path, text: str, message: str) -> None:
        path = write(tmp_path / "a.csv", text)
        assert refusal(path).startswith(message.format(path=path))

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                LoadOptions(labels=("label", "other")),
                ", row 1: label 'b' in column 'label': of several labels each must",
            ),
            (
                LoadOptions(labels=("label",), kind="regression"),
                ", row 1: label 'b' in column 'label': expected a number",
            ),
            (LoadOptions(labels=("strength",)), ": no column 'strength': its columns are 'sequence', 'label', 'other'"),
            (LoadOptions(sequence="x"), ": no column 'x': its columns are"),
        ],
    )
    def test_options_that_do_not_fit(self, tmp_path: Path, options: LoadOptions, message: str) -> None:
        assert refusal(write(tmp_path / "a.csv", "sequence,label,other\nAC,b,1\nGG,a,0\n"), options).startswith(message)

    def test_a_class_that_is_written_otherwise_in_another_part(self, tmp_path: Path) -> None:
        write(tmp_path / "train.csv", "sequence,label\nAC,0\nGG,1\n")
        write(tmp_path / "test.csv", "sequence,label\nAC,1.0\nGT,0.0\nGA,1\n")
        notes: Counter[str] = Counter()
        test = load_splits(tmp_path, notes=notes).test
        assert test is not None
        assert (test.classes, test.labels.tolist()) == (("0", "1"), [1, 0, 1])
        assert list(notes.values()) == [2]
        write(tmp_path / "train.csv", TABLE)
        write(tmp_path / "test.csv", "sequence,label\nAC,A\n")
        assert "has 'a', 'b': it differs from 'a' only in case or in blanks" in refusal(tmp_path)

    def test_a_class_that_training_lacks(self, tmp_path: Path) -> None:
        write(tmp_path / "train.csv", TABLE)
        write(tmp_path / "test.csv", "sequence,label\nAC,c\n")
        assert refusal(tmp_path).startswith(
            "/test.csv, record 1 (1): class 'c' is in the test part and not in training, which has 'a', 'b': correct"
        )

    def test_parts_with_other_labels(self, tmp_path: Path) -> None:
        write(tmp_path / "train.csv", TABLE)
        write(tmp_path / "test.csv", "sequence,class\nAC,a\n")
        assert refusal(tmp_path).startswith("/test.csv: its labels are class, those of training are label: use")

    def test_a_truncated_table(self, tmp_path: Path) -> None:
        rows = "".join(f"{number:b},{number % 2}\n".replace("0,", "A,").replace("1,", "C,") for number in range(99))
        path = truncate(write(tmp_path / "a.csv.gz", "sequence,label\n" + rows.replace("1", "G").replace("0", "T")))
        assert "the gzip file is cut short or damaged here" in refusal(path)

    def test_bad_rows_can_be_left_out_and_counted(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a.csv", "id,seq,label\nu,AC,1\nv,A!,1\nw,GG,\nx\ny,TT,0\n")
        left_out: list[str] = []
        data = load_splits(path, LoadOptions(skip_bad=True), left_out).train
        assert (data.names, data.labels.tolist()) == (("u", "y"), [1, 0])
        assert [message.removeprefix(f"{path}, row ")[:1] for message in left_out] == ["2", "3", "4"]


class TestFolders:
    def test_one_file_a_class_whatever_their_order(self, tmp_path: Path) -> None:
        write(tmp_path / "b.fa.gz", ">1\nAC\n>2\nGG\n")
        write(tmp_path / "a.txt", "TT\n")
        write(tmp_path / "10.fq", "@r\nCC\n+\nII\n")
        write(tmp_path / "README.md", "about")
        data = load_splits(tmp_path).train
        assert data.classes == ("10", "a", "b")
        assert dict(zip(data.sequences, data.labels.tolist(), strict=True)) == {"AC": 2, "GG": 2, "TT": 1, "CC": 0}

    def test_one_folder_a_class_and_a_part(self, tmp_path: Path) -> None:
        for part, count in (("train", 3), ("test", 2)):
            for name, base in (("positive", "A"), ("negative", "C")):
                for number in range(count):
                    write(tmp_path / f"data/{part}/{name}/{number}.txt", base * (number + 1) + "\n")
        splits = load_splits(tmp_path / "data")
        assert sizes(splits) == [6, None, 4]
        assert splits.train.classes == ("negative", "positive")
        assert splits.train.sequences[splits.train.labels.tolist().index(1)] == "A"

    def test_tables_without_labels_can_be_classes(self, tmp_path: Path) -> None:
        write(tmp_path / "yes.csv", "seq\nAC\n")
        write(tmp_path / "no.csv", "seq\nGG\n")
        assert load_splits(tmp_path).train.classes == ("no", "yes")

    def test_tables_with_labels_are_no_classes(self, tmp_path: Path) -> None:
        for name in ("tata_train", "tata_test"):
            write(tmp_path / f"{name}.csv", TABLE)
        assert "tata_test.csv: has a column of labels, but the files of a folder are a class each" in refusal(tmp_path)

    @pytest.mark.parametrize("name", ["c.fasta.bz2", "c.fa.xz"])
    def test_what_cannot_be_unpacked_is_refused(self, tmp_path: Path, name: str) -> None:
        write(tmp_path / "a.fa", ">1\nAC\n")
        write(tmp_path / "b.fsa", ">1\nAC\n")
        (tmp_path / name).write_bytes(b"BZh9" if name.endswith("bz2") else b"\xfd7zXZ")
        assert "expected text, plain or compressed with gzip; unpack it with" in refusal(tmp_path)

    def test_a_part_that_cannot_be_unpacked_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "train.csv", TABLE)
        (tmp_path / "test.csv.bz2").write_bytes(b"BZh9")
        assert "test.csv.bz2: is compressed with bzip2" in refusal(tmp_path)

    def test_a_class_of_folders_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "a/1.fa", ">1\nAC\n")
        write(tmp_path / "b/more/1.fa", ">1\nAC\n")
        assert "more: a folder inside that of a class" in refusal(tmp_path)

    def test_a_class_that_is_a_link_to_nothing_is_refused(self, tmp_path: Path) -> None:
        for name in ("a", "b"):
            write(tmp_path / f"{name}.fa", ">1\nAC\n")
        (tmp_path / "c").symlink_to(tmp_path / "disk")
        assert "c is a link to what is not there: mend or remove it" in refusal(tmp_path)

    @pytest.mark.parametrize(
        ("files", "message"),
        [
            (
                {"notes.md": "x"},
                ": nothing to read: expected train.csv and test.csv, or one file or folder of sequences",
            ),
            ({"a.fa": ">1\nAC\n"}, ": all 1 training records are of one class, 'a'"),
            ({"a.fa": ">1\nAC\n", "a.fq": "@1\nA\n+\nI\n"}, ": two files or folders are named 'a', one class each"),
            ({"test.csv": TABLE}, ": no training part beside test.csv: expected train.csv, or a folder named train;"),
            (
                {"train.csv": TABLE, "hold-out.csv": TABLE},
                ": hold-out.csv is none of the names that parts go by (train;",
            ),
            ({"train.csv": TABLE, "train.tsv": TABLE}, ": train.csv and train.tsv are both its train part: keep one"),
            ({"train.fa": ">1\nAC\n", "test.fa": ">1\nAC\n"}, "/train.fa: holds no labels: give a table with a column"),
            ({"a.fa": ">1\nAC\n", "b.fa": ">1\nA?\n"}, "/b.fa, record 1 (1): '?' at position 2"),
        ],
    )
    def test_folders_that_cannot_be_read(self, tmp_path: Path, files: dict[str, str], message: str) -> None:
        for name, text in files.items():
            write(tmp_path / "data" / name, text)
        assert refusal(tmp_path / "data").startswith(message)

    def test_a_folder_holds_classes_only(self, tmp_path: Path) -> None:
        write(tmp_path / "a.fa", ">1\nAC\n")
        assert "kind 'regression' needs a table" in refusal(tmp_path, LoadOptions(kind="regression"))

    def test_a_single_fasta_has_no_labels(self, tmp_path: Path) -> None:
        assert refusal(write(tmp_path / "a.fa", ">1\nAC\n")).startswith(": holds no labels: give a table")

    def test_a_path_that_is_not_there(self, tmp_path: Path) -> None:
        assert refusal(tmp_path / "no") == ": no such file or folder: check the path"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "the window must be at least 1 base, got 0"),
        ({"kind": "class"}, "the kind of labels must be classes, multilabel or regression, got 'class'"),
        (
            {"labels": ("a", "b"), "kind": "regression"},
            "kind 'regression' has one column of labels, got a, b: give one --label, and train a run for each; "
            "several columns of 0 and 1 are of kind 'multilabel'",
        ),
    ],
)
def test_options_that_contradict(options: dict[str, object], message: str) -> None:
    with pytest.raises(UserError) as caught:
        LoadOptions(**options)  # pyright: ignore[reportArgumentType]
    assert str(caught.value) == message


class TestRealData:
    def test_gue(self, dna: Path) -> None:
        splits = load_splits(dna / "gue/prom_core_tata")
        assert sizes(splits) == [4904, 613, 613]
        assert splits.train.classes == ("0", "1")

    def test_uci_splice_has_three_classes_and_codes_beyond_n(self, dna: Path) -> None:
        data = load_splits(dna / "uci_splice/splice.csv.gz").train
        assert data.classes == ("EI", "IE", "N")
        assert np.bincount(data.labels).tolist() == [767, 768, 1655]
        assert data.names[0] == "ATRINS-DONOR-521"
        assert {"D", "N", "R", "S"} <= set("".join(data.sequences))

    def test_lengths_vary(self, dna: Path) -> None:
        data = load_splits(dna / "genomic_benchmarks/human_ensembl_regulatory_subset").train
        assert (len(data), data.classes) == (1500, ("0", "1", "2"))
        assert (min(map(len, data.sequences)), max(map(len, data.sequences))) == (113, 801)

    def test_many_labels_without_a_header(self, dna: Path) -> None:
        data = load_splits(dna / "multilabel_sample/deepsea_100x8000bp_919labels.csv.gz").train
        assert (data.kind, data.labels.shape) == ("multilabel", (100, 919))

    def test_one_fasta_a_class(self, dna: Path) -> None:
        data = load_splits(dna / "liu_enhancers").train
        assert dict(zip(data.classes, np.bincount(data.labels).tolist(), strict=True))["enhancer.cv"] == 1484

    def test_lower_case_is_a_soft_mask(self, dna: Path) -> None:
        assert set("".join(load_splits(dna / "ecoli_sigma_promoters").train.sequences)) <= set("ACGTN")
