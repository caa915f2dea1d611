"""What each memory costs and what it buys: its layer's time and memory, and how well it learns to recall.

    python -m benchmarks.memories                         # every row that this commit has not measured yet
    python -m benchmarks.memories --rows titans titans+nesterov --steps 50 --seeds 0 --out /tmp/memories.json
    python -m benchmarks.memories --validate-lr 5e-3 1e-2 2e-2     # titans, on data that no row is judged by

A row is written when it is done. It is skipped, unless --again, if it was measured at this commit, with nothing of
titans_seq uncommitted then or now.
"""

import json
import multiprocessing
import statistics
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import tyro
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from benchmarks import measure
from benchmarks.contenders import Contender
from benchmarks.measure import Pass, Sample
from benchmarks.provenance import provenance
from benchmarks.recall import VALIDATION_SEED, Task, Training, train
from benchmarks.results_file import read_json, write_json
from benchmarks.suites import PASSES
from titans_seq.config import to_dict
from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import PRESETS, ChannelDecay, GatedMLPMemory, MemoryRule, MLPMemory, Nesterov

RESULTS = Path(__file__).parent / "results" / "memories.json"

BASE = "titans"
_TITANS, _LACT = PRESETS[BASE].rule, PRESETS["lact"].rule
ROWS: dict[str, MemoryRule] = {name: known.rule for name, known in PRESETS.items()} | {
    "titans+nesterov": replace(_TITANS, algorithm=Nesterov()),
    "titans+channel_decay": replace(_TITANS, retention=ChannelDecay()),
    "titans+last_layer": replace(_TITANS, architecture=MLPMemory(learns="last")),
    "titans+chunk_start": replace(_TITANS, read="chunk_start"),
    "lact+last_layer": replace(_LACT, architecture=GatedMLPMemory(learns="last")),
}
COLUMNS = (
    "memory",
    f"forward, x {BASE}",
    f"training, x {BASE}",
    f"forward, extra MB (x {BASE})",
    f"training, extra MB (x {BASE})",
    "recall, loss",
    "recall, % right",
)
_VALIDATION_MODEL = 100  # seed of the models that choose the learning rate; none of the rows'


@dataclass(frozen=True)
class LayerSize:
    """Sizes at which a layer's cost is measured.

    Attributes:
        dim: width.
        heads: of the memory.
        chunk_size: of the memory.
        batch: sequences a call.
        length: tokens of a sequence.
        rounds: how often each layer is called.
    """

    dim: int = 128
    heads: int = 4
    chunk_size: int = 64
    batch: int = 2
    length: int = 1024
    rounds: int = 7


@dataclass(frozen=True)
class Setup:
    """How every row is measured: cost at `size`; recall of `task` by models of `training`, one for each of `seeds`."""

    size: LayerSize = field(default_factory=LayerSize)
    task: Task = field(default_factory=Task)
    training: Training = field(default_factory=Training)
    seeds: tuple[int, ...] = (0, 1)

    def protocol(self) -> str:
        """Say it in words."""
        size, task, training = self.size, self.task, self.training
        text = f"""
            One thread, float32. Cost: whole layers (projections, gates, memory, output), width {size.dim}, {size.heads}
            heads, chunks of {size.chunk_size}, {size.batch} sequences of {size.length} tokens; training = forward, sum
            of squares, backward to input and parameters. The layers of the row and of {BASE} live in one process,
            called in turn, after two small calls of each; a ratio is the median over {size.rounds} rounds of the two
            CPU times' ratio. Extra MB: growth of peak resident memory in the first full call, each layer in a process
            of its own. Recall: {task.pairs} pairs of {task.keys} keys and {task.values} values, then {task.questions}
            questions among fillers, {task.length} tokens; embedding, {training.blocks} LMM blocks of width
            {training.dim} with {training.heads} heads and chunks of {training.chunk_size}, tied head; AdamW,
            {training.steps} steps on fresh batches of {training.batch}, learning rate {training.lr:g}; {training.tests}
            held-out sequences. Seeds ({", ".join(map(str, self.seeds))}), data, steps and learning rate are every row's
            alike, and tuned for none: {BASE} with another seed, other held-out data and learning rates 0.005, 0.01 and
            0.02 came to losses of 2.45, 2.04 and 1.88 in 400 steps, while its seeds differ by more than that. So a row
            far behind may still be on the plateau that recall starts from; it does not say that the memory cannot
            recall. Mean over seeds ± their standard deviation.
        """
        return " ".join(text.split())


def cost(rule: MemoryRule, size: LayerSize) -> dict[Pass, dict[str, Any]]:
    """Measure a layer beside the base's: per pass the ratio of times, the extra memory and its ratio, and all times."""
    base = ROWS[BASE]
    alone, base_alone = (_in_a_process_of_its_own([r], replace(size, rounds=1)) for r in (rule, base))
    together = _in_a_process_of_its_own([rule, base], size)
    result = {}
    for which in PASSES:
        times, base_times = ([sample.cpu_s for sample in samples] for samples in together[which])
        extra, base_extra = (calls[which][0][0].extra_bytes for calls in (alone, base_alone))
        result[which] = {
            "times_base": statistics.median(a / b for a, b in zip(times, base_times, strict=True)),
            "extra_mb": extra / 1e6,
            "times_base_extra_mb": extra / base_extra,
            "cpu_s": times,
            "base_cpu_s": base_times,
        }
    return result


def _in_a_process_of_its_own(rules: Sequence[MemoryRule], size: LayerSize) -> dict[Pass, list[list[Sample]]]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_calls, rules, size).result()


def _calls(rules: Sequence[MemoryRule], size: LayerSize) -> dict[Pass, list[list[Sample]]]:
    """Call each rule's layer in turn, round after round; per pass, each rule's samples."""
    torch.set_num_threads(1)
    shape = Contender("ours", size.dim, size.chunk_size, heads=size.heads, batch=size.batch)
    layers = [_layer(rule, size) for rule in rules]

    def round_of(which: Pass, length: int) -> list[Sample]:
        return [measure._sample(layer, which, shape, length) for layer in layers]

    for which in 2 * PASSES:
        round_of(which, 2 * size.chunk_size)
    rounds = {which: [round_of(which, size.length) for _ in range(size.rounds)] for which in PASSES}
    return {which: [list(samples) for samples in zip(*rounds[which], strict=True)] for which in PASSES}


def _layer(rule: MemoryRule, size: LayerSize) -> Callable[[Tensor], Tensor]:
    torch.manual_seed(0)
    layer = NeuralMemory(NeuralMemoryConfig(heads=size.heads, chunk_size=size.chunk_size, rule=rule), size.dim)
    return lambda x: layer(x)[0]


def cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Write a row of the results as a row of the table with `COLUMNS`."""
    forward, training = (row["cost"][which] for which in PASSES)
    memory = (f"{c['extra_mb']:,.0f} ({c['times_base_extra_mb']:.2f})" for c in (forward, training))
    finished = [outcome for outcome in row["recall"] if outcome["diverged_at"] is None]
    loss = _spread([outcome["loss"] for outcome in finished], 3)
    accuracy = _spread([100 * outcome["accuracy"] for outcome in finished], 1)
    if lost := len(row["recall"]) - len(finished):
        accuracy = f"{accuracy}; {lost} of {len(row['recall'])} diverged"
    return row["name"], f"{forward['times_base']:.2f}", f"{training['times_base']:.2f}", *memory, loss, accuracy


def _spread(values: Sequence[float], digits: int) -> str:
    if not values:
        return "-"
    spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.{digits}f}{spread}"


def validate(rates: Sequence[float], setup: Setup, console: Console) -> None:
    """Train the base with each learning rate, and say how it does on held-out data that no row is judged by."""
    for lr in rates:
        training = replace(setup.training, lr=lr)
        outcome = train(ROWS[BASE], setup.task, training, _VALIDATION_MODEL, held_out=VALIDATION_SEED)
        console.print({"lr": lr} | asdict(outcome))


def run(names: Sequence[str], setup: Setup, out: Path, again: bool, console: Console) -> list[dict[str, Any]]:
    """Measure rows and write each to the results file; return all rows that it then holds.

    Raises:
        ValueError: if the file's rows were measured in another way.
    """
    described = json.loads(json.dumps(asdict(setup)))
    content = {"protocol": setup.protocol(), "setup": described, "rows": []}
    if out.exists():
        then = read_json(out)
        if then["setup"] != described and not again:
            raise ValueError(
                f"{out} holds rows of other steps, seeds or sizes: name another file with --out, or start it anew "
                "with --again"
            )
        content["rows"] = then["rows"] if then["setup"] == described else []
    known = {row["name"]: row for row in content["rows"]}
    with Progress(console=console) as progress:
        for name in names:
            measured = provenance()
            if name in known and not again and _is_current(known[name], measured):
                console.print(f"{name}: measured at this commit", style="dim")
                continue
            bar = progress.add_task(name, total=len(setup.seeds) * setup.training.steps)
            recall = [
                train(ROWS[name], setup.task, setup.training, seed, after_step=lambda bar=bar: progress.advance(bar))
                for seed in setup.seeds
            ]
            known[name] = {
                "name": name,
                "rule": to_dict(ROWS[name]),
                "cost": cost(ROWS[name], setup.size),
                "recall": [asdict(outcome) for outcome in recall],
                "measured": measured,
            }
            content["rows"] = [known[row] for row in ROWS if row in known]
            write_json(out, content)
            progress.remove_task(bar)
            console.print(", ".join(f"{c} {v}" for c, v in zip(COLUMNS, cells(known[name]), strict=True)), style="dim")
    return content["rows"]


def _is_current(row: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    then = row["measured"]
    same = then["commit"] == now["commit"] and row["rule"] == to_dict(ROWS[row["name"]])
    return same and not then["uncommitted"] and not now["uncommitted"]


def main(
    rows: tuple[str, ...] = (),
    steps: int = Training.steps,
    seeds: tuple[int, ...] = Setup.seeds,
    out: Path = RESULTS,
    again: bool = False,
    validate_lr: tuple[float, ...] = (),
) -> None:
    """Measure memories.

    Args:
        rows: which rows; all if none is given.
        steps: of training.
        seeds: one training of each row for each.
        out: results file.
        again: measure again what this commit has measured, and begin a file of other steps or seeds anew.
        validate_lr: only train titans with these learning rates and report its validation.
    """
    torch.set_num_threads(1)
    console = Console()
    if not console.is_terminal:
        console.width = 140
    try:
        setup = Setup(training=Training(steps=steps), seeds=seeds)
        for name in set(rows) - set(ROWS):
            raise ValueError(f"there is no row {name!r}: choose from {', '.join(ROWS)}")
        if not seeds:
            raise ValueError("training needs at least one seed, got none")
        if validate_lr:
            validate(validate_lr, setup, console)
            return
        results = run(rows or tuple(ROWS), setup, out, again, console)
    except ValueError as error:
        raise SystemExit(f"error: {error}") from None
    table = Table(*COLUMNS, title="memories")
    for row in results:
        table.add_row(*cells(row))
    console.print(table)


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)
