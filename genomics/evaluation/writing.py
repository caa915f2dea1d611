"""Evaluations as files: a table, everything as JSON, and pictures of the first."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from titans_seq.files import atomic_path, write_text

from ..sequences.values import LabelledSequences
from .pictures import draw_calibration, draw_confusion, draw_precision_recall, draw_roc, draw_scatter
from .report import class_table, markdown
from .values import Evaluation, called, number_text

DATA, TABLE, PREDICTIONS = "evaluation.json", "evaluation.md", "predictions.csv"
_PICTURES = ("confusion.png", "roc.png", "precision_recall.png", "calibration.png", "scatter.png")
_MOST_CLASSES = 30


def write_predictions(
    parts: Sequence[tuple[str, LabelledSequences]], outputs: np.ndarray, path: Path, threshold: float | None = None
) -> None:
    """Write what a model predicted of each sequence that it was scored on, as CSV.

    Columns: `part`, `name`, `label` (or one column a label), for classes `predicted`, and the probabilities or `value`.

    Args:
        parts: names and data of the parts, one after the other; labelled alike.
        outputs: float64 `[N, C]`, in the order of the parts' sequences.
        path: the CSV file.
        threshold: of two classes, see `called`.
    """
    classes, kind = parts[0][1].classes, parts[0][1].kind
    labels = [f"label_{name}" for name in classes] if kind == "multilabel" else ["label"]
    numbers = ["value"] if kind == "regression" else [f"probability_{name}" for name in classes]
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["part", "name", *labels, *(["predicted"] if kind == "classes" else []), *numbers])
        rows = (
            (part, name, label) for part, data in parts for name, label in zip(data.names, data.labels, strict=True)
        )
        for (part, name, label), row in zip(rows, outputs, strict=True):
            given = [classes[label]] if kind == "classes" else [_as_given(value) for value in np.atleast_1d(label)]
            said = [classes[int(called(row, threshold))]] if kind == "classes" else []
            writer.writerow([part, name, *given, *said, *(number_text(value, kind) for value in row)])


def _as_given(label: np.floating) -> str:
    """A number in as few digits as tell it from all others, which are those of the file."""
    return repr(label.item()).removesuffix(".0")


def write_evaluations(
    evaluations: Sequence[Evaluation],
    folder: Path,
    about: Mapping[str, Any],
    heading: str,
    warnings: Sequence[str] = (),
) -> tuple[Path, ...]:
    """Write what models scored on the same sequences.

    Args:
        evaluations: the model that the pictures are of, then those beside it.
        folder: made if need be; earlier files in it are replaced. evaluation.json comes last: with it the folder is
            whole.
        about: what else the JSON says, of JSON's types.
        heading: of the table.
        warnings: what a reader of the scores should know, below the heading and in the JSON.

    Returns:
        The files.

    Raises:
        OSError: if a file cannot be written.
    """
    first, written = evaluations[0], []
    drawings = []
    if first.confusion is not None and len(first.classes) <= _MOST_CLASSES:
        drawings.append(("confusion.png", draw_confusion))
    if "auroc" in first.scores:
        drawings += [("roc.png", draw_roc), ("precision_recall.png", draw_precision_recall)]
    calibration = ("calibration.png", draw_calibration)
    drawings.append(("scatter.png", draw_scatter) if first.kind == "regression" else calibration)
    for name in _PICTURES:  # those of an earlier evaluation would be taken for this one's
        (folder / name).unlink(missing_ok=True)
    for name, draw in drawings:
        draw(first, folder / name)
        written.append(folder / name)
    rows = class_table(first)
    text = f"# {heading}\n\n"
    text += "".join(f"**{warning}**\n\n" for warning in warnings)
    text += f"{markdown(evaluations)}\n"
    text += f"\nOf {first.name}:\n\n```\n{rows}\n```\n" if rows else ""
    text += "".join(f"\n- {one.name}: {note}" for one in evaluations for note in one.notes)
    write_text(folder / TABLE, text.rstrip() + "\n")
    held = {**about, "warnings": list(warnings), "models": [one.summary() for one in evaluations]}
    write_text(folder / DATA, json.dumps(held, indent=2, allow_nan=False) + "\n")
    return (*written, folder / TABLE, folder / DATA)
