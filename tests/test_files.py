import os
import stat
from pathlib import Path

import pytest

from titans_seq.errors import UserError
from titans_seq.files import atomic_folder, atomic_path, check_not_read


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_writes_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "new" / "folder" / "a.csv"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent
        assert temporary.suffix == ".csv"
        temporary.write_text("whole")
    assert target.read_text() == "whole"
    assert names(target.parent) == ["a.csv"]


def test_failing_write_leaves_the_old_file_whole(tmp_path: Path) -> None:
    target = tmp_path / "a.csv"
    target.write_text("old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_text("half of the n")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_half()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


def test_failing_write_leaves_no_new_file(tmp_path: Path) -> None:
    def write_half() -> None:
        with atomic_path(tmp_path / "a.csv") as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert names(tmp_path) == []


def test_result_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.touch()
    with atomic_path(tmp_path / "atomic") as temporary:
        temporary.write_text("x")
    assert stat.S_IMODE(os.stat(tmp_path / "atomic").st_mode) == stat.S_IMODE(os.stat(plain).st_mode)


def test_a_folder_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "x"

    def write_half() -> None:
        with atomic_folder(target) as temporary:
            (temporary / "a").write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_half()
    assert names(target.parent) == []
    target.mkdir()
    with atomic_folder(target) as temporary:
        (temporary / "a").write_text("whole")
    assert names(target.parent) == ["x"]
    assert names(target) == ["a"]
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(target.parent.stat().st_mode)


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("precious")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    for name in ("a.csv", "link.csv", "new/../a.csv"):
        with pytest.raises(UserError, match="is read, and would be written over: give --out another name"):
            check_not_read(tmp_path / name, None, tmp_path / "b.csv", tmp_path / "a.csv")
    check_not_read(tmp_path / "c.csv", None, tmp_path / "a.csv")
