"""`titans dna embed`: features of sequences, or of the steps in which the model reads them, as CSV."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Inline
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware
from titans_seq.files import check_not_read

from .options import ComputeOptions, RecordOptions

if TYPE_CHECKING:
    import numpy as np

    from ..runs.predictor import Predictor
    from ..sequences.values import Record


@dataclass(frozen=True)
class Embed:
    """Write what the encoder makes of each sequence: the mean of its features over all steps, or each step's own.

    The mean is over both strands where the model's predictions are; a step's features are those of the strand given. A
    step is a base, or a window of them where the model has a stem or reads k-mers. The features of the runs of folds or
    seeds stand side by side, in columns such as seed-0_feature_1: no mean of theirs would mean anything.
    """

    run: Positional[Path]
    """Folder of a trained run, of a pretraining run, or of the runs of folds or seeds."""
    sequences: Positional[tuple[Path, ...]]
    """FASTA, FASTQ, GenBank, tables, intervals with --reference, or one sequence a line; plain, gzip or bgzip."""
    out: Path
    """CSV file to write."""
    per_step: bool = False
    """A row for each step of the model, with the position of its first base, in place of each sequence."""
    compute: Inline[ComputeOptions] = field(default_factory=ComputeOptions)
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)


def embed(options: Embed) -> None:
    """Write the features."""
    from ..runs.saving import load_embedders
    from .records import csv_rows, records

    check_not_read(options.out, *options.sequences, options.reading.reference)
    models = load_embedders(options.run, Hardware(options.compute.device).device())
    names = [
        f"{name}_feature_{number}" if name else f"feature_{number}"
        for name, model in models.items()
        for number in range(1, model.model.config.encoder.dim + 1)
    ]
    with records(options.sequences, options.reading) as given:
        if options.per_step:
            header, what = ["name", "position", *names], "steps embedded"
            rows = _of_steps(list(models.values()), given)
        else:
            header, what = ["name", *names], "sequences embedded"
            rows = _of_sequences(list(models.values()), given)
        count = csv_rows(options.out, header, rows, options.compute.progress, what)
    print(f"written: {options.out}, {count:,} rows of {len(names)} features")


def _of_sequences(models: "list[Predictor]", given: "Iterable[Record]") -> Iterator[list[str]]:
    # Each model reads a few batches ahead of what it gives, so no more is held for the others.
    streams = itertools.tee(given, len(models))
    embedded = (model.embeddings(stream) for model, stream in zip(models, streams, strict=True))
    for of_one in zip(*embedded, strict=True):
        yield [of_one[0][0], *_cells(features for _, features in of_one)]


def _of_steps(models: "list[Predictor]", given: "Iterable[Record]") -> Iterator[list[str]]:
    steps = {model.model.config.tokenizer.step * model.model.config.encoder.window for model in models}
    if len(steps) > 1:
        raise UserError("the runs read steps of unlike lengths, which have no rows in common: name one of them")
    (step,) = steps
    for record in given:
        position = 1
        for pieces in zip(*(model.embed_steps(record) for model in models), strict=True):
            for features in zip(*pieces, strict=True):
                yield [record.name, str(position), *_cells(features)]
                position += step


def _cells(features: "Iterable[np.ndarray]") -> Iterator[str]:
    return (f"{number:.6g}" for of_one in features for number in of_one)
