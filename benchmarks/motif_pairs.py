"""Pairs of motifs far apart: what a memory remembers and a window cannot see.

    python -m benchmarks.motif_pairs                             # three seeds, some minutes each
    python -m benchmarks.motif_pairs --seeds 1 --models memory --out /tmp/pairs.jsonl

Sequences of `genomics.synthetic.motif_pairs`: two pairs of motifs, and the class tells whether their second halves come
in the order of the first ones. Training begins with short distances and goes on to 10,000 bases, each sequence read
once. Our encoder goes on to longer distances once it tells sequences of a phase that were held out; until then it reads
new ones, a few times over. The small CNN reads every phase once.
"""

import functools
import time
from collections.abc import Callable, Sequence
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
from genomics.models.presets import Mixer
from genomics.models.untrained import new_classifier
from genomics.runs.predictor import Predictor
from genomics.sequences.values import LabelledSequences
from genomics.synthetic import motif_pairs
from genomics.training.config import TrainConfig
from genomics.training.fitting import fit
from titans_seq.experiment.rows import row_of
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime
from titans_seq.jsonl import read_rows

RESULTS = Path(__file__).resolve().parent / "results" / "motif_pairs.jsonl"


@dataclass(frozen=True)
class Phase:
    """Part of the training.

    Attributes:
        least: smallest distance, in bases.
        largest: largest distance.
        kinds: number of distances, spread by their logarithms.
        count: number of sequences.
        lr: largest learning rate.
    """

    least: int
    largest: int
    kinds: int
    count: int
    lr: float = 2e-3


# Two distances are learnt soon, forty are not learnt from nothing; but two alone may teach where in its window a second
# half stands, relative to the first one. Gates that are not quite shut are stable at short distances, and at 10,000
# bases the loss was not finite: the step from 1,000 to 10,000 has one between, and lower rates.
PHASES = (
    Phase(70, 100, 2, 10_000),
    Phase(70, 200, 40, 10_000),
    Phase(100, 400, 40, 10_000),
    Phase(400, 1_000, 40, 6_000),
    Phase(70, 3_000, 40, 4_000, lr=1e-3),
    Phase(70, 10_000, 40, 3_000, lr=5e-4),
)
ENOUGH, MOST_ROUNDS = 0.97, 4
"""Accuracy on held-out sequences of a phase that ends it, and how often it goes on with new sequences at most."""
HELD_OUT = 200
TESTED = (100, 400, 1_000, 3_000, 10_000)
TESTS = 200
OPTIMISER = OptimiserConfig(least=0.25)
WRITE_COST = 0.1


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


def phase_data(phase: Phase, seed: int = 0) -> LabelledSequences:
    """The sequences of a phase."""
    distances = np.geomspace(phase.least, phase.largest, phase.kinds)
    return data([round(distance) for distance in distances], phase.count // phase.kinds, seed)


def data(distances: Sequence[int], count: int, seed: int) -> LabelledSequences:
    """So many sequences of each of several distances, all longer than they must be."""
    return joined([motif_pairs(count, 2 * distance, distance, seed + distance) for distance in distances])


def joined(parts: Sequence[LabelledSequences]) -> LabelledSequences:
    """All sequences of several parts, with new names."""
    sequences = tuple(sequence for part in parts for sequence in part.sequences)
    labels = np.concatenate([part.labels for part in parts])
    names = tuple(f"made_{number}" for number in range(len(sequences)))
    return LabelledSequences(names, sequences, labels, parts[0].classes, "classes")


@dataclass(frozen=True)
class Trained:
    """A contender that was trained.

    Attributes:
        model: it.
        parameters: how many it has.
        rounds: how often each phase was read, with new sequences each time.
    """

    model: Model
    parameters: int
    rounds: tuple[int, ...]


def ours(mixer: Mixer) -> Callable[[int], Trained]:
    """Train our encoder, read in one direction, with a mixer."""

    def train(seed: int) -> Trained:
        encoder = replace(encoder_preset("small", mixer), dropout=0.0)
        model, rounds = new_classifier(ClassifierConfig(encoder, "classes", 2), seed), []
        for phase in PHASES:
            optimiser = replace(OPTIMISER, lr=phase.lr)
            config = TrainConfig(epochs=1, mutations=0.0, optimiser=optimiser, write_cost=WRITE_COST, seed=seed)
            known, passed, read = held_out(phase), False, 0
            while not passed and read < MOST_ROUNDS:
                # Seeds of two rounds are further apart than the distances, which are added to them.
                new = phase_data(phase, seed=20_000 * read)
                fit(model.train(), new, known, config, runtime=Runtime(Hardware("cpu"), "lines"))
                passed, read = accuracy(Predictor(model, known.classes), known) >= ENOUGH, read + 1
            rounds.append(read)
        return Trained(Predictor(model, held_out(PHASES[0]).classes), _parameters(model), tuple(rounds))

    return train


def cnn(seed: int) -> Trained:
    """Train the baseline on all phases at once."""
    together, known = (joined([make(phase) for phase in PHASES]) for make in (phase_data, held_out))
    model = SmallCNN(epochs=1).fit(together, known, seed)
    return Trained(model, _parameters(model.network), (1,) * len(PHASES))


def _parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def held_out(phase: Phase) -> LabelledSequences:
    """Sequences of the longest distance of a phase, for validation."""
    return data([phase.largest], HELD_OUT, 1_000_000)


def accuracy(model: Model, sequences: LabelledSequences) -> float:
    """The share of sequences whose class a model tells."""
    return float((model.predict_proba(list(sequences.sequences)).argmax(1) == sequences.labels).mean())


CONTENDERS = {"memory": ours("memory"), "identity": ours("identity"), "cnn": cnn}


def measure(name: str, seed: int) -> dict[str, Any]:
    """Train one model, and test it at every distance."""
    began = time.process_time()
    trained = CONTENDERS[name](seed)
    seconds = round(time.process_time() - began, 1)
    found = {distance: accuracy(trained.model, data([distance], TESTS, 2_000_000)) for distance in TESTED}
    return {
        "parameters": trained.parameters,
        "training": {
            "phases": [asdict(phase) for phase in PHASES],
            "optimiser": asdict(OPTIMISER),
            "write_cost": WRITE_COST,
            "enough": ENOUGH,
            "rounds": trained.rounds,
            "cpu_s": seconds,
        },
        "accuracy": found,
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
    for seed in range(arguments.seeds):
        for name in arguments.models:
            row_of(arguments.out, {"model": name, "seed": seed}, functools.partial(measure, name, seed))
    print(table(read_rows(arguments.out)))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
