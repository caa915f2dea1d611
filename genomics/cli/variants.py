"""`titans dna variants`: what the variants of a VCF file do to a prediction."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from titans_seq.commands import Maybe, Several
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware
from titans_seq.progress import Progress

from .options import Device


@dataclass(frozen=True)
class Variants:
    """Score the variants of a VCF file: the prediction with the alternative minus that with the reference.

    Every alternative has a row; one that cannot be scored (symbolic, longer than the window) has a note in place of
    numbers. Scores are log odds, or values of a regression.
    """

    run: Positional[Path]
    """Folder of a trained run."""
    calls: Positional[Path]
    """VCF file, plain, gzip or bgzip."""
    reference: Path
    """FASTA file of the assembly that the calls were made on, plain, gzip or bgzip."""
    out: Path
    """CSV file to write."""
    window: Maybe[int] = None
    """Bases that the model reads around a variant; the median length it was trained on if not given."""
    target: Several = ()
    """Class or label to score, once for each; all (of two classes the second) if not given."""
    skip_bad: bool = False
    """Leave out, with a note, variants whose REF or contig is not in the reference."""
    device: Device = "auto"
    """What to compute on."""
    progress: Progress = "bar"
    """What to show meanwhile."""


def variants(options: Variants) -> None:
    """Write the scores."""
    from ..explain import VariantOptions, score_variants
    from ..runs.saving import load_classifier
    from ..sequences.reference import Reference
    from .progress import Counter
    from .records import check_csv

    check_csv(options.out)
    model = load_classifier(options.run, Hardware(options.device).device())
    window = options.window or _trained_length(options.run)
    how = VariantOptions(window, options.target or None, options.skip_bad)
    with Reference(options.reference) as reference, Counter(options.progress, "variants scored") as counter:
        report = score_variants(model, options.calls, reference, options.out, how, counter.advance)
    print(f"{report.text()}\nwritten: {options.out}, windows of {window:,} bases")


def _trained_length(run: Path) -> int:
    from titans_seq.experiment.record import read_config

    from ..runs.config import TrainRun

    try:
        return read_config(run, TrainRun).data.options["parts"]["train"]["median_length"]
    except (UserError, KeyError) as error:
        raise UserError(f"{run} does not say what length it was trained on: give --window") from error
