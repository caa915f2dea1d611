"""`titans dna variants`: what the variants of a VCF file do to a prediction."""

from dataclasses import dataclass, field
from pathlib import Path

from tyro.conf import Positional

from titans_seq.commands import Inline, Maybe, Several
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware
from titans_seq.files import check_not_read

from .options import ComputeOptions


@dataclass(frozen=True)
class Variants:
    """Score the variants of a VCF file: the prediction with the alternative minus that with the reference.

    Every alternative has a row; one that cannot be scored (symbolic, longer than the window) has a note in place of
    numbers. Scores are log odds, or values of a regression. A change has one score however it is written: alleles are
    left-aligned to the reference first, as bcftools norm does; the column normalised says where.
    """

    run: Positional[Path]
    """Folder of a trained run, or of those of folds or seeds: the mean of their scores, with its spread."""
    calls: Positional[Path]
    """VCF file, plain, gzip or bgzip."""
    reference: Path
    """FASTA file of the assembly that the calls were made on, plain, gzip or bgzip."""
    out: Path
    """File to write: CSV, or VCF, with the scores as INFO fields."""
    window: Maybe[int] = None
    """Bases that the model reads around a variant; the median length it was trained on if not given."""
    target: Several = ()
    """Class or label to score, once for each; all (of two classes the second) if not given."""
    skip_bad: bool = False
    """Leave out lines that are no variants, and score none whose REF or contig is not in the reference."""
    no_normalise: bool = False
    """Refuse alleles that are not left-aligned and as short as can be, in place of normalising them."""
    compute: Inline[ComputeOptions] = field(default_factory=ComputeOptions)


def variants(options: Variants) -> None:
    """Write the scores."""
    from ..explain import VariantOptions, score_variants
    from ..explain.variant_files import check_name
    from ..runs.members import load_model
    from ..runs.trained_on import training_range
    from ..sequences.reference import Reference
    from .predict_models import note_on_places
    from .progress import Counter, print_left_out

    check_name(options.out)
    check_not_read(options.out, options.calls, options.reference)
    model = load_model(options.run, Hardware(options.compute.device).device())
    known = training_range(options.run)
    if known is None and options.window is None:
        raise UserError(f"{options.run} does not say what length it was trained on: give --window")
    window = options.window if options.window is not None else known.median if known is not None else 0
    how = VariantOptions(window, options.target or None, options.skip_bad, not options.no_normalise)
    with Reference(options.reference) as reference, Counter(options.compute.progress, "variants scored") as counter:
        report = score_variants(model, options.calls, reference, options.out, how, counter.advance)
    print_left_out(report.left_out)
    print(f"{report.text()}\nwritten: {options.out}, windows of {window:,} bases")
    if known is not None and known.outside(window, 0):
        print(f"warning: the model was trained on {known.text()}: scores in windows of {window:,} bases are guesses")
    for line in note_on_places(model):
        print(line)
