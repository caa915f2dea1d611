"""Reading the text files that tasks are made from."""

from pathlib import Path

from titans_seq.errors import UserError

from ..data import formats


def find_file(folder: Path, names: tuple[str, ...], what: str, source: str) -> str:
    """Return the first of several files that exists, each also looked for with `.gz` added.

    Args:
        folder: where to look.
        names: paths inside the folder, best first.
        what: what the file is, for the message.
        source: where it can be had, for the message.

    Raises:
        UserError: if none exists, naming all places and the source.

    Example:
        >>> find_file(Path("/nowhere"), ("a.txt",), "a book", "example.org")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: a book is missing: no /nowhere/a.txt, plain or with .gz; get it from example.org
    """
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return str(path)
    places = " or ".join(str(folder / name) for name in names)
    raise UserError(f"{what} is missing: no {places}, plain or with .gz; get it from {source}")


def read_text(path: str, what: str, source: str) -> str:
    """Return the text of a UTF-8 file, unzipped where its name ends in .gz, with plain line ends.

    Args:
        path: the file.
        what: what it should be, for the message if it is missing.
        source: where it can be had, for that message.

    Raises:
        UserError: if the file is missing, a broken gzip, or not UTF-8, naming the offset of the first wrong byte.
    """
    if not Path(path).is_file():
        raise UserError(f"{what} is missing: no file {path}; get it from {source}")
    text = next(formats.read_text(Path(path), separator=None)).text
    return text.replace("\r\n", "\n").replace("\r", "\n")
