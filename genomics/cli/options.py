"""Options that several verbs of `titans dna` share; light, so that help loads nothing heavy."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from titans_seq.commands import Maybe, Several, short
from titans_seq.errors import UserError
from titans_seq.progress import Progress

if TYPE_CHECKING:
    from ..models import EncoderConfig
    from ..sequences.options import LoadOptions
    from ..tokens import Tokenizer

Device = Literal["auto", "cpu", "cuda"]
Baselines = Literal["all", "quick", "none"]


@dataclass(frozen=True)
class ComputeOptions:
    """What to compute on, and what to show."""

    device: Device = "auto"
    """What to compute on."""
    progress: Progress = "bar"
    """What to show meanwhile."""


@dataclass(frozen=True)
class ComparisonOptions:
    """The simple models that stand beside it, and how sure the scores are."""

    baselines: Baselines = "all"
    """Simple models to stand beside it; quick leaves out the network. A resumed run does not remember which."""
    bootstrap: int = 1000
    """Draws for the 95 % intervals; 0 for none. A resumed run does not remember how many."""


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
class ReadingOptions(RecordOptions):
    """What is not given is found out, or refused with the remedy in the message."""

    label: Several = ()
    """Column with labels, once for each; one named label, class, ... if not given."""
    kind: Maybe[Literal["classes", "multilabel", "regression"]] = None
    """What the labels are; classes for one column, multilabel (0 or 1) for several if not given."""


R = TypeVar("R", bound=RecordOptions)


@dataclass(frozen=True)
class EncoderOptions:
    """What is not given is as described; with --init the encoder and its tokens are those of the pretraining run."""

    preset: Maybe[Literal["tiny", "small", "medium", "large"]] = None
    """Size: small (taken if not given) is 2 blocks of width 128, medium 4 of 104, large 8 of 256."""
    mixer: Maybe[Literal["memory", "identity"]] = None
    """Neural memory, or identity (no sequence mixing at all), the control; memory if not given."""
    stem: Maybe[Literal["convolutions", "none"]] = None
    """Convolutions in front, which make nine bases one step, or none, a step a base; convolutions if not given."""
    kmer: Maybe[int] = None
    """Bases of a token; 1 if not given."""
    stride: Maybe[int] = None
    """Bases from one token to the next; 1 if not given."""
    directions: Maybe[Literal["forward", "both"]] = short("encoder.directions")
    """Read from the first base on, or from both ends; forward, or as pretrained, if not given."""
    dropout: Maybe[float] = short("encoder.dropout")
    """Share of what the blocks read that training leaves out; 0.1, or as pretrained, if not given."""


@dataclass(frozen=True)
class PoolingOptions:
    """How features become predictions."""

    pooling: Maybe[Literal["mean", "mean-max", "last", "attention"]] = short("pooling")
    """How the features of all steps become those of the sequence; mean-max if not given."""


@dataclass(frozen=True)
class HeadOptions(PoolingOptions):
    """How features become predictions."""

    strands: Maybe[Literal["auto", "given", "augment", "average", "equivariant"]] = short("strands")
    """As given; average: the mean of both in prediction; augment: that, and either at random in training; equivariant:
    the mean of both in training, too. auto (taken if not given): given or augment, whichever quick linear models find
    on the training part."""
    places: Maybe[int] = short("places")
    """First bases that have weights of their own at each place, for what matters where it stands; 0 for none. All or
    none, as quick linear models find on the training part, if not given."""
    words: Maybe[int] = short("words")
    """Longest k-mers whose weights a regression adds after training, as much as lowers the loss of validation, and
    likewise for places; 0 for none. 6 if not given."""


def encoder_of(
    options: EncoderOptions, init: Path | None = None, config: Path | None = None
) -> "tuple[EncoderConfig, Tokenizer] | None":
    """Return the encoder that options name and what it reads; None if none is named.

    Args:
        options: the options.
        init: run whose pretrained encoder is taken.
        config: run, or its configuration, whose encoder is taken.

    Raises:
        UserError: if one is named and another is taken.
    """
    named = [name for name in ("preset", "mixer", "stem", "kmer", "stride") if getattr(options, name) is not None]
    if not named:
        return None
    if init is not None:
        raise UserError(f"--{named[0]} is that of the pretrained encoder in --init {init}: leave it out")
    if config is not None:
        raise UserError(
            f"--{named[0]} is that of the encoder in --config {config}: leave it out, or change the encoder with --set"
        )
    from ..runs.building import PRESET, new_encoder, new_tokenizer

    encoder = new_encoder(options.preset or PRESET, options.mixer or "memory", options.stem != "none")
    return encoder, new_tokenizer(options.kmer, options.stride)


def reading_of(options: "LoadOptions", kind: type[R]) -> R:
    """Return the options, of labelled data or of any, that stand for how a run reads its data.

    The columns of labels are left out, for those on the command line would be added to them.
    """
    given: dict[str, Any] = {one.name: getattr(options, one.name) for one in fields(kind) if one.name != "label"}
    given["reference"] = None if options.reference is None else Path(options.reference)
    return kind(**given)


def load_options(options: RecordOptions) -> "LoadOptions":
    """Return how data is read; a reference is found again from any folder."""
    from ..sequences.options import LoadOptions

    labelled = isinstance(options, ReadingOptions)
    return LoadOptions(
        sequence=options.sequence,
        labels=options.label if labelled else (),
        kind=options.kind if labelled else None,
        reference=None if options.reference is None else str(options.reference.resolve()),
        window=options.window,
        edges=options.edges,
        skip_bad=options.skip_bad,
    )
