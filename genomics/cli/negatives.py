"""`titans dna negatives`: what positives are compared with, alike in composition."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.errors import UserError, require_seed
from titans_seq.files import check_not_read

from .options import RecordOptions, load_options

_FASTA = (".fa", ".fasta")


@dataclass(frozen=True)
class Negatives:
    """Make negatives for positives: regions of a genome, or shuffled sequences.

    With an --out that ends in .bed: for each interval a region of the reference of the same length, with like GC
    content and share of repeats (lower case), which overlaps no positive. With one that ends in .fa: each sequence
    shuffled so that every pair of neighbours stays as frequent.
    """

    positives: Positional[Path]
    """Intervals (BED, peaks, GFF, a table), or for shuffles any file of sequences."""
    out: Path
    """File to write, .bed or .fa."""
    seed: int = 0
    """Of the choice."""
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)


def negatives(options: Negatives) -> None:
    """Choose or shuffle, and write."""
    from ..sequences.bad_records import Refuse
    from .progress import print_left_out, print_notes

    require_seed(options.seed, "--seed")
    suffix = options.out.suffix.lower()
    if options.out.is_dir() or suffix not in (".bed", *_FASTA):
        raise UserError(f"--out {options.out}: expected the name of a file that ends in .bed or .fa")
    check_not_read(options.out, options.positives, options.reading.reference)
    left_out: list[str] = []
    notes: Counter[str] = Counter()
    reading = load_options(options.reading)
    try:
        if suffix == ".bed":
            _regions(options, reading, Refuse(reading.skip_bad, left_out, notes))
        else:
            _shuffles(options, reading, left_out, notes)
    finally:
        print_left_out(left_out)
        print_notes(notes)


def _regions(options: Negatives, reading, refuse) -> None:  # noqa: ANN001 - of the sequences' room
    from titans_seq.files import write_text

    from ..sequences.labelled_intervals import holds_intervals
    from ..sequences.negatives import matched_negatives
    from ..sequences.sources import Reading, intervals_of

    reference = options.reading.reference
    if options.reading.window is not None or options.reading.edges != RecordOptions.edges:
        raise UserError("--window and --edges are for sequences that are cut: leave them out, or give --out x.fa")
    if reference is None:
        raise UserError(
            "regions are taken from a genome: give its FASTA file (--reference), or --out x.fa for shuffles"
        )
    if not holds_intervals(options.positives):
        raise UserError(f"{options.positives}: holds sequences, not intervals: give --out x.fa for shuffles of them")
    positives = list(intervals_of(options.positives, Reading(reading, None, refuse)))
    if not positives:
        raise UserError(f"{options.positives}: holds no usable interval: expected contig, start and end")
    found = matched_negatives(positives, reference, options.seed, refuse=refuse)
    if not found:
        raise UserError(f"{reference}: no region is like the positives and free of them: is the genome whole?")
    rows = [
        f"{one.interval.contig}\t{one.interval.start}\t{one.interval.end}\t{one.interval.name}\t0\t{one.interval.strand}\n"
        for one in found
    ]
    write_text(options.out, "".join(rows))
    for what in ("gc", "repeats"):
        pair = [sum(getattr(getattr(one, side), what) for one in found) / len(found) for side in ("positive", "found")]
        print(f"{'GC content' if what == 'gc' else what}: positives {pair[0]:.1%}, negatives {pair[1]:.1%}")
    missing = f"; {len(positives) - len(found):,} positives have none like them" if len(found) < len(positives) else ""
    print(f"written: {options.out}, {len(found):,} regions{missing}")


def _shuffles(options: Negatives, reading, left_out: list[str], notes: Counter[str]) -> None:  # noqa: ANN001
    import numpy as np

    from titans_seq.files import atomic_path

    from ..sequences.loading import read_all
    from ..sequences.shuffling import dinucleotide_shuffle
    from .records import check_reading

    check_reading([options.positives], options.reading)
    random, count = np.random.default_rng(options.seed), 0
    with atomic_path(options.out) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for record in read_all([options.positives], reading, left_out, notes):
            stream.write(f">{record.name} shuffled\n{dinucleotide_shuffle(record.sequence, random)}\n")
            count += 1
        if not count:
            raise UserError("there is no usable sequence in what is given, so nothing is written: check the files")
    print(f"written: {options.out}, {count:,} shuffled sequences")
