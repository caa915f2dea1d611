"""What the rest of the package works on: records, labelled sequences and the parts of a data set."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from titans_seq.errors import UserError

Kind = Literal["classes", "multilabel", "regression"]
_DTYPES = {"classes": np.int64, "multilabel": np.float32, "regression": np.float64}


@dataclass(frozen=True)
class Interval:
    """A stretch of a contig.

    Args:
        name: what it is called.
        contig: name of the contig.
        start: its first base, from 0.
        end: the base after its last.
        strand: "+", "-", or "." where none is given, which is read as "+".
        summit: the base that a window is centred on; None for the middle.
    """

    name: str
    contig: str
    start: int
    end: int
    strand: str
    summit: int | None = None


@dataclass(frozen=True)
class Record:
    """One sequence of a file.

    Args:
        name: its identifier in the file.
        sequence: upper-case letters A, C, G, T, N and the other IUPAC codes; see `alphabet.clean`.
        source: path of the file.
        number: its row in the file, from 1.
        interval: as the file has it, if it was cut from a reference; None of a sequence that stands in the file itself.
        place: the bases of the reference that the sequence is of: the interval, or the window about its centre, which
            may reach beyond the contig where it was filled with N; None without an interval.
        title: its whole header line, of which the name is the first word; empty where there is none.
    """

    name: str
    sequence: str
    source: str
    number: int
    interval: Interval | None = None
    place: Interval | None = None
    title: str = ""


@dataclass(frozen=True, eq=False)
class LabelledSequences:
    """Sequences with what is known about each.

    Args:
        names: identifier of each of the N sequences.
        sequences: upper-case letters, see `alphabet.clean`; lengths may differ.
        labels: class ids int64 `[N]` for "classes", 0 or 1 as float32 `[N, L]` for "multilabel", float64 `[N]` for
            "regression".
        classes: name of each class, or of each of the L labels; empty for regression.
        kind: what the labels are.

    Raises:
        UserError: if the numbers of names, sequences and labels differ, or the labels do not fit `kind` and `classes`.

    Example:
        >>> data = LabelledSequences(("a", "b"), ("ACGT", "TTT"), np.array([1, 0]), ("no", "yes"), "classes")
        >>> len(data), data.take([1]).sequences
        (2, ('TTT',))
    """

    names: tuple[str, ...]
    sequences: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    kind: Kind

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.sequences) == len(self.labels):
            raise UserError(
                f"{len(self.names)} names, {len(self.sequences)} sequences and {len(self.labels)} labels: "
                "expected one of each a sequence"
            )
        wide = (len(self.classes),) if self.kind == "multilabel" else ()
        kept = _DTYPES[self.kind]
        if self.labels.shape[1:] != wide or self.labels.dtype != kept:
            raise UserError(
                f"labels of kind {self.kind} must be {np.dtype(kept)} of shape {(len(self), *wide)}, got "
                f"{self.labels.dtype} of shape {self.labels.shape}"
            )
        if self.kind == "classes" and len(self) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise UserError(f"class ids must be from 0 to {len(self.classes) - 1}, got one outside")

    def __len__(self) -> int:
        return len(self.sequences)

    @classmethod
    def joined(cls, parts: Sequence["LabelledSequences"]) -> "LabelledSequences":
        """Return several parts one behind the other.

        Args:
            parts: at least one; of one kind, and with the same classes.
        """
        return cls(
            tuple(name for part in parts for name in part.names),
            tuple(sequence for part in parts for sequence in part.sequences),
            np.concatenate([part.labels for part in parts]),
            parts[0].classes,
            parts[0].kind,
        )

    def take(self, indices: Sequence[int] | np.ndarray) -> "LabelledSequences":
        """Return the sequences at some indices, in their order.

        Args:
            indices: whole numbers from 0 to N - 1; one may come twice.
        """
        at = np.asarray(indices, dtype=np.int64)
        return LabelledSequences(
            tuple(self.names[index] for index in at),
            tuple(self.sequences[index] for index in at),
            self.labels[at],
            self.classes,
            self.kind,
        )


@dataclass(frozen=True)
class Splits:
    """The parts of a data set; those that it does not have are None.

    Args:
        train: what a model learns from.
        validation: what decides when training stops and which setting is kept.
        test: what is read once, at the end.
    """

    train: LabelledSequences
    validation: LabelledSequences | None = None
    test: LabelledSequences | None = None
