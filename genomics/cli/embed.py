"""`titans dna embed`: features of sequences, or of the steps in which the model reads them, as CSV."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Inline
from titans_seq.experiment.settings import Hardware

from .options import ComputeOptions, RecordOptions

if TYPE_CHECKING:
    from ..runs.predictor import Predictor
    from ..sequences.values import Record


@dataclass(frozen=True)
class Embed:
    """Write what the encoder makes of each sequence: the mean of its features over all steps, or each step's own.

    The mean is over both strands where the model's predictions are; a step's features are those of the strand given. A
    step is a base, or a window of them where the model has a stem or reads k-mers.
    """

    run: Positional[Path]
    """Folder of a trained run, or of a pretraining run."""
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
    from ..runs.saving import load_embedder
    from .records import csv_rows, records

    model = load_embedder(options.run, Hardware(options.compute.device).device())
    names = [f"feature_{number}" for number in range(1, model.model.config.encoder.dim + 1)]
    with records(options.sequences, options.reading) as given:
        if options.per_step:
            rows, header, what = _of_steps(model, given), ["name", "position", *names], "steps embedded"
        else:
            rows, header, what = _of_sequences(model, given), ["name", *names], "sequences embedded"
        count = csv_rows(options.out, header, rows, options.compute.progress, what)
    print(f"written: {options.out}, {count:,} rows of {len(names)} features")


def _of_sequences(model: "Predictor", given: "Iterable[Record]") -> Iterator[list[str]]:
    for name, features in model.embeddings(given):
        yield [name, *(f"{number:.6g}" for number in features)]


def _of_steps(model: "Predictor", given: "Iterable[Record]") -> Iterator[list[str]]:
    step = model.model.config.tokenizer.step * model.model.config.encoder.window
    for record in given:
        position = 1
        for piece in model.embed_steps(record):
            for features in piece:
                yield [record.name, str(position), *(f"{number:.6g}" for number in features)]
                position += step
