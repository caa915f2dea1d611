"""A folder, or a file, that one process at a time writes into."""

import contextlib
import os
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


def wait_for(descriptor: int) -> None:
    """Wait until no other process has an open file to itself, and have it until it is closed.

    Where there are no locks, as on Windows and on some file systems of networks, it returns at once.

    Args:
        descriptor: of a file that is open.
    """
    if fcntl is not None:
        with contextlib.suppress(OSError):  # of file systems that know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)


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
