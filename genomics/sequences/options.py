"""How a data set is read."""

from dataclasses import dataclass
from typing import Literal, get_args

from titans_seq.errors import UserError

from .values import Kind

Edges = Literal["refuse", "shift", "fill"]


@dataclass(frozen=True)
class LoadOptions:
    """What the files do not say themselves.

    Args:
        sequence: column of a table with the sequences; None looks for a common name, such as "sequence" or "seq".
        labels: column of a table with the labels, or several with one label each; empty looks for a common name, such
            as "label" or "class", or, for several labels, takes all columns but those of the name and the sequence.
        kind: what the labels are. None takes several columns for "multilabel", one for "classes".
        reference: FASTA file from which intervals are cut.
        window: bases around the middle of each interval, or its summit, that are taken in place of the interval, at
            least 1.
        edges: what becomes of one that leaves its contig: "refuse" it, "shift" it inward, or "fill" it with N.
        skip_bad: leave out records that cannot be used.

    Raises:
        UserError: if they contradict each other.

    Example:
        >>> LoadOptions(labels=("label",)).kind is None
        True
    """

    sequence: str | None = None
    labels: tuple[str, ...] = ()
    kind: Kind | None = None
    reference: str | None = None
    window: int | None = None
    edges: Edges = "refuse"
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and self.window < 1:
            raise UserError(f"the window must be at least 1 base, got {self.window}")
        if self.edges not in get_args(Edges):
            raise UserError(f"edges must be {', '.join(get_args(Edges))}, got {self.edges!r}")
        if self.kind not in (None, "classes", "multilabel", "regression"):
            raise UserError(f"the kind of labels must be classes, multilabel or regression, got {self.kind!r}")
        twice = next((name for at, name in enumerate(self.labels) if name in self.labels[:at]), None)
        if twice is not None:
            raise UserError(f"the label {twice!r} is named twice: give --label once for each column")
        if len(self.labels) > 1 and self.kind in ("classes", "regression"):
            raise UserError(
                f"kind {self.kind!r} has one column of labels, got {', '.join(self.labels)}: give one --label, and "
                "train a run for each; several columns of 0 and 1 are of kind 'multilabel'"
            )
