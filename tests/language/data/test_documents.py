from pathlib import Path

import pytest

from language.data.documents import ReadOptions, find_files, passed_over, read_documents
from tests.language.making import write_lines
from titans_seq.errors import UserError


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_stands_for_the_files_it_knows_sorted_by_path(tmp_path: Path) -> None:
    for name in ("b.txt", "a/z.jsonl", "a/y.TXT", "c.md", "picture.png", ".hidden.txt", ".git/x.txt", "a.txt.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    assert names(find_files([tmp_path])) == ["y.TXT", "z.jsonl", "a.txt.gz", "b.txt", "c.md"]


def test_inputs_keep_their_order(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "c/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text")
    assert names(find_files([tmp_path / "c", tmp_path / "b.txt", tmp_path / "a.txt"])) == ["d.txt", "b.txt", "a.txt"]


def test_a_file_of_any_other_name_is_text(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1\n")
    assert [document.text for document in read_documents([tmp_path / "code.py"])] == ["x = 1\n"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.txt", r"missing\.txt: no such file or folder: check the path"),
        (
            "x.jsonl.zst",
            r"x\.jsonl\.zst: \.zst files are not read: expected plain text, JSON Lines .* unpack or convert",
        ),
        ("x.json", r"x\.json: \.json files are not read"),
        ("x.csv.gz", r"x\.csv\.gz: \.csv files are not read"),
        ("empty", r"empty: no file to read below it: expected names ending in \.txt, "),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    for made in ("x.jsonl.zst", "x.json", "x.csv.gz"):
        (tmp_path / made).write_text("{}")
    with pytest.raises(UserError, match=message):
        find_files([tmp_path / name])


def test_no_input_is_refused() -> None:
    with pytest.raises(UserError, match="no input is given: name a text, JSON Lines or Parquet file"):
        find_files([])


def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(UserError, match=r"a\.txt is given twice: name each file once"):
        find_files([tmp_path, tmp_path / "a.txt"])


def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").symlink_to(tmp_path / "gone.txt")
    with pytest.raises(UserError, match=r"b\.txt is a link to what is not there: mend or remove it"):
        find_files([tmp_path])
    (tmp_path / "b.txt").unlink()
    (tmp_path / "part2").symlink_to(tmp_path / "disk")  # a disk that is not mounted
    with pytest.raises(UserError, match=r"part2 is a link to what is not there: mend or remove it"):
        find_files([tmp_path])


def test_linked_folders_are_read_each_once(tmp_path: Path) -> None:
    for name in ("corpus/a.txt", "corpus/sub/b.txt", "disk/c.txt", "disk/c.log"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text")
    corpus = tmp_path / "corpus"
    (corpus / "part2").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "back").symlink_to(corpus)
    (corpus / "latest").symlink_to(corpus / "sub")
    assert sorted(names(find_files([corpus]))) == ["a.txt", "b.txt", "c.txt"]
    assert names(passed_over([corpus])) == ["c.log"]


def test_what_a_folder_holds_besides_is_named(tmp_path: Path) -> None:
    for name in ("a.txt", "notes.log", ".hidden", "deeper/b.csv", ".git/config"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("...")
    assert sorted(path.name for path in passed_over([tmp_path, tmp_path / "notes.log"])) == ["b.csv", "notes.log"]


def test_documents_come_from_all_kinds_of_files_and_empty_ones_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text(" \n")
    (tmp_path / "c.txt").write_text("")
    write_lines(tmp_path / "d.jsonl", ["two", "", "three"])
    assert [document.text for document in read_documents([tmp_path])] == ["one", "two", "three"]


def test_a_separator_of_several_lines_is_refused() -> None:
    with pytest.raises(UserError, match=r"the document separator must be one line, got 'a\\nb'"):
        ReadOptions(separator="a\nb")
    with pytest.raises(UserError, match=r"got 'a\\rb'"):
        ReadOptions(separator="a\rb")
