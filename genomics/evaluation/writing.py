"""Evaluations as files: a table, everything as JSON, and pictures of the first."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from titans_seq.files import write_text

from .pictures import draw_calibration, draw_confusion, draw_precision_recall, draw_roc
from .report import class_table, markdown
from .values import Evaluation

DATA, TABLE = "evaluation.json", "evaluation.md"
_MOST_CLASSES = 30


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
    if first.kind != "regression":
        drawings.append(("calibration.png", draw_calibration))
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
