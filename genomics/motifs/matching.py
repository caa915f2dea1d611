"""Motifs against a database (Tomtom) and against sequences (FIMO), as memelite computes them."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from titans_seq.extras import needing
from titans_seq.files import atomic_path

from ..explain.exports import one_hot_bases
from .discovery import Motif

_NEAREST = 3
_NEARLY = 0.7
_EXCEEDED = 1.001  # FIMO asks for less than a p-value, in logarithms that are rounded


@dataclass(frozen=True)
class Match:
    """A motif of a database that is like one that was found.

    Attributes:
        name: in the database.
        p_value: of a likeness as great by chance.
    """

    name: str
    p_value: float


def match(motifs: Sequence[Motif], database: Mapping[str, np.ndarray]) -> list[list[Match]]:
    """Find the motifs of a database that are most like each of some motifs, the likest first.

    Args:
        motifs: to look for.
        database: see `databases.read_database`.
    """
    with needing("Tomtom", "motifs"):
        import memelite
    names = list(database)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # p-values against a small database are rough, and better than none
        p_values, *_, indices = memelite.tomtom(
            [motif.matrix.T for motif in motifs],
            list(database.values()),
            n_nearest=min(_NEAREST, len(names)),
            n_jobs=1,
        )
    return [
        [Match(names[int(at)], float(p)) for at, p in zip(row, values, strict=True)]
        for row, values in zip(indices, p_values, strict=True)
    ]


def occurrences(motifs: Sequence[Motif], sequences: Sequence[str], p_value: float = 1e-4) -> np.ndarray:
    """Count how often each motif occurs in each sequence, on either strand, int64 `[motifs, sequences]`.

    A motif so short or so loose that its best match is likelier than `p_value` occurs where it matches best.

    Args:
        motifs: to look for.
        sequences: clean ones.
        p_value: of a match as good by chance at a place.
    """
    with needing("FIMO", "motifs"):
        import memelite
    lengths = np.array(list(map(len, sequences)))
    one_hot = np.zeros((len(sequences), 4, lengths.max()), dtype=np.float32)
    for row, sequence in enumerate(sequences):
        one_hot[row, :, : len(sequence)] = one_hot_bases(sequence).T
    counts = np.zeros((len(motifs), len(sequences)), dtype=np.int64)
    for row, motif in enumerate(motifs):
        least = max(p_value, _EXCEEDED * _best_p_value(motif.matrix))
        (table,) = memelite.fimo({motif.name: motif.matrix.T}, one_hot, threshold=least)
        found = np.asarray(table["sequence_name"], dtype=np.int64)
        # Shorter sequences are filled up with nothing, in which part of a motif may lie.
        found = found[np.asarray(table["end"], dtype=np.int64) <= lengths[found]]
        counts[row] = np.bincount(found, minlength=len(sequences))
    return counts


def _best_p_value(matrix: np.ndarray) -> float:
    """Return how likely the best match of a motif is by chance; bases that are nearly the likeliest are as good.

    Example:
        >>> _best_p_value(np.array([[0.9, 0.1, 0, 0], [0.45, 0.05, 0.05, 0.45]]))
        0.125
    """
    return float((np.mean(matrix >= _NEARLY * matrix.max(1, keepdims=True), axis=1)).prod())


def write_meme(motifs: Sequence[Motif], path: Path) -> None:
    """Write motifs in MEME's format.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_meme([Motif("motif_1", np.eye(4)[:2], np.eye(4)[:2])], Path(folder) / "a.meme")
        ...     print((Path(folder) / "a.meme").read_text().splitlines()[9])
        MOTIF motif_1 AC
    """
    lines = ["MEME version 4", "", "ALPHABET= ACGT", "", "strands: + -", "", "Background letter frequencies"]
    lines += ["A 0.25 C 0.25 G 0.25 T 0.25", ""]
    for motif in motifs:
        lines.append(f"MOTIF {motif.name} {motif.consensus}")
        lines.append(f"letter-probability matrix: alength= 4 w= {len(motif.matrix)} nsites= {len(motif.sites)} E= 0")
        lines += ["  ".join(f"{share:.6f}" for share in row) for row in motif.matrix]
        lines.append("")
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
