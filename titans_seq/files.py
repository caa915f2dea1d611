"""Writing files so that a crash or a full disk never leaves half of one."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from titans_seq.errors import UserError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name what was to be written in an error within the block: a full disk's has no name, others a temporary one.

    Example:
        >>> with naming("a.csv"):
        ...     raise OSError(errno.ENOSPC, "No space left on device")
        Traceback (most recent call last):
        ...
        OSError: [Errno 28] No space left on device: 'a.csv'
    """
    try:
        yield
    except OSError as error:
        is_temporary = os.path.basename(str(error.filename)).startswith(f".{Path(path).stem}.")
        if is_temporary or (error.filename is None and error.errno in _FULL):
            error.filename = os.fspath(path)
        raise


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success, remove it on failure.

    The temporary name keeps the suffix of `path`, so that writers which choose a format by suffix work. Parent
    folders are created. A link stays, and what it leads to is replaced. A pipe or a device gets what was written, once
    it is whole.

    Args:
        path: the file to write.

    Raises:
        UserError: if it is a folder, or the file that standard output or error goes to.
        OSError: if the folder cannot be written to or the disk is full; `path` is then as it was.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with atomic_path(Path(folder) / "a.txt") as temporary:
        ...         _ = temporary.write_text("whole")
        ...     (Path(folder) / "a.txt").read_text()
        'whole'
    """
    if os.path.isdir(path):
        raise UserError(f"{path} is a folder: give the name of a file")
    stream = os.path.exists(path) and not os.path.isfile(path)
    if os.path.isfile(path) and any(_goes_to(number, path) for number in (1, 2)):
        raise UserError(f"{path} is the file that is printed into, and would be replaced: give another name")
    # Where a pipe's link leads to, as that of /dev/stdout, may have no name.
    target = Path(path if stream else os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = None if stream else target.parent  # nothing can be made beside a device
    with naming(path):
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}.", suffix=target.suffix, dir=folder)
    os.close(handle)
    temporary = Path(name)
    # mkstemp makes files private; a result should have the permissions that any new file gets.
    umask = os.umask(0)
    os.umask(umask)
    try:
        temporary.chmod(0o666 & ~umask)
        with naming(path):
            yield temporary
            if stream:
                with temporary.open("rb") as written, target.open("wb") as out:
                    shutil.copyfileobj(written, out)
            else:
                os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _goes_to(descriptor: int, path: str | os.PathLike[str]) -> bool:
    """Whether standard output (1) or error (2) goes to a file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:  # it is closed
        return False


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
    with naming(path), tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as parent:
        temporary = Path(parent) / target.name  # a folder that anyone may read, unlike the one around it
        temporary.mkdir()
        yield temporary
        temporary.replace(target)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that it holds; what is not there is left alone."""
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


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


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a text file (UTF-8) that this package wrote, or a user did.

    Raises:
        UserError: if it is something else.
        OSError: if it cannot be opened.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged, it is not UTF-8 text ({error}): restore the file, or save it so") from error
