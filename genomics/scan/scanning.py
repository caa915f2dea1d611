"""Scanning: the score of every window along contigs and intervals, on the strand where it is larger."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from titans_seq.errors import UserError

from ..evaluation.values import Model
from ..runs.predictor import Prediction
from ..sequences.alphabet import reverse_complement
from ..sequences.values import Record
from .windows import Stretch, Window

_KNOWN = "ACGT"

ReadStrand = Literal["both", "+", "-"]


class Scanner(Model, Protocol):
    """Predict a stream of records, as `Predictor` and `Members` do."""

    @property
    def reads_both_strands(self) -> bool:
        """Whether each prediction is that of both strands."""
        ...

    def predictions(self, records: Iterable[Record]) -> Iterator[Prediction]:
        """Predict records in their order."""
        ...


@dataclass(frozen=True)
class ScanOptions:
    """How a contig is scanned.

    Attributes:
        window: bases of a window, at least 1.
        stride: bases from one window to the next, at least 1.
        strand: "both" keeps the larger score of the two strands of each window, "+" and "-" read that strand of the
            contig, whatever strand an interval is on. A model that reads both strands in each prediction has one score
            whatever this says.

    Raises:
        UserError: if a number is out of range.

    Example:
        >>> ScanOptions(window=101, stride=25).strand
        'both'
    """

    window: int
    stride: int
    strand: ReadStrand = "both"

    def __post_init__(self) -> None:
        for name in ("window", "stride"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name} must be at least 1 base, got {getattr(self, name)}")


@dataclass(frozen=True)
class Target:
    """What is scanned for.

    Attributes:
        name: class, label, or "value".
        column: of it in the predictions.

    Example:
        >>> Target("bound", 1).column
        1
    """

    name: str
    column: int


@dataclass(frozen=True)
class Scan:
    """What a model says of one window.

    Attributes:
        stretch: that the window lies in.
        start: its first base on the contig, from 0.
        end: the base after its last.
        strand: on which the score was reached; "." where the model reads both in each prediction.
        score: probability of the target, or the value of a regression.

    Example:
        >>> one = Scan(Stretch("chr1", "chr1", 0, 5000, ".", 5000), 100, 201, "-", 0.97)
        >>> one.end - one.start, one.stretch.contig
        (101, 'chr1')
    """

    stretch: Stretch
    start: int
    end: int
    strand: str
    score: float


def scan(model: Scanner, windows: Iterable[Window], target: Target, strand: ReadStrand = "both") -> Iterator[Scan]:
    """Score windows in their order; only a few batches of them are in memory.

    Windows of which more than half is unknown (N) have no score and are left out.

    Args:
        model: the classifier.
        windows: any number of them.
        target: which of its outputs is scored.
        strand: see `ScanOptions`.
    """
    known = (window for window in windows if 2 * sum(map(window.sequence.count, _KNOWN)) >= len(window.sequence))
    if model.reads_both_strands:
        for window, (score,) in _scores(model, known, target, "+"):
            yield Scan(window.stretch, window.start, window.end, ".", score)
        return
    for window, scores in _scores(model, known, target, strand):
        best = int(np.argmax(scores))
        yield Scan(window.stretch, window.start, window.end, _strands(window, strand)[best], scores[best])


def _strands(window: Window, wanted: ReadStrand) -> str:
    """Return the strands of the contig on which a window is read; of both, first that which the stretch is on."""
    if wanted != "both":
        return wanted
    return "-+" if window.stretch.strand == "-" else "+-"


def _scores(
    model: Scanner, windows: Iterable[Window], target: Target, wanted: ReadStrand
) -> Iterator[tuple[Window, list[float]]]:
    """Give each window with its score on each of the strands on which it is read."""
    waiting: deque[Window] = deque()

    def records() -> Iterator[Record]:
        for window in windows:
            waiting.append(window)
            own = "-" if window.stretch.strand == "-" else "+"
            for strand in _strands(window, wanted):
                sequence = window.sequence if strand == own else reverse_complement(window.sequence)
                yield Record(window.stretch.name, sequence, window.stretch.contig, len(waiting))

    scores: list[float] = []
    for prediction in model.predictions(records()):
        scores.append(float(prediction.probabilities[target.column]))
        if len(scores) == (2 if wanted == "both" else 1):
            yield waiting.popleft(), scores
            scores = []
