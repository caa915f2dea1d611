"""`titans dna motifs`: which motifs a classifier reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Inline, Maybe
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware
from titans_seq.files import check_not_read

from .options import ComputeOptions, RecordOptions

if TYPE_CHECKING:
    from ..explain import Attribution
    from ..motifs import Motif
    from ..motifs.report import Described
    from ..runs.members import Members
    from ..runs.predictor import Predictor
    from ..sequences.values import Record

_TABLE, _MATRICES, _SITES = "motifs.tsv", "motifs.meme", "sites.bed"


@dataclass(frozen=True)
class Motifs:
    """Find the motifs that predictions of many sequences rest on, and what they are like.

    What each base contributes is estimated by a gradient (or measured by mutagenesis); TF-MoDISco cuts out the windows
    that matter and groups them. Writes motifs.tsv, motifs.meme, sites.bed, a logo of each motif and motifs.html. Give
    some hundred sequences, best those of the class that is explained. The first run compiles for some minutes.
    """

    run: Positional[Path]
    """Folder of a trained run, or of those of folds or seeds, whose mean is explained."""
    sequences: Positional[tuple[Path, ...]]
    """Files with the sequences, see titans dna predict."""
    out: Path
    """Folder for what is written."""
    database: Maybe[Path] = None
    """Known motifs that those found are matched to, by Tomtom: a file of MEME, JASPAR, HOMER, HOCOMOCO or TRANSFAC."""
    target: Maybe[str] = None
    """Class or label to explain; the second of two classes if not given."""
    method: Literal["saliency", "mutagenesis"] = "saliency"
    """How contributions are computed."""
    most: int = 2000
    """Sequences that are read, from the first on."""
    fewest: int = 20
    """Sites that make a motif."""
    logo: Literal["png", "svg"] = "png"
    """Format of the logos."""
    compute: Inline[ComputeOptions] = field(default_factory=ComputeOptions)
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it comes to late, each with its extra."""
        return {"modiscolite": "motifs", "memelite": "motifs", "matplotlib": "genomics"}


def motifs(options: Motifs) -> None:
    """Find, match and write."""
    from ..explain import target_column, target_names
    from ..motifs import MotifOptions, discover
    from ..motifs.databases import read_database
    from ..runs.members import load_model
    from .predict_models import note_on_places
    from .progress import note

    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    for name in (_TABLE, _MATRICES, _SITES):
        check_not_read(options.out / name, *options.sequences, options.database, options.reading.reference)
    if options.most < 1:
        raise UserError(f"--most must be at least 1, got {options.most}")
    how = MotifOptions(fewest=options.fewest)
    database = None if options.database is None else read_database(options.database)
    model = load_model(options.run, Hardware(options.compute.device).device())
    column = target_column(model, options.target)
    target = target_names(model)[column]
    records = _records(options)
    note(f"explaining {len(records):,} sequences", options.compute.progress)
    attributions = _attributions(model, records, target, options.method)
    note("grouping what matters into motifs (the first run compiles for minutes, silently)", options.compute.progress)
    found = discover(attributions, how)
    if not found:
        raise UserError(
            f"no motif is found {options.fewest} times in the {len(records):,} sequences: give more sequences of "
            f"class {target!r}, a smaller --fewest, or a model with better scores"
        )
    _write(options, _described(options.run, model, found, attributions, records, database), records, target)
    for line in note_on_places(model):
        print(line)


def _records(options: Motifs) -> "list[Record]":
    import itertools

    from ..runs.trained_on import training_range
    from .records import records

    with records(options.sequences, options.reading) as given:
        held = list(itertools.islice(given, options.most))
    if not held:
        raise UserError("there is no usable sequence in what is given: check the files")
    known = training_range(options.run)
    long = next((one for one in held if known is not None and known.is_contig(len(one.sequence))), None)
    if long is not None:
        raise UserError(
            f"{long.name}: has {len(long.sequence):,} bases, far more than the model was trained on: give the "
            "intervals that it scores high, with --reference (titans dna predict --out x.bed finds them)"
        )
    return held


def _attributions(
    model: "Predictor | Members", records: "list[Record]", target: str, method: str
) -> "list[Attribution]":
    from ..explain import mutagenesis, saliencies

    if method == "mutagenesis":
        return [mutagenesis(model, record.sequence, target) for record in records]
    return list(saliencies(model, [record.sequence for record in records], target))


def _described(
    run: Path,
    model: "Predictor | Members",
    found: "list[Motif]",
    attributions: "list[Attribution]",
    records: "list[Record]",
    database: "dict | None",
) -> "list[Described]":
    from ..evaluation.values import called
    from ..motifs import effect_spread
    from ..motifs.matching import match, occurrences
    from ..motifs.report import Described
    from ..runs.decision import calibrated, read_decision

    counts = occurrences(found, [record.sequence for record in records]) > 0
    if model.kind == "classes":
        decision = read_decision(run)
        predictions = calibrated(model, decision).predictions(records)
        predicted = [called(one.probabilities, decision.threshold) for one in predictions]
        groups = {name: [each == number for each in predicted] for number, name in enumerate(model.classes)}
    else:
        groups = {"all": [True] * len(records)}
    matches = match(found, database) if database else [[] for _ in found]
    return [
        Described(
            motif,
            tuple(held),
            {name: int((row & chosen).sum()) for name, chosen in groups.items()},
            effect_spread(motif, attributions),
        )
        for motif, held, row in zip(found, matches, counts, strict=True)
    ]


def _write(options: Motifs, found: "list[Described]", records: "list[Record]", target: str) -> None:
    from ..motifs.matching import write_meme
    from ..motifs.report import draw_logo, write_page, write_sites, write_table

    out = options.out
    write_table(found, out / _TABLE)
    write_meme([one.motif for one in found], out / _MATRICES)
    write_sites(found, records, out / _SITES)
    logos = [out / "logos" / f"{one.motif.name}.{options.logo}" for one in found]
    for earlier in {*(out / "logos").glob("*.*")} - {*logos}:
        earlier.unlink()
    for one, logo in zip(found, logos, strict=True):
        draw_logo(one.motif, logo)
    write_page(found, logos, f"{len(found)} motifs of {target} in {len(records):,} sequences", out / "motifs.html")
    for one in found:
        like = f", like {one.matches[0].name} (p {one.matches[0].p_value:.2g})" if one.matches else ""
        motif = one.motif
        print(f"{motif.name}: {motif.consensus}, {len(motif.sites):,} sites, mean effect {motif.effect:+.3g}{like}")
    for name in (_TABLE, _MATRICES, _SITES, "logos", "motifs.html"):
        print(f"written: {out / name}")
