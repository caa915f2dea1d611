"""Attributions as CSV files."""

import csv
from pathlib import Path

from titans_seq.files import atomic_path

from .mutagenesis import BASES, Attribution


def write_attribution(attribution: Attribution, path: Path | str) -> None:
    """Write one row a position: `position` (from 1), `base`, `importance`, and of mutagenesis `A`, `C`, `G`, `T`.

    Args:
        attribution: what to write.
        path: the CSV file.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from genomics.explain import saliency
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_attribution(saliency("AC", np.array([0.5, 0.0]), "yes"), f"{folder}/a.csv")
        ...     print(Path(folder, "a.csv").read_text(), end="")
        position,base,importance
        1,A,0.5
        2,C,0
    """
    changes = attribution.changes
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["position", "base", "importance", *(BASES if changes is not None else ())])
        for place, base in enumerate(attribution.sequence):
            numbers = [attribution.importance[place], *(changes[place] if changes is not None else ())]
            writer.writerow([attribution.start + place + 1, base, *(f"{number:.6g}" for number in numbers)])
