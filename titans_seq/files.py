"""Writing files so that a crash or a full disk never leaves half of one, nor two processes a mixture."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from titans_seq.errors import UserError

try:
    import fcntl
except ModuleNotFoundError:  # not on Windows
    fcntl = None

# Folders that this process has for itself.
_ours: set[Path] = set()


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


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text file (UTF-8), whole or not at all; see `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def only_writer(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Keep other processes from writing into a folder for the time of the block; a killed one keeps nobody.

    Args:
        folder: exists. Within the block this process may ask for it again.

    Raises:
        UserError: if another process has it.
    """
    place = Path(folder).resolve()
    if fcntl is None or place in _ours:
        yield
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # of file systems that know no locks
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(
                    f"another process is writing into {folder}: wait for its end, or give another folder"
                ) from error
        _ours.add(place)
        yield
    finally:
        _ours.discard(place)
        os.close(handle)


@contextlib.contextmanager
def only_writer_of_new(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Make a folder if there is none, and be its `only_writer`; one that stays empty goes again.

    Raises:
        UserError: if another process has it.
        OSError: if it cannot be made.
    """
    place = Path(folder)
    made = [one for one in (place, *place.parents) if not one.exists()]
    place.mkdir(parents=True, exist_ok=True)
    try:
        with only_writer(place):
            yield
    finally:
        with contextlib.suppress(OSError):  # something is in it
            for one in made:
                one.rmdir()
