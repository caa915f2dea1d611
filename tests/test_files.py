import math
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from titans_seq.errors import UserError
from titans_seq.experiment import history
from titans_seq.files import atomic_folder, atomic_path, check_not_read, write_text
from titans_seq.jsonl import append_row, read_rows


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

    with pytest.raises(OSError, match=f"No space left on device: '{target}'"):
        write_half()
    assert target.read_text() == "old"
    assert names(tmp_path) == ["a.csv"]


@pytest.mark.parametrize("writer", [atomic_path, atomic_folder])
def test_where_nothing_can_be_made_the_error_has_the_name_that_was_given(
    writer: Callable[[Path], AbstractContextManager[Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def closed(path: object, *_: object) -> None:
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr("os.open", closed)
    monkeypatch.setattr("os.mkdir", closed)
    with pytest.raises(OSError, match=f"Read-only file system: '{tmp_path / 'a.csv'}'"), writer(tmp_path / "a.csv"):
        pass


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


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "real.csv").write_text("old")
    for name, target in (("a.csv", "there/real.csv"), ("b.csv", "a.csv"), ("new.csv", "there/new.csv")):
        (tmp_path / name).symlink_to(tmp_path / target)
        write_text(tmp_path / name, name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target).read_text() == name
    assert names(tmp_path / "there") == ["new.csv", "real.csv"]
    assert (tmp_path / "there" / "real.csv").read_text() == "b.csv"


def test_a_pipe_gets_what_is_whole(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_text)
        write_text(pipe, "whole")
        assert read.result(timeout=10) == "whole"
    assert pipe.is_fifo()
    assert names(tmp_path) == ["pipe.csv"]
    (tmp_path / "null").symlink_to("/dev/null")
    write_text(tmp_path / "null", "nothing")
    assert not Path("/dev/null").is_file()
    assert (tmp_path / "null").is_symlink()


def test_a_folder_and_what_is_printed_into_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder: give the name of a file"):
        write_text(tmp_path, "x")
    code = "from titans_seq.files import write_text; print('before', flush=True); write_text('/dev/stdout', 'x')"
    with (tmp_path / "said").open("w") as said:
        done = subprocess.run([sys.executable, "-c", code], stdout=said, stderr=subprocess.PIPE, text=True)
    assert "/dev/stdout is the file that is printed into" in done.stderr
    assert (tmp_path / "said").read_text() == "before\n"


def test_a_row_is_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"seed": 0}')
    for seed in (1, 2):
        append_row(path, {"seed": seed})
    assert read_rows(path) == [{"seed": 0}, {"seed": 1}, {"seed": 2}]
    log = tmp_path / "log.jsonl"
    log.write_text('{"step": 1}')
    history.append(log, {"step": 2, "loss": math.nan})
    assert history.History.read(log).rows == ({"step": 1}, {"step": 2})


def test_a_row_that_a_killed_process_did_not_finish_is_removed_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"seed": 0}\n{"seed": 1, "note": "\N{LATIN SMALL LETTER E WITH ACUTE}')
    assert read_rows(path) == [{"seed": 0}]
    assert capsys.readouterr().err == ""
    append_row(path, {"seed": 2})
    assert path.read_text() == '{"seed": 0}\n{"seed": 2}\n'
    assert 'rows.jsonl: the last line was not whole and is removed: {"seed": 1' in capsys.readouterr().err

    # What is no row was written by somebody else.
    path.write_text("a letter")
    with pytest.raises(UserError, match="line 1: not JSON"):
        read_rows(path)
    append_row(path, {"seed": 0})
    assert path.read_text() == 'a letter\n{"seed": 0}\n'


def test_other_than_utf_8_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1}\n\xff\n')
    with pytest.raises(UserError, match=r"log\.jsonl: damaged, it is not UTF-8 text"):
        history.History.read(path)


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("precious")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a.csv")
    for name in ("a.csv", "link.csv", "new/../a.csv"):
        with pytest.raises(UserError, match="is read, and would be written over: give --out another name"):
            check_not_read(tmp_path / name, None, tmp_path / "b.csv", tmp_path / "a.csv")
    check_not_read(tmp_path / "c.csv", None, tmp_path / "a.csv")
