"""Options of `titans dna predict`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Inline, Maybe

from .options import ComputeOptions, RecordOptions


@dataclass(frozen=True)
class ScanOptions:
    """Predictions along a genome, of windows that are --window long; with --stride, or a track for --out."""

    stride: Maybe[int] = None
    """Bases from one window to the next; half a window if not given."""
    target: Maybe[str] = None
    """Class or label whose probability is written to a track; the second of two classes if not given."""
    strand: Literal["both", "+", "-"] = "both"
    """Strand of the genome that a track is of, whatever strand intervals are on; of both the larger score. A model that
    reads both strands has one score."""


@dataclass(frozen=True)
class Predict:
    """Predict sequences and write a row for each, in their order; or scan a genome, and write a track.

    Classes: the likeliest (or what the run's threshold says, see titans dna decide) and the probability of each;
    several labels: the probability of each; else the value. The columns contig, start, end and strand say which bases
    were read for an interval (with --window, those around it), length and unknown how many there are, and how many of
    them are not A, C, G or T. Only a few sequences are in memory at a time. A sequence of more than ten times the
    longest in training is scanned in windows, on its own strand; tracks are of both.
    """

    run: Positional[Path]
    """Folder of a trained run, or of the runs of folds or seeds, whose mean predicts."""
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
    compute: Inline[ComputeOptions] = field(default_factory=ComputeOptions)
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)
