"""Attributions as CSV files."""

import csv
from pathlib import Path

from titans_seq.files import atomic_path

from .mutagenesis import BASES, Attribution


def write_attribution(attribution: Attribution, path: Path | str) -> None:
    """Write one row a position: `position` (from 1), `base`, `importance`, and the changes to `A`, `C`, `G`, `T`.

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
    importance = attribution.importance
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["position", "base", "importance", *BASES])
        for place, base in enumerate(attribution.sequence):
            numbers = [importance[place], *attribution.changes[place]]
            writer.writerow([attribution.start + place + 1, base, *(f"{number:.6g}" for number in numbers)])
