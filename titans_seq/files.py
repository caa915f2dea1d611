"""Writing files so that a crash or a full disk never leaves half of one."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from titans_seq.errors import UserError


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    The temporary name keeps the suffix of `path`, so that writers which choose a format by suffix work. Parent
    folders are created.

    Args:
        path: the file to write.

    Raises:
        OSError: if the folder cannot be written to or the disk is full; `path` is then as it was.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_path(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("whole")
        ...     (Path(folder) / "a.txt").read_text()
        'whole'
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    # mkstemp makes files private; a result should have the permissions that any new file gets.
    umask = os.umask(0)
    os.umask(umask)
    try:
        temporary.chmod(0o666 & ~umask)
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `path`; rename it to `path` on success, remove it on failure.

    Args:
        path: the folder to make; new, or empty. Its parents are made.

    Raises:
        OSError: if it cannot be written; `path` is then as it was.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_folder(Path(folder) / "a") as temporary:
        ...         _ = (temporary / "b.txt").write_text("whole")
        ...     (Path(folder) / "a" / "b.txt").read_text()
        'whole'
    """
    target = Path(path).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as parent:
        temporary = Path(parent) / target.name  # a folder that anyone may read, unlike the one around it
        temporary.mkdir()
        yield temporary
        temporary.replace(target)


def check_not_read(
    target: str | os.PathLike[str] | None, *sources: str | os.PathLike[str] | None, option: str = "--out"
) -> None:
    """Refuse to write over a file that is read: call it before either.

    Args:
        target: the file to write; None where there is none.
        sources: what is read; those that are None are not.
        option: which names the target.

    Raises:
        UserError: if the target is one of the sources, under whatever name.

    Example:
        >>> check_not_read("scores.csv", "new.fa", None)
        >>> check_not_read("a/../new.fa", "new.fa")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: a/../new.fa is read, and would be written over: give --out another name
    """
    place = None if target is None else Path(target).resolve()
    if place is not None and any(source is not None and Path(source).resolve() == place for source in sources):
        raise UserError(f"{target} is read, and would be written over: give {option} another name")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file (UTF-8), whole or not at all; see `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
