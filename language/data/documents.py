"""Documents from files: text, JSON Lines and Parquet, one at a time, so that a corpus never has to fit in memory."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from titans_seq.errors import UserError

from .formats import Document, read_json_lines, read_parquet, read_text

Reader = Callable[[Path, "ReadOptions"], Iterator[Document]]


@dataclass(frozen=True)
class ReadOptions:
    """Where the documents of a file are.

    Args:
        field: name of the JSON field or the Parquet column that holds the text.
        separator: a line of a text file that stands between two documents (white space at its ends does not count;
            "" is an empty line). None makes each text file one document.

    Raises:
        UserError: if the separator is more than one line.

    Example:
        >>> ReadOptions(separator="<|endoftext|>").field
        'text'
    """

    field: str = "text"
    separator: str | None = None

    def __post_init__(self) -> None:
        if self.separator is not None and ("\n" in self.separator or "\r" in self.separator.strip()):
            raise UserError(f"the document separator must be one line, got {self.separator!r}")


_TEXT = (".txt", ".text", ".md", ".txt.gz", ".text.gz", ".md.gz")
_READERS: dict[tuple[str, ...], Reader] = {
    _TEXT: lambda path, options: read_text(path, options.separator),
    (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz"): lambda path, options: read_json_lines(path, options.field),
    (".parquet", ".pq"): lambda path, options: read_parquet(path, options.field),
}
_SUFFIXES = tuple(suffix for suffixes in _READERS for suffix in suffixes)
_UNREADABLE = (".zst", ".bz2", ".xz", ".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".json", ".json.gz", ".csv", ".pdf")


def find_files(inputs: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files that some paths stand for, in the order of the paths.

    Args:
        inputs: files and folders. A folder stands for the files below it whose suffix is known, sorted by path;
            names that begin with a dot are left out, links are followed.

    Raises:
        UserError: if a path does not exist, a folder holds no such file or a link to nothing, a file's suffix is of
            another kind, or a file comes twice.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.txt", "a.jsonl", "picture.png"):
        ...         _ = (Path(folder) / name).write_text("...")
        ...     [path.name for path in find_files([folder])]
        ['a.jsonl', 'b.txt']
    """
    found: dict[Path, Path] = {}
    for given in map(Path, inputs):
        for path in _files_below(given) if given.is_dir() else [_checked(given)]:
            if path.resolve() in found:
                raise UserError(f"{path} is given twice: name each file once")
            found[path.resolve()] = path
    if not found:
        raise UserError("no input is given: name a text, JSON Lines or Parquet file, or a folder of such")
    return list(found.values())


def is_text(path: Path) -> bool:
    """Say whether a file is read as text, which all are that are not JSON Lines or Parquet.

    Example:
        >>> is_text(Path("a.TXT.gz")), is_text(Path("a.jsonl"))
        (True, False)
    """
    return not _is_known(path) or path.name.lower().endswith(_TEXT)


def passed_over(inputs: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """Return the files below folders that `find_files` leaves out because their suffix is not known; hidden ones apart.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("b.txt", "notes.log", ".hidden"):
        ...         _ = (Path(folder) / name).write_text("...")
        ...     [path.name for path in passed_over([folder])]
        ['notes.log']
    """
    folders = [path for path in map(Path, inputs) if path.is_dir()]
    return [path for folder in folders for path in visible_files(folder) if not _is_known(path)]


def read_documents(inputs: Iterable[str | os.PathLike[str]], options: ReadOptions | None = None) -> Iterator[Document]:
    r"""Yield the documents of files and folders, one after the other; those without text are left out.

    Args:
        inputs: see `find_files`.
        options: where the documents of a file are.

    Raises:
        UserError: if a file is missing, damaged, not in UTF-8 or lacks the field; the message says where.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.txt"
        ...     _ = path.write_text("one\n---\ntwo\n")
        ...     [document.text for document in read_documents([path], ReadOptions(separator="---"))]
        ['one\n', 'two\n']
    """
    for path in find_files(inputs):
        for document in read_file(path, options or ReadOptions()):
            if document.fault is not None:
                raise document.fault
            if not document.empty:
                yield document


def read_pieces(
    inputs: Iterable[str | os.PathLike[str]], options: ReadOptions, skip_bad: bool = False
) -> Iterator[str]:
    """Yield all text of files and folders in pieces, with no sign of where documents end.

    Args:
        inputs: see `find_files`.
        options: where the documents of a file are.
        skip_bad: pass over documents that cannot be read; of one that is a whole file, what stands before the fault
            may come all the same.

    Raises:
        UserError: see `read_documents`.
    """
    for path in find_files(inputs):
        for document in read_file(path, options):
            try:
                if document.fault is not None:
                    raise document.fault
                yield from document.pieces()
            except UserError:
                if not skip_bad:
                    raise


def read_file(path: Path, options: ReadOptions) -> Iterator[Document]:
    """Return all documents of one file, also those that are empty or have a fault, by the reader for its suffix.

    An unknown suffix is text.

    Raises:
        UserError: see `read_documents`.
    """
    name = path.name.lower()
    for suffixes, reader in _READERS.items():
        if name.endswith(suffixes):
            return reader(path, options)
    return read_text(path, options.separator)


def visible_files(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder but hidden ones; linked folders are followed, and each folder is entered once.

    Raises:
        UserError: if a link leads nowhere whose name is that of a folder, or of a file that is read.
    """
    entered, waiting = set[Path](), [folder]
    while waiting:
        at = waiting.pop()
        if at.resolve() in entered:  # links may lead round in a circle
            continue
        entered.add(at.resolve())
        for path in sorted(path for path in at.iterdir() if not path.name.startswith(".")):
            if path.is_dir():
                waiting.append(path)
            elif path.is_file():
                yield path
            elif path.is_symlink() and (_is_known(path) or not path.suffix):
                raise UserError(f"{path} is a link to what is not there: mend or remove it")


def _files_below(folder: Path) -> list[Path]:
    paths = [path for path in visible_files(folder) if _is_known(path)]
    if not paths:
        raise UserError(f"{folder}: no file to read below it: expected names ending in {', '.join(_SUFFIXES)}")
    return sorted(paths, key=lambda path: path.relative_to(folder).parts)


def _is_known(path: Path) -> bool:
    return path.name.lower().endswith(_SUFFIXES)


def _checked(path: Path) -> Path:
    if not path.exists():
        raise UserError(f"{path}: no such file or folder: check the path")
    names = (path.name.lower(), path.name.lower().removesuffix(".gz"))
    unreadable = next((suffix for suffix in _UNREADABLE if any(name.endswith(suffix) for name in names)), None)
    if unreadable is not None:
        raise UserError(
            f"{path}: {unreadable} files are not read: expected plain text, JSON Lines (.jsonl, .jsonl.gz) or Parquet; "
            "unpack or convert it"
        )
    return path
