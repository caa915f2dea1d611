"""Parse labels: class names, 0 and 1, or numbers."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from titans_seq.errors import UserError

from .bad_records import Refuse
from .folders import PARTS, Part, part_of
from .values import Kind, LabelledSequences, Record, Splits

_MISSING = ("", "nan", "NaN", "NA", "N/A")
_SEPARATOR = re.compile(r"\s*[;|,]\s*")
_LIST = re.compile(r"\[[^][]*[,; ][^][]*\]|\([^()]*,[^()]*\)|\{[^{}]*,[^{}]*\}")
_SHOWN = 20
_NOT_UTF8 = "\ufffd"
_BITS = {"0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0}


@dataclass(frozen=True)
class Labelled:
    """A record with its labels as they stand in the file.

    Args:
        record: the record.
        labels: one text, or one for each of several labels.
        part: of the data set, as a column of the file says; empty if there is none.
    """

    record: Record
    labels: tuple[str, ...]
    part: str = ""


def check_labels(labels: Sequence[str], columns: Sequence[str], kind: Kind, place: str) -> None:
    """Refuse labels that cannot be used.

    Args:
        labels: the text of each label.
        columns: what each is called.
        kind: what they are to be.
        place: what to call the record in messages.

    Raises:
        UserError: if one is missing, or not 0 or 1 for "multilabel", or no finite number for "regression".
    """
    for text, column in zip(labels, columns, strict=True):
        if text in _MISSING:
            several = "; of several labels each has a column of 0 and 1" if kind == "classes" else ""
            raise UserError(f"{place}: no label in column {column!r}: fill the cell or remove the row{several}")
        if _NOT_UTF8 in text:
            raise UserError(
                f"{place}: label {text!r} in column {column!r} holds letters that are not UTF-8, so that labels could "
                "be mixed up: save the file as UTF-8"
            )
        if kind == "multilabel" and text not in _BITS:
            raise UserError(f"{place}: label {text!r} in column {column!r}: of several labels each must be 0 or 1")
        if kind == "regression" and not math.isfinite(_number(text)):
            raise UserError(f"{place}: label {text!r} in column {column!r}: expected a number")


def class_names(labels: Sequence[str]) -> tuple[str, ...]:
    """Return the different labels, sorted: as numbers if all are numbers, else as text.

    Example:
        >>> class_names(["10", "9", "10"]), class_names(["b", "a", "10"])
        (('9', '10'), ('10', 'a', 'b'))
    """
    different = sorted(set(labels))
    if all(math.isfinite(_number(label)) for label in different):
        different.sort(key=_number)
    return tuple(different)


def plain_name(name: str) -> str:
    """Return a class without what people write in more ways than one: case, blanks, the form of a number.

    Example:
        >>> plain_name("Yes "), plain_name("1"), plain_name("1.0")
        ('yes', '1.0', '1.0')
    """
    plain = "".join(name.split()).casefold()
    number = _number(plain)
    return str(number) if math.isfinite(number) else plain


def known_name(name: str, known: Sequence[str]) -> str:
    """Return a class as it is known where both are one number, as pandas writes 1.0 for 1; else as it is.

    Example:
        >>> known_name("1.0", ["0", "1"]), known_name("Yes", ["no", "yes"])
        ('1', 'Yes')
    """
    if name in known or not math.isfinite(_number(name)):
        return name
    return next((each for each in known if _number(each) == _number(name)), name)


class OfPart(Protocol):
    """A row of a file, with what its column of parts says."""

    @property
    def part(self) -> str:
        """The cell; "" where there is no such column."""
        ...


Row = TypeVar("Row", bound=OfPart)


def divided_by_column(held: Sequence[Row], path: Path, refuse: Refuse) -> dict[Part, list[Row]]:
    """Divide the records of one file into the parts that a column of it names; all are for training if none does.

    Args:
        held: the records, or intervals.
        path: of the file, for messages.
        refuse: is told of records that were put into their part, or whose column names none.

    Raises:
        UserError: if the column names parts and other things, or no training part.
    """
    parts: dict[Part, list[Row]] = {}
    unknown = ""
    for one in held:
        part = part_of(one.part)
        if part is None:
            unknown = unknown or repr(one.part)
        else:
            parts.setdefault(part, []).append(one)
    if not parts:
        first = next((one.part for one in held if one.part), "")
        for _ in held if first else ():
            refuse.note(f"has no part's name in its column of parts, such as {first!r}: the column is not used")
        return {"train": list(held)}
    if unknown or "train" not in parts:
        what = f"{unknown} as well" if unknown else "no training part"
        raise UserError(
            f"{path}: a column names parts ({', '.join(parts)}) and {what}: name each row's train, validation or test, "
            "or rename the column if it means something else"
        )
    for _ in held:
        refuse.note("is in the part that a column names (train, validation or test)")
    return {part: parts[part] for part in PARTS if part in parts}


def assemble(
    parts: Mapping[Part, Sequence[Labelled]],
    kind: Kind,
    columns: Sequence[str],
    source: str,
    refuse: Refuse,
    to_train: bool = True,
) -> Splits:
    """Return the parts of a data set, with the same classes in each.

    Args:
        parts: the records of each part, "train" among them; their labels have passed `check_labels`.
        kind: what the labels are.
        columns: what each label is called; the classes of "multilabel".
        source: what to call the data set in messages.
        refuse: what to do about a record of a class that training lacks.
        to_train: refuse one class only.

    Raises:
        UserError: if a part is empty, training has one class only, or another part has a class that training lacks.
    """
    classes: tuple[str, ...] = tuple(columns) if kind == "multilabel" else ()
    if kind == "classes" and parts["train"]:
        classes = _classes(parts["train"], source, to_train)
        parts = {part: list(_known(held, classes, part, refuse)) for part, held in parts.items()}
    if kind == "regression" and to_train and len({float(held.labels[0]) for held in parts["train"]}) == 1:
        raise UserError(
            f"{source}: all {len(parts['train']):,} training records have the same label "
            f"({parts['train'][0].labels[0]}): expected at least two different ones; check the column of labels"
        )
    for part, held in parts.items():
        if not held:
            raise UserError(f"{source}: no usable record in its {part} part: expected sequences with labels")
    made = {part: _sequences(held, kind, classes) for part, held in parts.items()}
    return Splits(made["train"], made.get("validation"), made.get("test"))


def _classes(train: Sequence[Labelled], source: str, to_train: bool) -> tuple[str, ...]:
    classes = class_names([held.labels[0] for held in train])
    if to_train and len(classes) == 1:
        first = train[0].record
        raise UserError(
            f"{source}: all {len(train):,} training records are of one class, {classes[0]!r} (the first is "
            f"{first.source}, record {first.number}, {first.name}): a classifier needs at least two; add the records "
            "of another class"
        )
    numbers = [_number(name) for name in classes]
    if all(map(math.isfinite, numbers)) and not all(number.is_integer() for number in numbers):
        fraction = next(name for name, number in zip(classes, numbers, strict=True) if not number.is_integer())
        raise UserError(
            f"{source}: labels such as {fraction!r} are numbers, not names of classes: give --kind regression"
        )
    listed = next((name for name in classes if _LIST.fullmatch(name)), None)
    if listed is not None:
        raise UserError(
            f"{source}: the label {listed!r} is a list: give each label a column of 0 and 1 (--label once for each)"
        )
    several = next((name for name in classes if set(_SEPARATOR.split(name)) & set(classes) - {name}), None)
    if several is not None:
        raise UserError(
            f"{source}: the label {several!r} holds several in one cell, others of which stand alone: give each label "
            "a column of 0 and 1 (--label once for each)"
        )
    return classes


def _known(held: Sequence[Labelled], classes: tuple[str, ...], part: Part, refuse: Refuse) -> Iterator[Labelled]:
    """Give the records whose class training has; those of another class that is no more than written otherwise too."""
    for one in held:
        name = known_name(one.labels[0], classes)
        if name in classes:
            if name != one.labels[0]:
                refuse.note("has its class written as another number than in training, such as 1.0 for 1")
            yield one if name == one.labels[0] else replace(one, labels=(name,))
            continue
        alike = next((known for known in classes if plain_name(known) == plain_name(name)), None)
        remedy = "correct the label or add training records of this class"
        if alike is not None:
            remedy = f"it differs from {alike!r} only in case or in blanks: if they are one class, write them alike"
        refuse(
            UserError(
                f"{one.record.source}, record {one.record.number} ({one.record.name}): class {one.labels[0]!r} is in "
                f"the {part} part and not in training, which has {', '.join(map(repr, classes[:_SHOWN]))}: {remedy}"
            )
        )


def _sequences(labelled: Sequence[Labelled], kind: Kind, classes: tuple[str, ...]) -> LabelledSequences:
    if kind == "classes":
        ids = {name: number for number, name in enumerate(classes)}
        labels = np.array([ids[held.labels[0]] for held in labelled], dtype=np.int64)
    elif kind == "multilabel":
        labels = np.array([[_BITS[text] for text in held.labels] for held in labelled], dtype=np.float32)
    else:
        labels = np.array([float(held.labels[0]) for held in labelled])
    return LabelledSequences(
        tuple(held.record.name for held in labelled),
        tuple(held.record.sequence for held in labelled),
        labels,
        classes,
        kind,
    )


def _number(text: str) -> float:
    """The number that a text is; not a number if it is none."""
    try:
        return float(text)
    except ValueError:
        return math.nan
