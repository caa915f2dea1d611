"""`titans dna predict`: predictions for sequences, any number of any length, as a table or along a genome."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Maybe
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware
from titans_seq.progress import Progress

from .options import Device, RecordOptions

if TYPE_CHECKING:
    from ..evaluation.values import Model
    from ..runs.decision import Decision
    from ..runs.predictor import Prediction
    from ..runs.training_range import TrainingRange
    from ..scan import Scanner
    from ..sequences.values import Record

PLACE = ("contig", "start", "end", "strand", "length", "unknown")
"""Columns behind the name; the first four are empty for sequences that were not cut out of others."""


@dataclass(frozen=True)
class ScanOptions:
    """Predictions along a genome, of windows that are --window long; with --stride, or a track for --out."""

    stride: Maybe[int] = None
    """Bases from one window to the next; half a window if not given."""
    target: Maybe[str] = None
    """Class or label whose probability is written to a track; the second of two classes if not given."""
    strand: Literal["both", "+", "-"] = "both"
    """Strand that a track is of; of both the larger score. A model that reads both strands has one score."""


@dataclass(frozen=True)
class Predict:
    """Predict sequences and write a row for each, in their order; or scan a genome, and write a track.

    Classes: the likeliest (or what the run's threshold says, see titans dna decide) and the probability of each;
    several labels: the probability of each; else the value. The columns contig, start, end and strand say where an
    interval was cut, length and unknown how many bases there are, and how many of them are not A, C, G or T. Only a few
    sequences are in memory at a time. A sequence of more than ten times the longest in training is scanned in windows.
    """

    run: Positional[Path]
    """Folder of a trained run, or of the runs of a cross-validation, whose mean predicts."""
    sequences: Positional[tuple[Path, ...]]
    """FASTA, FASTQ, GenBank, tables, intervals with --reference, or one sequence a line; plain, gzip or bgzip; - is
    standard input."""
    out: Path
    """File to write: .csv, or, for a scan, also .tsv, .bed, .bedGraph or .bw (bigWig)."""
    model: Literal["trained", "kmers", "positions", "cnn"] = "trained"
    """What predicts: the run's model, or a regression over k-mers or positions or a small convolutional network, fitted
    now on what it was trained on."""
    threshold: Maybe[float] = None
    """Smallest probability of the second of two classes that is called so, and that a window in a BED file has; the
    run's own if not given."""
    whole: bool = False
    """Score each sequence once, however long it is."""
    scan: OmitArgPrefixes[ScanOptions] = field(default_factory=ScanOptions)
    device: Device = "auto"
    """What to compute on."""
    progress: Progress = "bar"
    """What to show meanwhile."""
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)


def predict(options: Predict) -> None:
    """Write the predictions, or a track."""
    from .scan import is_scan, scan_files

    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise UserError(f"--threshold must be a probability in [0, 1], got {options.threshold}")
    if is_scan(options):
        scan_files(options)
        return
    from ..runs.predictor import prediction_columns
    from .records import check_csv, csv_rows, records

    check_csv(options.out)
    model, decision = load(options)
    _, *columns = prediction_columns(model.kind, model.classes)
    spreads = _spread_names(model)
    rows = _Rows(options, model, decision, _range(options.run))
    with records(options.sequences, options.reading) as given:
        header = ["name", *PLACE, *columns, *spreads]
        count = csv_rows(options.out, header, rows.of(given), options.progress, "sequences predicted")
    print(f"written: {options.out}, {count:,} {'rows' if rows.scanned else 'sequences'}{rows.outside_text()}")
    for line in rows.warnings():
        print(line)


def load(options: Predict) -> "tuple[Scanner, Decision]":
    """Return what predicts, and how it decides.

    Raises:
        UserError: if there is no such model, or a threshold is given and there are not two classes.
    """
    from ..runs.decision import Calibrated, Decision, read_decision
    from ..runs.members import Members, load_members, member_runs
    from ..runs.saving import load_classifier

    device = Hardware(options.device).device()
    decision = Decision()
    model: Any
    if options.model != "trained":
        model = Members([_baseline(run, options.model, device) for run in member_runs(options.run) or [options.run]])
    elif member_runs(options.run):
        model = load_members(options.run, device)
    else:
        model, decision = load_classifier(options.run, device), read_decision(options.run)
        model = model if decision.temperature == 1 else Calibrated(model, decision.temperature)
    if options.threshold is not None:
        if model.kind != "classes" or len(model.classes) != 2:
            raise UserError(
                f"--threshold is for models of two classes, this one has {len(model.classes)}: leave it out"
            )
        decision = Decision(options.threshold, decision.temperature)
    return model, decision


def _baseline(folder: Path, name: str, device: str) -> "Model":
    from ..runs.comparison import PREDICTING, chosen_baselines, like_network
    from ..runs.train_runs import own_parts

    run, parts = own_parts(folder)
    if parts.validation is None:
        raise UserError(f"the data of {folder} has no validation part, on which --model {name} is chosen")
    baselines = chosen_baselines("all", run.classifier.kind, like_network(run, device))
    baseline = next(one for one in baselines if PREDICTING.get(one.name) == name)
    return baseline.fit(parts.train, parts.validation, run.training.seed)


def _range(run: Path) -> "TrainingRange | None":
    from ..runs.members import member_runs
    from ..runs.train_runs import training_range

    return training_range(next(iter(member_runs(run)), run))


def _spread_names(model: "Scanner") -> list[str]:
    from ..runs.members import Members

    if not isinstance(model, Members) or len(model.models) < 2:
        return []
    return [f"spread_{name}" for name in model.classes or ("value",)]


class _Rows:
    """Rows of predictions, and a count of what is out of the model's depth."""

    def __init__(self, options: Predict, model: "Scanner", decision: "Decision", known: "TrainingRange | None") -> None:
        self._options, self._model, self._decision, self._known = options, model, decision, known
        tokenizer = getattr(getattr(getattr(model, "model", None), "config", None), "tokenizer", None)
        self._width = 1 if tokenizer is None else tokenizer.width
        self.outside = self.short = self.scanned = 0

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
            yield [str(name), *waiting[done], *map(_cell, [*cells, *_spread(prediction)])]
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
            yield (
                f"note: {self.scanned:,} sequences of more than {10 * self._known.longest:,} bases were scanned "
                f"in windows of {self._known.median:,} (--whole scores them once; see --stride for tracks)"
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

    def _pieces(self, given: "Iterator[Record]") -> "Iterator[Record]":
        from ..scan import Stretch, cut_windows
        from ..sequences.values import Interval, Record

        for record in given:
            size, at = len(record.sequence), record.interval
            if self._options.whole or self._known is None or not self._known.is_contig(size):
                yield record
                continue
            self.scanned += 1
            contig, start, strand = (record.name, 0, "+") if at is None else (at.contig, at.start, at.strand)
            stretch = Stretch(record.name, contig, start, size, strand, size)
            window = self._known.median
            for one in cut_windows(stretch, [record.sequence], window, max(window // 2, 1)):
                place = Interval(record.name, contig, one.start, one.end, strand)
                yield Record(record.name, one.sequence, record.source, record.number, place)

    def _place(self, record: "Record") -> list[str]:
        from ..runs.training_range import unknown_bases

        size, unknown, at = len(record.sequence), unknown_bases(record.sequence), record.interval
        self.short += size < self._width
        self.outside += self._known is not None and self._known.outside(size, unknown)
        where = ["", "", "", ""] if at is None else [at.contig, str(at.start), str(at.end), at.strand]
        return [*where, str(size), str(unknown)]


def _spread(prediction: "Prediction") -> list[float]:
    return [] if prediction.spread is None else prediction.spread.tolist()


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
