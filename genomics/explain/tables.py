"""Attributions as CSV files."""

import csv
from collections.abc import Sequence
from pathlib import Path

from titans_seq.files import atomic_path

from .exports import mean_importance
from .mutagenesis import BASES, Attribution


def write_mean(attributions: Sequence[Attribution], path: Path | str) -> None:
    """Write one row a position, from the first base of each sequence on.

    Columns: `position` (from 1), `sequences` that have it, `importance` and `size`, the means of the importance and of
    its absolute value.

    Args:
        attributions: at least one.
        path: the CSV file.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["position", "sequences", "importance", "size"])
        for place, (count, mean, size) in enumerate(mean_importance(attributions), 1):
            writer.writerow([place, int(count), f"{mean:.6g}", f"{size:.6g}"])


def write_attribution(attribution: Attribution, path: Path | str) -> None:
    """Write one row a position: `position` (from 1), `base`, `importance`, and the changes to `A`, `C`, `G`, `T`.

    Of an ensemble `spread` follows, the standard deviation of the importance over its members.

    Args:
        attribution: what to write.
        path: the CSV file.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> attribution = Attribution("A", 0, "yes", np.array([[0.0, -1.0, -0.5, 0.0]]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_attribution(attribution, f"{folder}/a.csv")
        ...     print(Path(folder, "a.csv").read_text(), end="")
        position,base,importance,A,C,G,T
        1,A,0.5,0,-1,-0.5,0
    """
    importance, spread = attribution.importance, attribution.spread
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["position", "base", "importance", *BASES, *(() if spread is None else ("spread",))])
        for place, base in enumerate(attribution.sequence):
            own = [] if spread is None else [spread[place]]
            numbers = [importance[place], *attribution.changes[place], *own]
            writer.writerow([attribution.start + place + 1, base, *(f"{number:.6g}" for number in numbers)])
