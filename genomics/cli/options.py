"""Options that several verbs of `titans dna` share; light, so that help loads nothing heavy."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from titans_seq.options import Maybe, Several
from titans_seq.progress import Progress, usual

Device = Literal["auto", "cpu", "cuda"]
Baselines = Literal["all", "quick", "none"]


@dataclass(frozen=True)
class RunOptions:
    """Where it goes, what is there already, and what computes it."""

    out: Path
    """Folder of the run; nothing is written anywhere else."""
    resume: bool = False
    """Go on with the stopped run in --out, with its settings."""
    overwrite: bool = False
    """Replace the run in --out."""
    device: Device = "auto"
    """What to compute on."""
    progress: Progress = field(default_factory=usual)
    """What to show meanwhile; in a file, lines if not given."""


@dataclass(frozen=True)
class ComparisonOptions:
    """The simple models that stand beside it, and how sure the scores are."""

    baselines: Baselines = "all"
    """Simple models to stand beside it; quick leaves out the network."""
    bootstrap: int = 1000
    """Draws for the 95 % intervals; 0 for none."""


@dataclass(frozen=True)
class ReadingOptions:
    """What is not given is found out, or refused with the remedy in the message."""

    sequence: Maybe[str] = None
    """Column of a table with the sequences; one named sequence, seq, ... if not given."""
    label: Several = ()
    """Column with labels, once for each; one named label, class, ... if not given."""
    kind: Maybe[Literal["classes", "multilabel", "regression"]] = None
    """What the labels are; classes for one column, multilabel (0 or 1) for several if not given."""
    reference: Maybe[Path] = None
    """FASTA file from which intervals (BED, peaks, GFF, or columns region, start, end) are cut."""
    window: Maybe[int] = None
    """Bases around the middle, or the summit, of each interval; the interval itself if not given."""
    edges: Literal["refuse", "shift", "fill"] = "refuse"
    """What becomes of a window that leaves its contig: refused, moved inward, or filled with N."""
    skip_bad: bool = False
    """Leave out records that cannot be used, and count them."""


@dataclass(frozen=True)
class RecordOptions:
    """What is not given is found out, or refused with the remedy in the message."""

    sequence: Maybe[str] = None
    """Column of a table with the sequences; one named sequence, seq, ... if not given."""
    reference: Maybe[Path] = None
    """FASTA file from which intervals (BED, peaks, GFF, or columns region, start, end) are cut."""
    window: Maybe[int] = None
    """Bases around the middle, or the summit, of each interval; the interval itself if not given."""
    edges: Literal["refuse", "shift", "fill"] = "refuse"
    """What becomes of a window that leaves its contig: refused, moved inward, or filled with N."""
    skip_bad: bool = False
    """Leave out records that cannot be used, and count them."""


@dataclass(frozen=True)
class ModelOptions:
    """What is not given is as described; with --init the encoder and its tokens are those of the pretraining run."""

    preset: Maybe[Literal["tiny", "small", "medium", "large"]] = None
    """Size: small (taken if not given) is 2 blocks of width 128, medium 4 of 104, large 8 of 256."""
    mixer: Maybe[Literal["memory", "identity"]] = None
    """Neural memory, or identity (no sequence mixing at all), the control; memory if not given."""
    stem: Maybe[Literal["convolutions", "none"]] = None
    """Convolutions in front, which make nine bases one step, or none, a step a base; convolutions if not given."""
    directions: Maybe[Literal["forward", "both"]] = None
    """Read from the first base on, or from both ends; forward, or as pretrained, if not given."""
    kmer: Maybe[int] = None
    """Bases of a token; 1 if not given."""
    stride: Maybe[int] = None
    """Bases from one token to the next; 1 if not given."""


@dataclass(frozen=True)
class HeadOptions:
    """How features become predictions."""

    pooling: Literal["mean", "mean-max", "last", "attention"] = "mean-max"
    """How the features of all steps become those of the sequence."""
    strands: Maybe[Literal["given", "augment", "average", "equivariant"]] = None
    """As given (taken if not given); average: the mean of both in prediction; augment: that, and either at random in
    training; equivariant: the mean of both in training, too."""


@dataclass(frozen=True)
class TrainingOptions:
    """What is not given takes its default, which the run's config.yaml shows."""

    epochs: Maybe[int] = None
    """Passes over the training part; the best of them is kept."""
    patience: Maybe[int] = None
    """Stop after so many epochs without a better validation score; all are trained if not given, as the learning rate
    falls to zero over them and the best come late."""
    monitor: Maybe[Literal["mcc", "loss"]] = None
    """Validation score that decides; mcc for classes, loss otherwise if not given."""
    class_weights: Literal["none", "balanced"] = "none"
    """Weigh each class by how rare it is."""
    rows: Maybe[int] = None
    """Sequences of a step."""
    lr: Maybe[float] = None
    """Largest learning rate."""
    weight_decay: Maybe[float] = None
    """Of matrices."""
    dropout: Maybe[float] = None
    """Share of what the blocks read that training leaves out."""
    mutations: Maybe[float] = None
    """Share of the bases that training draws anew; 0.05 to 0.1 for a set that would be learnt by heart."""
