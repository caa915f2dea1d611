"""Pairs of motifs far apart: what a memory remembers and a window cannot see.

    python -m benchmarks.motif_pairs                             # three seeds, some minutes each
    python -m benchmarks.motif_pairs --seeds 1 --models memory --out /tmp/pairs.jsonl

Sequences of `genomics.synthetic.motif_pairs`: two pairs of motifs, and the class tells whether their second halves come
in the order of the first ones. Trained on short distances, most sequences the shortest, and tested to 10,000 bases; the
validation part chooses the epoch. The same encoder without memory and the small CNN see the same data.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
import tyro

from benchmarks.provenance import provenance
from genomics.baselines import SmallCNN
from genomics.evaluation import Model
from genomics.models import ClassifierConfig, encoder_preset
from genomics.runs.predictor import Predictor
from genomics.sequences.values import LabelledSequences
from genomics.synthetic import motif_pairs
from genomics.training.config import TrainConfig
from genomics.training.fitting import fit, new_classifier
from titans_seq.jsonl import append_row, read_rows
from titans_seq.training.optimiser import OptimiserConfig

RESULTS = Path(__file__).resolve().parent / "results" / "motif_pairs.jsonl"
TRAIN = {60: 3_000, 100: 2_000, 200: 1_500, 400: 1_000, 800: 500}
"""Sequences by distance in bases."""
TESTED = (100, 400, 1_000, 3_000, 10_000)
TESTS = 200
TRAINING = TrainConfig(epochs=12, patience=12, optimiser=OptimiserConfig(lr=3e-3), write_cost=0.05)


@dataclass(frozen=True)
class Arguments:
    """Run what has no row yet.

    Args:
        seeds: how many, of weights and order; the data is the same for all.
        models: memory, identity (no mixing between steps) or cnn.
        out: rows, one JSON object a line.
    """

    seeds: int = 3
    models: tuple[str, ...] = ("memory", "identity", "cnn")
    out: Path = RESULTS


def data(distances: dict[int, int], seed: int) -> LabelledSequences:
    """Sequences of several distances, each a third longer than it must be."""
    parts = [motif_pairs(count, 2 * distance, distance, seed + distance) for distance, count in distances.items()]
    sequences = tuple(sequence for part in parts for sequence in part.sequences)
    labels = np.concatenate([part.labels for part in parts])
    names = tuple(f"made_{number}" for number in range(len(sequences)))
    return LabelledSequences(names, sequences, labels, parts[0].classes, "classes")


def ours(mixer: str) -> Callable[[LabelledSequences, LabelledSequences, int], tuple[Model, int]]:
    """Train our encoder, read in one direction, with a mixer."""

    def train(training: LabelledSequences, validation: LabelledSequences, seed: int) -> tuple[Model, int]:
        encoder = encoder_preset("small", "memory" if mixer == "memory" else "identity")
        model = new_classifier(ClassifierConfig(encoder, "classes", 2, pooling="mean-max"), seed)
        fit(model, training, validation, replace(TRAINING, seed=seed), accelerator="cpu", progress="lines")
        return Predictor(model, training.classes), sum(parameter.numel() for parameter in model.parameters())

    return train


def cnn(training: LabelledSequences, validation: LabelledSequences, seed: int) -> tuple[Model, int]:
    """Train the baseline."""
    model = SmallCNN().fit(training, validation, seed)
    return model, sum(parameter.numel() for parameter in model.network.parameters())


CONTENDERS = {"memory": ours("memory"), "identity": ours("identity"), "cnn": cnn}


def measure(name: str, seed: int) -> dict[str, Any]:
    """Train one model, and test it at every distance."""
    began = time.process_time()
    model, parameters = CONTENDERS[name](data(TRAIN, 0), data({200: 200, 800: 200}, 1_000_000), seed)
    seconds = time.process_time() - began
    accuracy = {}
    for distance in TESTED:
        tests = data({distance: TESTS}, 2_000_000)
        said = model.predict_proba(list(tests.sequences)).argmax(1)
        accuracy[distance] = float((said == tests.labels).mean())
    return {
        "model": name,
        "seed": seed,
        "parameters": parameters,
        "training": {"sequences": TRAIN, "config": asdict(replace(TRAINING, seed=seed)), "cpu_s": round(seconds, 1)},
        "accuracy": accuracy,
        "tests": TESTS,
        "measured": provenance(),
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Accuracy by distance: the mean over seeds, and the least and the most where there are several."""
    lines = [
        f"| model | parameters | seeds | {' | '.join(f'{distance:,}' for distance in TESTED)} |",
        "|---|---:|---:|" + "---:|" * len(TESTED),
    ]
    for name in CONTENDERS:
        held = [row for row in rows if row["model"] == name]
        if held:
            cells = [_cell([100 * row["accuracy"][str(distance)] for row in held]) for distance in TESTED]
            lines.append(f"| {name} | {held[0]['parameters']:,} | {len(held)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    spread = f" ({min(values):.1f}-{max(values):.1f})" if len(values) > 1 else ""
    return f"{mean(values):.1f}{spread}"


def main(arguments: Arguments) -> None:
    """Run what is missing, and print the table."""
    torch.set_num_threads(1)
    done = {(row["model"], row["seed"]) for row in read_rows(arguments.out)}
    for seed in range(arguments.seeds):
        for name in arguments.models:
            if (name, seed) not in done:
                append_row(arguments.out, measure(name, seed))
    print(table(read_rows(arguments.out)))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
