"""Folders of data: which files are the train, validation and test part, and which class each file is of."""

import re
from pathlib import Path
from typing import Literal

from titans_seq.errors import UserError

from .formats import base_name, is_sequence_file, is_table

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")

Classes = dict[str, tuple[Path, ...]]
"""The files of each class, by its name."""

_PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "dev": "validation",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}

_LIKE_TEST = re.compile(r"eval(uation)?|hold[-_ ]?out|held[-_ ]?out|independent|unseen|blind", re.IGNORECASE)
"""Names of what is kept for testing, which are none of those that are read."""

_ANY_PART = "|".join(_PART_NAMES)
_PART_AND_CLASS = re.compile(rf"(?:(?P<before>{_ANY_PART})[-_. ].+|.+[-_. ](?P<after>{_ANY_PART}))", re.IGNORECASE)


def part_of(name: str) -> Part | None:
    """Return which part a file or folder of this name is; None if the name says nothing about it.

    Example:
        >>> part_of("dev"), part_of("positive")
        ('validation', None)
    """
    return _PART_NAMES.get(name.lower())


def find_parts(folder: Path) -> dict[Part, Path]:
    """Return the file or subfolder of each part; empty if none has such a name.

    Raises:
        UserError: if two claim the same part, there are parts and none is for training, or something beside them is
            called as what is kept for testing, and would not be read.
    """
    found: dict[Part, Path] = {}
    others = []
    for path in _entries(folder):
        part = part_of(_name(path))
        if part is None:
            others.append(path)
            continue
        if part in found:
            raise UserError(f"{folder}: {found[part].name} and {path.name} are both its {part} part: keep one")
        found[part] = path
    if found and "train" not in found:
        held = " and ".join(path.name for path in found.values())
        raise UserError(
            f"{folder}: no training part beside {held}: expected train.csv, or a folder named train; to train on one "
            "of them, give that file or folder itself"
        )
    kept = next((path for path in others if _LIKE_TEST.fullmatch(_name(path))), None)
    if found and kept is not None:
        raise UserError(
            f"{folder}: {kept.name} is none of the names that parts go by (train; dev, val or validation; test), and "
            "would not be read: rename it, or move it out of the folder"
        )
    return {part: found[part] for part in PARTS if part in found}


def first_file(path: Path) -> tuple[Path, bool]:
    """Return the first file of a data set, and whether its files are a class each.

    Raises:
        UserError: if there is none.
    """
    parts = find_parts(path) if path.is_dir() else {}
    source = parts["train"] if parts else path
    return (next(iter(find_classes(source).values()))[0], True) if source.is_dir() else (source, False)


def find_classes(folder: Path) -> Classes:
    """Return the files of each class: one file or one subfolder a class, whose names are the classes'.

    Raises:
        UserError: if there is nothing to read, a class's folder has folders in it, or a file and a folder, or two
            files, claim the same class.
    """
    classes: Classes = {}
    for path in _entries(folder):
        name = _name(path)
        files = _files_of(path) if path.is_dir() else (path,)
        if not files:
            continue
        if name in classes:
            raise UserError(f"{folder}: two files or folders are named {name!r}, one class each: rename or join them")
        classes[name] = files
    cut = [_PART_AND_CLASS.fullmatch(name) for name in classes]
    several = len({part_of(found["before"] or found["after"]) for found in cut if found}) > 1
    if several and all(cut) and not any(is_table(file) for files in classes.values() for file in files):
        raise UserError(
            f"{folder}: names such as {next(iter(classes))!r} hold a part and a class: make folders train, dev and "
            "test, with one file a class in each"
        )
    if not classes:
        raise UserError(
            f"{folder}: nothing to read: expected train.csv and test.csv, or one file or folder of sequences a class, "
            "such as positive.fa and negative.fa"
        )
    return classes


def _files_of(folder: Path) -> tuple[Path, ...]:
    """The files of a class's folder."""
    entries = _entries(folder)
    inner = next((path for path in entries if path.is_dir()), None)
    if inner is not None:
        raise UserError(f"{inner}: a folder inside that of a class: put all files of a class into one folder")
    return tuple(entries)


def _entries(folder: Path) -> list[Path]:
    entries = [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "__"))]
    gone = next((path for path in entries if not path.suffix and path.is_symlink() and not path.exists()), None)
    if gone is not None:  # a class or a part, on a disk that is not mounted
        raise UserError(f"{gone} is a link to what is not there: mend or remove it")
    return [path for path in entries if path.is_dir() or is_sequence_file(path)]


def _name(path: Path) -> str:
    return path.name if path.is_dir() else base_name(path)
