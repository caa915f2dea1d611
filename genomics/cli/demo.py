"""`titans dna demo`: made-up sequences with a motif on either strand, from nothing to an explained prediction."""

import csv
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from titans_seq.commands import run_in_turn
from titans_seq.files import atomic_path, write_text

if TYPE_CHECKING:
    from ..sequences.values import LabelledSequences

LENGTH = 60


@dataclass(frozen=True)
class Demo:
    """Train a classifier on made-up DNA with a motif on either strand, compare it, and explain a prediction.

    Each step is a command that is printed first. Nothing is downloaded. It takes about a minute of computing.
    """

    out: Path = Path("runs/demo-dna")
    """Folder for all that it writes; the run of an earlier demonstration in it is replaced."""
    count: int = 1200
    """Training sequences."""
    epochs: int = 10
    """Most epochs of training."""
    preset: str = "small"
    """Size of the model, see titans dna train."""

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it comes to late, each with its extra."""
        return {"matplotlib": "genomics"}


def demo(options: Demo) -> None:
    """Make the data, then check, train, predict and explain."""
    from .main import GROUP

    write_data(options.out / "data", options.count)
    write_one(options.out / "one.fa")
    names = ("data", "run", "one.fa", "scores.csv", "explained")
    data, run, one, scores, explained = (shlex.quote(str(options.out / name)) for name in names)
    # The motif stands on either strand, so a sequence and its reverse complement should have one answer.
    model = f"--preset {shlex.quote(options.preset)} --strands augment --epochs {options.epochs}"
    lines = (
        f"check {data}",
        f"train {data} --out {run} {model} --overwrite --progress lines",
        f"predict {run} {one} --out {scores} --progress none",
        f"explain {run} {one} --out {explained} --progress none",
    )
    run_in_turn(GROUP, lines, "titans dna")
    out = options.out.resolve()
    print(f"\ndone: scores and pictures are in {out / 'run' / 'evaluation'}, the explained sequence in")
    print(f"  {out / 'explained' / 'mutagenesis.png'}")


def write_data(folder: Path, count: int) -> None:
    """Write train.csv, dev.csv and test.csv, half of the sequences with the motif.

    Raises:
        UserError: if there are fewer than two sequences for a part.
    """
    from ..synthetic import planted_motifs

    for seed, (part, number) in enumerate({"train": count, "dev": count // 4, "test": count // 2}.items()):
        made = planted_motifs(number, LENGTH, seed)
        with (
            atomic_path(folder / f"{part}.csv") as temporary,
            open(temporary, "w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "sequence", "label"])
            writer.writerows(rows(made))


def rows(data: "LabelledSequences") -> list[tuple[str, str, str]]:
    """Name, sequence and class of each."""
    return [
        (name, sequence, data.classes[label])
        for name, sequence, label in zip(data.names, data.sequences, data.labels, strict=True)
    ]


def write_one(path: Path) -> None:
    """Write a sequence with the motif that is in no part."""
    from ..synthetic import planted_motifs

    made = planted_motifs(2, LENGTH, seed=99, kept=1.0)
    write_text(path, f">with_motif\n{made.sequences[1]}\n")
