"""`titans dna explain`: which bases of a sequence a prediction rests on."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Maybe
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware
from titans_seq.progress import Progress

from .options import Device, RecordOptions

if TYPE_CHECKING:
    from ..explain import Attribution
    from ..runs.predictor import Predictor


@dataclass(frozen=True)
class Explain:
    """Say what each base of a sequence contributes to a prediction, as CSV and as a picture with letters.

    Saliency is the gradient of the score times the embedding of each base; mutagenesis replaces every base by each of
    the others and predicts again.
    """

    run: Positional[Path]
    """Folder of a trained run."""
    sequences: Positional[Path]
    """File with the sequence, see titans dna predict."""
    out: Path
    """Folder for saliency and mutagenesis, .csv and .png each."""
    record: Maybe[str] = None
    """Name of the record; the first one if not given."""
    target: Maybe[str] = None
    """Class or label to explain; the second of two classes, the likeliest of several if not given."""
    span: Maybe[tuple[int, int]] = None
    """First and last position to explain, from 1; the whole sequence if not given."""
    method: Literal["both", "saliency", "mutagenesis"] = "both"
    """What to compute."""
    device: Device = "auto"
    """What to compute on."""
    progress: Progress = "bar"
    """What to show meanwhile."""
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)


def explain(options: Explain) -> None:
    """Compute, then write the tables and the pictures."""
    from ..explain import target_names, write_attribution
    from ..explain.pictures import MOST, draw_attribution
    from ..runs.saving import load_classifier

    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    model = load_classifier(options.run, Hardware(options.device).device())
    name, sequence = _chosen(options)
    target = _target(model, sequence, options.target)
    found = _attributions(options, model, sequence, target)
    (probabilities,) = model.predict_proba([sequence])
    predicted = zip(target_names(model), probabilities, strict=True)
    print(f"{name}, {len(sequence):,} bases: {', '.join(f'{each} {number:.4g}' for each, number in predicted)}")
    print(f"explained: {target}")
    for kind, attribution in found.items():
        write_attribution(attribution, options.out / f"{kind}.csv")
        print(f"written: {options.out / kind}.csv")
        if len(attribution.sequence) > MOST:
            print(f"note: a picture holds at most {MOST:,} bases: give --span for one")
            continue
        draw_attribution(attribution, options.out / f"{kind}.png", f"{name}: {kind}, {target}")
        print(f"written: {options.out / kind}.png")


def _chosen(options: Explain) -> tuple[str, str]:
    from .records import records

    with records([options.sequences], options.reading) as given:
        for record in given:
            if options.record in (None, record.name):
                return record.name, record.sequence
    wanted = "record" if options.record is None else f"record named {options.record!r}"
    raise UserError(f"{options.sequences}: has no {wanted}: check the file and the name")


def _target(model: "Predictor", sequence: str, target: str | None) -> str:
    from ..explain import target_column, target_names

    names = target_names(model)
    if target is None and len(names) > 2:
        target = names[int(model.logits([sequence])[0].argmax())]
    return names[target_column(model, target)]


def _attributions(options: Explain, model: "Predictor", sequence: str, target: str) -> "dict[str, Attribution]":
    from ..explain import mutagenesis, saliency, target_names
    from .progress import Counter

    first, last = options.span or (1, len(sequence))
    if not 1 <= first <= last <= len(sequence):
        raise UserError(f"--span {first} {last}: expected first and last of the positions 1 to {len(sequence)}")
    found = {}
    if options.method != "mutagenesis":
        values = model.saliency(sequence, target_names(model).index(target))
        found["saliency"] = saliency(sequence[first - 1 : last], values[first - 1 : last], target, first - 1)
    if options.method != "saliency":
        with Counter(options.progress, "substitutions predicted", 3 * (last - first + 1)) as counter:
            found["mutagenesis"] = mutagenesis(model, sequence, target, (first - 1, last), counter.advance)
    return found
