"""The demonstration: made-up sequences with a motif on either strand, from nothing to an explained prediction.

python -m genomics.demo --out runs/demo-dna
"""

import argparse
import csv
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from titans_seq.cli import main as titans
from titans_seq.errors import UserError
from titans_seq.files import atomic_path, write_text

from .sequences.values import LabelledSequences
from .synthetic import planted_motifs

DESCRIPTION = "Train a classifier on made-up DNA with a motif on either strand, compare it, and explain a prediction."
LENGTH = 60


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 means success."""
    parser = argparse.ArgumentParser(prog="python -m genomics.demo", description=DESCRIPTION)
    parser.add_argument("--out", type=Path, default=Path("runs/demo-dna"), help="folder for all that it writes")
    parser.add_argument("--count", type=int, default=1200, help="training sequences")
    parser.add_argument("--epochs", type=int, default=10, help="most epochs of training")
    parser.add_argument("--preset", default="small", help="size of the model, see titans dna train --help")
    options = parser.parse_args(argv)
    out: Path = options.out
    data, run, one = out / "data", out / "run", out / "one.fa"
    try:
        write_data(data, options.count)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    write_one(one)
    # The motif stands on either strand, so a sequence and its reverse complement should have one answer.
    model = f"--preset {options.preset} --strands augment"
    steps = (
        ("check", f"{data}"),
        ("train", f"{data} --out {run} {model} --epochs {options.epochs} --overwrite --progress lines"),
        ("predict", f"{run} {one} --out {out / 'scores.csv'} --progress none"),
        ("explain", f"{run} {one} --out {out / 'explained'} --progress none"),
    )
    for number, (verb, arguments) in enumerate(steps, 1):
        print(f"\n{number}. titans dna {verb} {arguments}", flush=True)
        if code := titans(["dna", verb, *shlex.split(arguments)]):
            return code
    print(f"\ndone: scores and pictures are in {run.resolve() / 'evaluation'}, the explained sequence in")
    print(f"  {(out / 'explained').resolve() / 'mutagenesis.png'}")
    return 0


def write_data(folder: Path, count: int) -> None:
    """Write train.csv, dev.csv and test.csv, half of the sequences with the motif.

    Raises:
        UserError: if there are fewer than two sequences for a part.
    """
    for seed, (part, number) in enumerate({"train": count, "dev": count // 4, "test": count // 2}.items()):
        made = planted_motifs(number, LENGTH, seed)
        with (
            atomic_path(folder / f"{part}.csv") as temporary,
            open(temporary, "w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "sequence", "label"])
            writer.writerows(rows(made))


def rows(data: LabelledSequences) -> list[tuple[str, str, str]]:
    """Name, sequence and class of each."""
    return [
        (name, sequence, data.classes[label])
        for name, sequence, label in zip(data.names, data.sequences, data.labels, strict=True)
    ]


def write_one(path: Path) -> None:
    """Write a sequence with the motif that is in no part."""
    made = planted_motifs(2, LENGTH, seed=99, kept=1.0)
    write_text(path, f">with_motif\n{made.sequences[1]}\n")


if __name__ == "__main__":
    sys.exit(main())
