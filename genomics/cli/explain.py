"""`titans dna explain`: which bases of sequences a prediction rests on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from tyro.conf import OmitArgPrefixes, Positional, UseAppendAction

from titans_seq.commands import Inline, Maybe
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from .options import ComputeOptions, RecordOptions

if TYPE_CHECKING:
    from ..explain import Attribution
    from ..explain.spans import Context
    from ..runs.members import Members
    from ..runs.predictor import Predictor
    from ..sequences.values import Interval, Record

Method = Literal["saliency", "mutagenesis"]

_MOST_BASES, _SHOWN, _LONG_NAME = 20_000, 8, 60


@dataclass(frozen=True)
class Explain:
    """Say what each base of a sequence contributes to a prediction, as tables and as pictures with letters.

    Mutagenesis replaces every base by each of the others and predicts again; saliency estimates the same from one
    gradient. How far the two agree is printed: where they differ, believe mutagenesis. Of a long sequence the model
    reads a window about each base, not all of it. With --all the records of a file are explained, with a mean by
    position and, in attributions.npz, what TF-MoDISco and tangermeme read.
    """

    run: Positional[Path]
    """Folder of a trained run, or of those of folds or seeds, whose mean is explained."""
    sequences: Positional[Path]
    """File with the sequences, see titans dna predict."""
    out: Path
    """Folder for what is written; what an earlier call wrote there goes."""
    record: Maybe[str] = None
    """Name of the record, or its whole header line; the first one if not given."""
    all: bool = False
    """Explain every record."""
    target: Maybe[str] = None
    """Class or label to explain; the second of two classes if not given, and of several the likeliest for the
    record; --all needs a choice among several."""
    span: Maybe[tuple[int, int]] = None
    """First and last position to explain, from 1; the whole sequence if not given."""
    method: Literal["both", "saliency", "mutagenesis"] = "both"
    """What to compute."""
    format: UseAppendAction[tuple[Literal["png", "svg", "pdf", "npz", "bigwig"], ...]] = ()
    """What to write beside the tables, once for each; pictures as png if not given, and npz with --all."""
    compute: Inline[ComputeOptions] = field(default_factory=ComputeOptions)
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it comes to late, each with its extra."""
        return {"matplotlib": "genomics"}


def explain(options: Explain) -> None:
    """Compute, then write the tables and the pictures."""
    from ..runs.members import load_model
    from .predict_models import note_on_places

    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    if options.all and (options.record is not None or options.span is not None):
        raise UserError("--all explains whole records: leave out --record and --span")
    model = load_model(options.run, Hardware(options.compute.device).device())
    records = list(_chosen(options))
    if "bigwig" in options.format:
        _check_big_wig(options, records)
    target = _target(model, records, options.target)
    for record in records[:1] if not options.all else ():
        _print_prediction(options, model, record)
    print(f"explained: {target}")
    methods = _methods(options)
    found: dict[Method, list[Attribution]] = {
        method: _attributions(options, model, records, target, method) for method in methods
    }
    if len(found) == 2:
        _print_agreement(*found.values())
    for path in _earlier(options.out):
        path.unlink()
    for method, attributions in found.items():
        _write(options, records, attributions, method)
    for line in note_on_places(model):
        print(line)


def _earlier(out: Path) -> list[Path]:
    """Return what an earlier call left of other records, targets or formats, which would be taken for this one's."""
    suffixes = ("csv", "png", "svg", "pdf", "npz", "bw")
    names = (f"{method}.{suffix}" for method in get_args(Method) for suffix in suffixes)
    return [out / name for name in names if (out / name).is_file()]


def _methods(options: Explain) -> tuple[Method, ...]:
    if options.method == "both":
        return ("saliency", "mutagenesis")
    return (options.method,)


def _chosen(options: Explain) -> "Iterator[Record]":
    from .records import records

    found, seen = False, []
    with records([options.sequences], options.reading, windows=True) as given:
        for record in given:
            if options.all or options.record is None or options.record.strip() in (record.name, record.title):
                found = True
                yield record
                if not options.all:
                    break
            if len(seen) <= _SHOWN:
                seen.append(record.title or record.name)
    if found:
        return
    if options.record is None:
        raise UserError(f"{options.sequences}: has no record: check the file")
    shown = ", ".join(map(repr, seen[:_SHOWN])) + (", ..." if len(seen) > _SHOWN else "")
    raise UserError(f"{options.sequences}: has no record named {options.record!r}: its records are {shown}")


def _target(model: "Predictor | Members", records: "list[Record]", target: str | None) -> str:
    from ..explain import likeliest_target, target_column, target_names

    if target is None and len(records) == 1:
        target = likeliest_target(model, records[0].sequence)
    return target_names(model)[target_column(model, target)]


def _contexts(options: Explain, record: "Record") -> "list[Context]":
    """Return the pieces of the span that is asked for, each with the window that the model reads about it."""
    from ..explain.spans import contexts
    from ..runs.trained_on import training_range

    size = len(record.sequence)
    first, last = options.span or (1, size)
    if not 1 <= first <= last <= size:
        raise UserError(f"--span {first} {last}: expected first and last of the positions 1 to {size}")
    if last - first >= _MOST_BASES:
        raise UserError(
            f"{record.name}: has {size:,} bases: give the part to explain, at most {_MOST_BASES:,} (--span)"
        )
    known = training_range(options.run)
    window = options.reading.window if record.interval is None else None
    if window is None and known is not None and size > 2 * known.longest:
        window = known.median
    return list(contexts(size, first - 1, last, window))


def _print_prediction(options: Explain, model: "Predictor | Members", record: "Record") -> None:
    from ..evaluation.values import called
    from ..explain import target_names
    from ..runs.decision import calibrated, read_decision

    first, *more = _contexts(options, record)
    decision = read_decision(options.run)
    (found,) = calibrated(model, decision).predictions([record.sequence[first.window_start : first.window_end]])
    numbers = zip(target_names(model), found.probabilities, strict=True)
    digits = ".9g" if model.kind == "regression" else ".4g"
    shown = ", ".join(f"{name} {number:{digits}}" for name, number in numbers)
    if decision.threshold is not None:
        chosen = model.classes[int(called(found.probabilities, decision.threshold))]
        shown += f"; called {chosen}, by the threshold {decision.threshold:.4g} of titans dna decide"
    size = first.window_end - first.window_start
    part = (
        ""
        if size == len(record.sequence)
        else f" of {len(record.sequence):,}, in a window from {first.window_start + 1:,}"
    )
    others = f" (the first of {len(more) + 1:,} windows)" if more else ""
    print(f"{_short(record.name)}, {size:,} bases{part}: {shown}{others}")


def _attributions(
    options: Explain, model: "Predictor | Members", records: "list[Record]", target: str, method: Method
) -> "list[Attribution]":
    from ..explain import mutagenesis, saliency
    from ..explain.spans import explain_span
    from .progress import Counter

    parts = [_contexts(options, record) for record in records]
    each = 1 if method == "saliency" else 3
    total = each * sum(one.end - one.start for held in parts for one in held)
    done = 0
    found = []

    def explained(text: str, at: tuple[int, int]) -> "Attribution":
        if method == "saliency":
            return saliency(model, text, target, at)
        return mutagenesis(model, text, target, at, lambda more: counter.advance(done + more))

    with Counter(
        options.compute.progress, "substitutions predicted" if each == 3 else "bases explained", total
    ) as counter:
        for record, held in zip(records, parts, strict=True):
            found.append(explain_span(explained, record.sequence, held))
            done += each * sum(one.end - one.start for one in held)
            counter.advance(done)
    return found


def _print_agreement(one: "list[Attribution]", other: "list[Attribution]") -> None:
    import numpy as np

    from ..explain import agreement

    values = [agreement(a, b) for a, b in zip(one, other, strict=True)]
    known = [value for value in values if np.isfinite(value)]
    if known:
        mean = f"mean correlation over {len(known):,} sequences" if len(known) > 1 else "correlation"
        print(f"saliency and mutagenesis agree: {mean} {np.mean(known):.2f}; where they differ, believe mutagenesis")


def _write(options: Explain, records: "list[Record]", attributions: "list[Attribution]", method: Method) -> None:
    from ..explain import write_attribution
    from ..explain.exports import write_npz
    from ..explain.pictures import MOST, draw_attribution, draw_mean
    from ..explain.tables import write_mean

    formats = options.format or (("png", "npz") if options.all else ("png",))
    written = []

    def path(suffix: str) -> Path:
        written.append(options.out / f"{method}.{suffix}")
        return written[-1]

    if options.all:
        write_mean(attributions, path("csv"))
    else:
        write_attribution(attributions[0], path("csv"))
    for form in dict.fromkeys(formats):
        if form == "npz":
            write_npz(attributions, [record.name for record in records], path("npz"))
        elif form == "bigwig":
            _write_big_wig(options, records, attributions, path("bw"))
        elif options.all:
            draw_mean(
                attributions, path(form), f"{len(attributions):,} sequences: {method}, {_class_text(attributions[0])}"
            )
        elif len(attributions[0].sequence) > MOST:
            print(f"note: a picture holds at most {MOST:,} bases: give --span for one")
        else:
            title = f"{_short(records[0].name)}: {method}, {_class_text(attributions[0])}"
            draw_attribution(attributions[0], path(form), title)
    for each in written:
        print(f"written: {each}")


def _short(name: str) -> str:
    return name if len(name) <= _LONG_NAME else f"{name[:_LONG_NAME]}..."


def _class_text(attribution: "Attribution") -> str:
    return attribution.target if attribution.target == "value" else f"class {attribution.target}"


def _check_big_wig(options: Explain, records: "list[Record]") -> None:
    """Refuse what no bigWig file can hold, before anything is computed."""
    from ..explain.exports import check_big_wig, on_genome

    pieces = [(_place(record), _contexts(options, record)) for record in records]
    check_big_wig([on_genome(place, held[0].start, held[-1].end) for place, held in pieces])


def _place(record: "Record") -> "Interval":
    """Return the bases of a genome that a record is of; one that was not cut from a contig is its own."""
    from ..sequences.values import Interval

    return record.place or Interval(record.name, record.name, 0, len(record.sequence), "+")


def _write_big_wig(options: Explain, records: "list[Record]", attributions: "list[Attribution]", path: Path) -> None:
    from ..explain.exports import write_big_wig
    from ..sequences.reference import Reference

    places = [_place(record) for record in records]
    sizes = {place.contig: place.end for place in places}
    if options.reading.reference is not None and any(record.interval for record in records):
        with Reference(options.reading.reference) as reference:
            sizes = {contig: len(reference.contig(contig)) for contig in sizes}
    write_big_wig(attributions, places, sizes, path)
