"""What the parts of the zero-shot forecaster are worth: other mixers in the memory's place, and parts left out.

    python -m benchmarks.zero_shot_ingredients                          # every row that is not there yet
    python -m benchmarks.zero_shot_ingredients --variants memory GRU --seeds 0 --cpu-seconds 60
    python -m benchmarks.zero_shot_ingredients --table                  # the table of the rows that are there

Every variant trains for the same CPU time. The memory's time a step is measured first, and gives its number of steps,
over which the learning rate falls. The others' is measured in turn with the memory's, so that a busy machine slows both
down, and they take as many more steps as they are faster. Networks with another mixer have the width of their
perceptrons changed, so that all have about as many parameters. Scores are those of made-up series held out, and of the
horizon before the last of the seven Monash sets, relative to the seasonal naive forecast; the last horizon is not read.
"""

import functools
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.provenance import provenance
from benchmarks.rows_command import run_rows_command
from benchmarks.zero_shot import DATA, SEVEN, score_set
from forecasting.evaluation.statistical import SeasonalNaive
from forecasting.network.mixers import AttentionMixer, GRUMixer, IdentityMixer, MemoryMixer, Mixer
from forecasting.synthetic.settings import Effects, Families
from forecasting.zero_shot.forecaster import ZeroShotForecaster
from forecasting.zero_shot.network import ZeroShotConfig, ZeroShotNetwork, default_mixer
from forecasting.zero_shot.pretraining import held_out_loss, new_network, pretrain
from forecasting.zero_shot.settings import BatchConfig, PretrainingConfig
from titans_seq.errors import UserError, choose
from titans_seq.experiment.rows import find_row, row_of
from titans_seq.jsonl import read_rows
from titans_seq.memory import MLPMemory, preset

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "zero_shot_ingredients.jsonl"
MEMORY = "memory"


@dataclass(frozen=True)
class Variant:
    """A network and what it is trained on.

    Attributes:
        network: sizes and mixer.
        batches: how training batches are drawn.
    """

    network: ZeroShotConfig = field(default_factory=ZeroShotConfig)
    batches: BatchConfig = field(default_factory=BatchConfig)


def _parameters(network: ZeroShotConfig) -> int:
    with torch.device("meta"):
        return sum(weight.numel() for weight in ZeroShotNetwork(network).parameters())


def of_equal_size(mixer: Mixer) -> ZeroShotConfig:
    """Return the network with another mixer, and perceptrons so wide that it has about as many parameters."""
    wanted = _parameters(ZeroShotConfig())
    widths = (ZeroShotConfig(mixer=mixer, expansion=expansion) for expansion in range(1, 12))
    return min(widths, key=lambda network: abs(_parameters(network) - wanted))


def _memory(**changes: Any) -> MemoryMixer:
    """The default mixer with fields of its memory changed."""
    mixer = default_mixer()
    return replace(mixer, memory=replace(mixer.memory, **changes))


def _deep() -> MemoryMixer:
    return _memory(rule=replace(default_mixer().memory.rule, architecture=MLPMemory(expansion=2)))


def _trained_on(**changes: Any) -> Variant:
    batches = BatchConfig()
    own = {each.name for each in fields(BatchConfig)}
    within = {name: value for name, value in changes.items() if name not in own}
    outer = {name: value for name, value in changes.items() if name in own}
    return Variant(batches=replace(batches, generator=replace(batches.generator, **within), **outer))


VARIANTS: Mapping[str, Callable[[], Variant]] = {
    MEMORY: Variant,
    "deep memory": lambda: Variant(of_equal_size(_deep())),
    "gated delta rule": lambda: Variant(of_equal_size(_memory(rule=preset("gated_deltanet")))),
    "GRU": lambda: Variant(of_equal_size(GRUMixer())),
    "attention": lambda: Variant(of_equal_size(AttentionMixer())),
    "no mixer": lambda: Variant(of_equal_size(IdentityMixer())),
    "one wide head": lambda: Variant(of_equal_size(_memory(heads=1, chunk_size=32))),
    "chunks of 16": lambda: Variant(ZeroShotConfig(mixer=_memory(chunk_size=16))),
    "both directions in turn": lambda: Variant(ZeroShotConfig(mixer=replace(default_mixer(), direction="alternating"))),
    "no periods told": lambda: _trained_on(no_hint=1.0, wrong_hint=0.0),
    "no effects": lambda: _trained_on(effects=Effects(**dict.fromkeys(asdict(Effects()), 0.0)), gaps=0.0),
    "trend and season alone": lambda: _trained_on(
        families=Families(**dict.fromkeys(asdict(Families()), 0.0) | {"decomposed": 1.0})
    ),
    "width 32": lambda: Variant(ZeroShotConfig(width=32)),
    "width 96": lambda: Variant(ZeroShotConfig(width=96)),
}
"""Every variant by the name in the table; those down to "no mixer" have equal parameters."""


@dataclass(frozen=True)
class Arguments:
    """Train and score what has no row yet.

    Args:
        variants: which.
        seeds: of weights and made-up series.
        cpu_seconds: of each training.
        data_dir: folder of the Monash sets.
        results: file of the rows.
        table: print the table of the rows that are there.
    """

    variants: tuple[str, ...] = tuple(VARIANTS)
    seeds: tuple[int, ...] = (0, 1, 2)
    cpu_seconds: int = 240
    data_dir: Path = DATA
    results: Path = RESULTS
    table: bool = False


def run(arguments: Arguments) -> None:
    """Measure and add the rows that are not there yet.

    Raises:
        UserError: for an unknown variant, or a set that is not in the data folder.
    """
    for seed in arguments.seeds:
        for name in arguments.variants:
            choose(name, tuple(VARIANTS), "variant")
            identity = {"variant": name, "seed": seed, "cpu_seconds": arguments.cpu_seconds}
            row = row_of(arguments.results, identity, functools.partial(_measure, arguments, name, seed))
            shown = f"loss {row['loss']:.4f}, relative MASE {row['mase']:.4f}, WQL {row['quantile_loss']:.4f}"
            print(f"{name:24} seed {seed}: {row['steps']:,} steps, {shown}", flush=True)


def _measure(arguments: Arguments, name: str, seed: int) -> Mapping[str, Any]:
    variant = VARIANTS[name]()
    rows = [row for row in read_rows(arguments.results) if row["cpu_seconds"] == arguments.cpu_seconds]
    steps, seconds = _steps(name, arguments.cpu_seconds, rows)
    config = PretrainingConfig(
        steps=steps,
        seed=seed,
        batches=variant.batches,
        validate_every=steps,
        validation_pools=1,
        log_every=steps,
        checkpoint_every=steps,
    )
    begin = time.process_time()
    trained, _ = pretrain(new_network(variant.network, seed), config)
    took = time.process_time() - begin
    assert trained is not None
    return {
        "steps": steps,
        "seconds_a_step": seconds,
        "cpu": took,
        "parameters": _parameters(variant.network),
        **scores(trained, arguments.data_dir),
        "provenance": provenance(),
    }


def _steps(name: str, cpu_seconds: int, rows: Sequence[Mapping[str, Any]]) -> tuple[int, float]:
    """Return how many steps a variant takes, as in the rows that are there, and its seconds a step."""
    if known := find_row(rows, {"variant": name}):  # all seeds of a variant take the same number of steps
        return known["steps"], known["seconds_a_step"]
    reference = find_row(rows, {"variant": MEMORY})
    if reference is None:
        if name != MEMORY:
            raise UserError(f"{name!r} takes as long as {MEMORY!r}, which has no row: run that first")
        seconds = statistics.median(_times(MEMORY))
        reference = {"steps": int(cpu_seconds / seconds), "seconds_a_step": seconds}
    ratio = 1.0
    if name != MEMORY:
        pairs = zip(_times(name), _times(MEMORY), strict=True)
        ratio = statistics.median(own / memory for own, memory in pairs)
    return max(10, int(reference["steps"] / ratio)), reference["seconds_a_step"] * ratio


def _times(name: str, rounds: int = 5, few: int = 5, many: int = 20) -> Iterator[float]:
    """Measure the CPU seconds of a training step, from a shorter and a longer training on the same batches."""
    variant = VARIANTS[name]()

    def took(steps: int) -> float:
        config = PretrainingConfig(
            steps=steps,
            batches=variant.batches,
            validate_every=steps,
            validation_pools=1,
            log_every=steps,
            checkpoint_every=steps,
        )
        begin = time.process_time()
        pretrain(new_network(variant.network, 0), config)
        return time.process_time() - begin

    took(2)  # loads and compiles what is needed once
    for _ in range(rounds):
        yield max(1e-3, (took(many) - took(few)) / (many - few))


def scores(network: ZeroShotNetwork, data_dir: Path) -> Mapping[str, float]:
    """Score a network on made-up series held out, and on the horizon before the last of the seven sets."""
    forecaster = ZeroShotForecaster(network)
    ours = [score_set(data_dir, name, forecaster, "validation") for name in SEVEN]
    naive = [score_set(data_dir, name, SeasonalNaive(), "validation") for name in SEVEN]

    def relative(column: str) -> float:
        return statistics.geometric_mean(a[column] / b[column] for a, b in zip(ours, naive, strict=True))

    return {
        "loss": held_out_loss(network),
        "mase": relative("mase"),
        "quantile_loss": relative("quantile_loss"),
        "coverage": float(np.mean([one["coverage"] for one in ours])),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Make the Markdown table: each variant's mean over seeds, and half the distance between the extremes.

    Args:
        rows: as read.
    """
    lines = [
        "| variant | parameters | CPU s | ms a step | steps | seeds | held-out loss | relative MASE | relative WQL |",
        "|---" * 9 + "|",
    ]
    for budget in sorted({row["cpu_seconds"] for row in rows}):
        for name in VARIANTS:
            own = [row for row in rows if row["variant"] == name and row["cpu_seconds"] == budget]
            if own:
                first = own[0]
                shown = " | ".join(
                    _spread([row[column] for row in own]) for column in ("loss", "mase", "quantile_loss")
                )
                spent = f"{budget} | {1000 * first['seconds_a_step']:.0f} | {first['steps']:,}"
                lines.append(f"| {name} | {first['parameters']:,} | {spent} | {len(own)} | {shown} |")
    return "\n".join(lines)


def _spread(values: Sequence[float]) -> str:
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ± {(max(values) - min(values)) / 2:.3f}"


def main() -> int:
    """Run the command line."""
    return run_rows_command(Arguments, __doc__, run, lambda given: table(read_rows(given.results)))


if __name__ == "__main__":
    sys.exit(main())
