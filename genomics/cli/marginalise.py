"""`titans dna marginalise`: what a motif does to a prediction, alone and with another one at some distance."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import OmitArgPrefixes, Positional, arg

from titans_seq.commands import Inline, Maybe
from titans_seq.errors import UserError, require_seed
from titans_seq.experiment.settings import Hardware

from .options import ComputeOptions, RecordOptions

_STEPS, _SPACING = 60, "0:50"


@dataclass(frozen=True)
class Marginalise:
    """Put a motif into the middle of background sequences, and see what changes.

    Effects are mean changes of the log odds (or the value), with 95 % intervals over the backgrounds: of the motif, of
    a shuffle of it, and of shuffling it out where a background has it. With --with a second motif stands some bases
    behind the first: the effect of both, and what that is beyond the sum of each alone, against the distance.
    """

    run: Positional[Path]
    """Folder of a trained run, or of those of folds or seeds, whose mean is measured."""
    motif: str
    """Bases of the motif, such as TGACTCA."""
    out: Path
    """Folder for effects.csv, and with --with for spacing.csv and spacing.png."""
    background: Maybe[Path] = None
    """File with background sequences; random ones of the length the model was trained on if not given."""
    other: Annotated[Maybe[str], arg(name="with")] = None
    """Bases of a second motif."""
    spacing: str = _SPACING
    """Bases between the two: first:last, or first:last:step."""
    most: int = 200
    """Background sequences that are read."""
    target: Maybe[str] = None
    """Class or label; the second of two classes if not given."""
    seed: int = 0
    """Of shuffles, intervals and random backgrounds."""
    compute: Inline[ComputeOptions] = field(default_factory=ComputeOptions)
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)


def marginalise(options: Marginalise) -> None:
    """Measure and write."""
    from ..motifs import MarginalOptions, marginalise, spacings
    from ..motifs.report import draw_spacings, write_marginals, write_spacings
    from ..runs.members import load_model
    from .predict_models import note_on_places
    from .progress import note

    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    if options.most < 1:
        raise UserError(f"--most must be at least 1, got {options.most}")
    require_seed(options.seed, "--seed")
    if options.other is None and options.spacing != _SPACING:
        raise UserError("--spacing is between two motifs: name the second one (--with), or leave it out")
    if options.background is None and options.reading != RecordOptions():
        raise UserError("options on how files are read are for backgrounds: name their file (--background)")
    distances = parse_spacing(options.spacing)
    model = load_model(options.run, Hardware(options.compute.device).device())
    backgrounds = _backgrounds(options)
    how = MarginalOptions(options.target, seed=options.seed)
    effects = marginalise(model, options.motif, backgrounds, how)
    pairs = None
    if options.other is not None:
        note(f"pairs at {len(distances):,} distances", options.compute.progress)
        pairs = spacings(model, options.motif, options.other, distances, backgrounds, how)
    write_marginals(effects, options.out / "effects.csv")
    for one in effects:
        spread = "" if one.spread is None else f", spread of the models {one.spread:.2g}"
        interval = f"[{one.low:.4g}, {one.high:.4g}], {one.count:,} backgrounds{spread}"
        print(f"{options.motif} {one.what}: {one.mean:+.4g} {interval}")
    if len(effects) == 1:
        print(f"note: every shuffle of {options.motif} is the same word, so there is none to compare it with")
    print(f"written: {options.out / 'effects.csv'}")
    if pairs is None:
        for name in ("spacing.csv", "spacing.png"):  # of an earlier pair
            (options.out / name).unlink(missing_ok=True)
    else:
        write_spacings(pairs, options.out / "spacing.csv")
        draw_spacings(pairs, f"{options.motif} and {options.other}", options.out / "spacing.png")
        print(f"written: {options.out / 'spacing.csv'}\nwritten: {options.out / 'spacing.png'}")
    for line in note_on_places(model):
        print(line)


def parse_spacing(text: str) -> list[int]:
    """Return the distances that a text such as "0:200" or "0:200:10" names; of many about sixty of them.

    Raises:
        UserError: if it is none.

    Example:
        >>> parse_spacing("4:10:3")
        [4, 7, 10]
    """
    parts = text.split(":")
    if not 1 <= len(parts) <= 3 or not all(part.isdecimal() for part in parts):
        raise UserError(f"--spacing {text}: expected first:last or first:last:step, such as 0:200")
    first, last = int(parts[0]), int(parts[-1] if len(parts) < 3 else parts[1])
    step = int(parts[2]) if len(parts) == 3 else max((last - first) // _STEPS, 1)
    if last < first or step < 1:
        raise UserError(f"--spacing {text}: expected the first not above the last, and a step of at least 1")
    return list(range(first, last + 1, step))


def _backgrounds(options: Marginalise) -> list[str]:
    import itertools

    import numpy as np

    from ..runs.trained_on import training_range
    from .records import records

    if options.background is not None:
        with records([options.background], options.reading) as given:
            return [record.sequence for record in itertools.islice(given, options.most)]
    known = training_range(options.run)
    if known is None:
        raise UserError(f"{options.run} does not say what length it was trained on: give --background")
    print(f"backgrounds: {options.most:,} random sequences of {known.median:,} bases")
    letters = np.random.default_rng(options.seed).choice(list("ACGT"), (options.most, known.median))
    return ["".join(row) for row in letters]
