"""`titans forecast samples`: a sheet of made-up series."""

from dataclasses import dataclass
from pathlib import Path

from titans_seq.errors import require_seed


@dataclass(frozen=True)
class Samples:
    """Draw made-up series as the zero-shot forecaster is pretrained on: a row of every process, and two of all."""

    out: Path = Path("samples.png")
    """Picture to write: .png, .pdf or .svg."""
    seed: int = 0
    """Of the series."""
    length: int = 200
    """Steps of each series."""
    columns: int = 4
    """Series of each row."""


def samples(options: Samples) -> None:
    """Draw the sheet."""
    from ..synthetic.pictures import plot_samples

    require_seed(options.seed, "--seed")
    plot_samples(options.out, seed=options.seed, length=options.length, columns=options.columns)
    print(f"written: {options.out}")
