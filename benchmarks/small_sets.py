"""DNA sets of a few hundred sequences: what the defaults make of them, with short steps and without.

    python -m benchmarks.small_sets                                  # three seeds, a quarter of an hour on one core
    python -m benchmarks.small_sets --seeds 1 --sizes 200 --out /tmp/small.jsonl

Sequences of 200 bases by `genomics.synthetic.planted_motifs`, half of them with a motif of seven bases; a tenth of them
is for validation, and 2,000 others are the test. All networks have the strands, mutations and epochs that
`titans dna train` takes.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import torch
import tyro

from benchmarks.provenance import provenance
from genomics.baselines import KmerRegression, SmallCNN
from genomics.evaluation import BootstrapOptions, Model, evaluate
from genomics.models import ClassifierConfig, encoder_preset
from genomics.models.presets import Mixer
from genomics.models.untrained import new_classifier
from genomics.runs.predictor import Predictor
from genomics.sequences.values import LabelledSequences
from genomics.synthetic import planted_motifs
from genomics.tokens import Nucleotides
from genomics.training.config import TrainConfig
from genomics.training.defaults import completed
from genomics.training.fitting import fit
from titans_seq.experiment.rows import row_of
from titans_seq.experiment.settings import Hardware, Runtime
from titans_seq.jsonl import read_rows

RESULTS = Path(__file__).resolve().parent / "results" / "small_sets.jsonl"
LENGTH, TESTS = 200, 2_000

Train = Callable[[LabelledSequences, LabelledSequences, int], Model]


@dataclass(frozen=True)
class Arguments:
    """Run what has no row yet.

    Args:
        seeds: how many, of sequences, weights and order.
        sizes: sequences of training and validation together.
        models: by the names of the table.
        out: rows, one JSON object a line.
    """

    seeds: int = 3
    sizes: tuple[int, ...] = (200, 400, 800)
    models: tuple[str, ...] = ("memory", "memory, steps of 32", "identity", "k-mer regression", "small CNN")
    out: Path = RESULTS


def ours(mixer: Mixer, config: TrainConfig) -> Train:
    """Train our classifier, which reads both strands, without linear models beside it."""

    def train(known: LabelledSequences, held: LabelledSequences, seed: int) -> Model:
        classifier = ClassifierConfig(encoder_preset("small", mixer), "classes", 2, strands="augment")
        model = new_classifier(classifier, seed)
        fit(model.train(), known, held, replace(config, seed=seed), runtime=Runtime(Hardware("cpu"), "none"))
        return Predictor(model, known.classes)

    return train


def cnn(known: LabelledSequences, held: LabelledSequences, seed: int) -> Model:
    """Train the small CNN as `titans dna train` does."""
    how = completed(TrainConfig(), known, Nucleotides())
    assert how.epochs is not None
    return SmallCNN(both_strands=True, mutations=how.mutations or 0.0, epochs=how.epochs).fit(known, held, seed)


CONTENDERS: dict[str, Train] = {
    "memory": ours("memory", TrainConfig()),
    "memory, steps of 32": ours("memory", TrainConfig(least_steps=0)),
    "identity": ours("identity", TrainConfig()),
    "k-mer regression": lambda known, held, seed: KmerRegression().fit(known, held, seed),
    "small CNN": cnn,
}


def measure(name: str, size: int, seed: int) -> dict[str, Any]:
    """Train one model on a set, and test it."""
    sequences = planted_motifs(size, LENGTH, seed=seed)
    known, held = sequences.take(range(size // 10, size)), sequences.take(range(size // 10))
    test = planted_motifs(TESTS, LENGTH, seed=1_000 + seed)
    began = time.process_time()
    model = CONTENDERS[name](known, held, seed)
    seconds = round(time.process_time() - began, 1)
    scores = evaluate(model, test, BootstrapOptions(repeats=0)).scores
    return {"test": {which: scores[which] for which in ("mcc", "auroc")}, "cpu_s": seconds, "measured": provenance()}


def table(rows: list[dict[str, Any]]) -> str:
    """Test MCC by size: the mean over seeds, the least and the most."""
    sizes = sorted({row["size"] for row in rows})
    lines = [f"| test MCC | {' | '.join(f'{size:,} sequences' for size in sizes)} |", "|---|" + "---:|" * len(sizes)]
    for name in CONTENDERS:
        held = [[row["test"]["mcc"] for row in rows if (row["model"], row["size"]) == (name, size)] for size in sizes]
        if any(held):
            lines.append(f"| {name} | {' | '.join(map(_cell, held))} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    return f"{mean(values):.3f} ({min(values):.3f} to {max(values):.3f})" if values else ""


def main(arguments: Arguments) -> None:
    """Run what is missing, and print the table."""
    torch.set_num_threads(1)
    for seed in range(arguments.seeds):
        for size in arguments.sizes:
            for name in arguments.models:
                identity = {"model": name, "size": size, "seed": seed}
                row_of(arguments.out, identity, functools.partial(measure, name, size, seed))
    print(table(read_rows(arguments.out)))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
