"""`titans dna predict`: predictions for sequences, any number of any length, as a table or along a genome."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from titans_seq.errors import UserError
from titans_seq.files import check_not_read

from .predict_options import Predict

if TYPE_CHECKING:
    from ..runs.decision import Decision
    from ..runs.predictor import Prediction
    from ..runs.training_range import TrainingRange
    from ..scan import Scanner
    from ..sequences.values import Record

PLACE = ("contig", "start", "end", "strand", "length", "unknown")
"""Columns behind the name; the first four are empty for sequences that were not cut out of others."""


def predict(options: Predict) -> None:
    """Write the predictions, or a track."""
    from .scan import TRACKS, is_scan, scan_files

    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise UserError(f"--threshold must be a probability in [0, 1], got {options.threshold}")
    check_not_read(options.out, *options.sequences, options.reading.reference)
    if is_scan(options):
        scan_files(options)
        return
    if options.scan.target is not None or options.scan.strand != "both":
        name = "strand" if options.scan.target is None else "target"
        raise UserError(
            f"--{name} is of scans: add --stride, or a track for --out ({', '.join(TRACKS)}), or leave it out"
        )
    from ..runs.predictor import prediction_columns
    from ..runs.trained_on import training_range
    from ..scan import check_track
    from .predict_models import load, note_on_places
    from .records import csv_rows, records

    check_track(options.out)
    model, decision = load(options)
    _, *columns = prediction_columns(model.kind, model.classes)
    spreads = _spread_names(model)
    rows = _Rows(options, model, decision, training_range(options.run))
    with records(options.sequences, options.reading) as given:
        header = ["name", *PLACE, *columns, *spreads]
        count = csv_rows(options.out, header, rows.of(given), options.compute.progress, "sequences predicted")
    print(f"written: {options.out}, {count:,} {'rows' if rows.scanned else 'sequences'}{rows.outside_text()}")
    if decision.threshold is not None and options.threshold is None:
        print(
            f"note: {model.classes[1]} is predicted from a probability of {decision.threshold:.4g} on, as titans dna "
            "decide chose (--threshold takes another)"
        )
    for line in (*rows.warnings(), *note_on_places(model)):
        print(line)


def _spread_names(model: "Scanner") -> list[str]:
    from .predict_models import trained_members

    if len(trained_members(model)) < 2:
        return []
    return [f"spread_{name}" for name in model.classes or ("value",)]


class _Rows:
    """Rows of predictions, and a count of what is out of the model's depth."""

    def __init__(self, options: Predict, model: "Scanner", decision: "Decision", known: "TrainingRange | None") -> None:
        from .predict_models import token_width

        self._options, self._model, self._decision, self._known = options, model, decision, known
        self._width = token_width(model)
        self.outside = self.short = self.scanned = 0

    @property
    def _stride(self) -> int:
        """Bases from one window to the next of what is scanned."""
        return 1 if self._known is None else max(self._known.median // 2, 1)

    def of(self, given: "Iterator[Record]") -> Iterator[list[str]]:
        """Give the cells of each sequence, or window of one that is scanned."""
        from ..runs.predictor import prediction_row

        waiting: list[list[str]] = []

        def noted() -> "Iterator[Record]":
            for record in self._pieces(given):
                waiting.append(self._place(record))
                yield record

        model, done = self._model, 0
        for prediction in model.predictions(noted()):
            name, *cells = prediction_row(prediction, model.kind, model.classes, self._decision.threshold)
            yield [str(name), *waiting[done], *map(self._cell, [*cells, *_spread(prediction)])]
            done += 1
            if done == len(waiting):
                waiting.clear()
                done = 0

    def outside_text(self) -> str:
        """Return what the last line says of sequences unlike those in training."""
        if self._known is None:
            return ""
        return f"; {self.outside:,} of them unlike those it was trained on" if self.outside else ""

    def warnings(self) -> Iterator[str]:
        """Give a line for each thing that a reader of the predictions should know."""
        if self.scanned and self._known is not None:
            both = self._model.reads_both_strands
            strand, track = (
                ("", "see --stride for tracks")
                if both
                else (
                    " on the strand given",
                    f"--stride {self._stride}, or a track for --out, reads both strands",
                )
            )
            yield (
                f"note: {self.scanned:,} sequences of more than {10 * self._known.longest:,} bases were scanned "
                f"in windows of {self._known.median:,}{strand} (--whole scores them once; {track})"
            )
        if self.outside and self._known is not None:
            yield (
                f"warning: the model was trained on sequences of {self._known.text()}: its answers on others are "
                "guesses (columns length and unknown)"
            )
        if self.short:
            yield (
                f"note: {self.short:,} of them are shorter than a token of {self._width} bases: the model saw none of "
                "theirs"
            )

    def _cell(self, value: str | float) -> str:
        from ..evaluation.values import number_text

        return value if isinstance(value, str) else number_text(value, self._model.kind)

    def _pieces(self, given: "Iterator[Record]") -> "Iterator[Record]":
        from ..scan import Stretch, cut_windows
        from ..sequences.values import Interval, Record

        for record in given:
            size, at = len(record.sequence), record.place
            if self._options.whole or self._known is None or not self._known.is_contig(size):
                yield record
                continue
            self.scanned += 1
            contig, start, strand = (record.name, 0, "+") if at is None else (at.contig, at.start, at.strand)
            stretch = Stretch(record.name, contig, start, size, strand, size)
            for one in cut_windows(stretch, [record.sequence], self._known.median, self._stride):
                place = Interval(record.name, contig, one.start, one.end, strand)
                yield Record(record.name, one.sequence, record.source, record.number, place, place)

    def _place(self, record: "Record") -> list[str]:
        from ..runs.training_range import unknown_bases

        size, unknown, at = len(record.sequence), unknown_bases(record.sequence), record.place
        self.short += size < self._width
        self.outside += self._known is not None and self._known.outside(size, unknown)
        where = ["", "", "", ""] if at is None else [at.contig, str(at.start), str(at.end), at.strand]
        return [*where, str(size), str(unknown)]


def _spread(prediction: "Prediction") -> list[float]:
    return [] if prediction.spread is None else prediction.spread.tolist()
