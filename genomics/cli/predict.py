"""`titans dna predict`: predictions for sequences, any number of any length, as CSV."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.experiment.settings import Hardware
from titans_seq.progress import Progress

from .options import Device, RecordOptions

if TYPE_CHECKING:
    from ..sequences.values import Record


@dataclass(frozen=True)
class Predict:
    """Predict sequences and write a row for each, in their order.

    Classes: the likeliest and the probability of each; several labels: the probability of each; else the value. Only a
    few sequences are in memory at a time.
    """

    run: Positional[Path]
    """Folder of a trained run."""
    sequences: Positional[tuple[Path, ...]]
    """FASTA, FASTQ, GenBank, tables, intervals with --reference, or one sequence a line; plain, gzip or bgzip."""
    out: Path
    """CSV file to write."""
    device: Device = "auto"
    """What to compute on."""
    progress: Progress = "bar"
    """What to show meanwhile."""
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)


def predict(options: Predict) -> None:
    """Write the predictions."""
    from ..runs.saving import load_classifier
    from .records import csv_rows, records

    model = load_classifier(options.run, Hardware(options.device).device())
    width, short = model.model.config.tokenizer.width, 0

    def counted(given: "Iterator[Record]") -> "Iterator[Record]":
        nonlocal short
        for record in given:
            short += len(record.sequence) < width
            yield record

    with records(options.sequences, options.reading) as given:
        rows = (_cells(model.row(prediction)) for prediction in model.predictions(counted(given)))
        count = csv_rows(options.out, model.columns, rows, options.progress, "sequences predicted")
    print(f"written: {options.out}, {count:,} sequences")
    if short:
        print(
            f"note: {short:,} of them are shorter than a token of {width} bases, so that the model saw none of theirs"
        )


def _cells(row: "list[str | float]") -> list[str]:
    return [cell if isinstance(cell, str) else f"{cell:.6g}" for cell in row]
