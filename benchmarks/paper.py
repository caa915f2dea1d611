"""The paper's ablation (Table 5), depth (Figure 7) and throughput (Figures 8 and 9), each at a small scale.

    python -m benchmarks.paper ablation      # which part of the layer helps; about half an hour of one core
    python -m benchmarks.paper depth         # memories of one to four layers, by length; about half an hour
    python -m benchmarks.paper throughput    # time a token by length, of depths and variants; some minutes

Ablation and depth are of LMM with a deep memory on tiny-shakespeare: characters, four blocks, 0.8 million parameters
each, 500 steps of three windows of 256, one learning rate for all, tuned for none; loss in nats on the validation part.
Throughput is of one block of width 128: forward, sum of squares and backward, 8,192 tokens a call. Every row is added
when it is done, and is not measured again.
"""

import functools
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro

from benchmarks import shakespeare
from benchmarks.provenance import provenance
from titans_seq.blocks import AttentionBlockConfig, BlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.errors import UserError
from titans_seq.experiment.rows import row_of
from titans_seq.jsonl import read_rows
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import GradientDescent, LinearMemory, MemoryRule, MLPMemory, NoRetention
from titans_seq.models import CausalLMConfig, language_model, sized

RESULTS = Path(__file__).resolve().parent / "results" / "paper.jsonl"
STEPS = 500
LENGTHS = (256, 512, 1024, 2048)
CALL, DIM, SPEED_LENGTHS = 8192, 128, (256, 1024, 4096, 8192)
NOT_RUN = "Not run yet."

Suite = Literal["ablation", "depth", "throughput"]
Measure = Callable[[], Mapping[str, Any]]

_DEEP = MLPMemory(expansion=2)
MEMORY = NeuralMemoryConfig(heads=4, chunk_size=16, rule=MemoryRule(_DEEP), persistent_tokens=4)
# The layer with one part left out, as in Table 5, and the perplexity that it prints, with 400M parameters.
PARTS: dict[str, tuple[NeuralMemoryConfig, float]] = {
    "LMM": (MEMORY, 27.01),
    "linear memory": (replace(MEMORY, rule=MemoryRule(LinearMemory())), 28.49),
    "without convolution": (replace(MEMORY, convolution=0), 28.73),
    "without momentum": (replace(MEMORY, rule=MemoryRule(_DEEP, algorithm=GradientDescent())), 28.98),
    "without weight decay": (replace(MEMORY, rule=MemoryRule(_DEEP, retention=NoRetention())), 29.04),
    "without persistent memory": (replace(MEMORY, persistent_tokens=0), 27.63),
}


def of_depth(depth: int) -> NeuralMemoryConfig:
    """The layer with a memory of so many matrices."""
    return replace(MEMORY, rule=MemoryRule(MLPMemory(depth=depth, expansion=2)))


def model(memory: NeuralMemoryConfig, vocabulary: int) -> CausalLMConfig:
    """A language model of four LMM blocks, as large as those of `benchmarks.shakespeare`."""
    config = replace(language_model("tiny-lmm", vocabulary), blocks=(LMMConfig(memory),))
    return sized(config, shakespeare.PARAMETERS)


def loss_row(memory: NeuralMemoryConfig, seed: int, steps: int, lengths: Sequence[int], text: shakespeare.Text) -> dict:
    """Train a model, and score it in windows of each length."""
    began = time.process_time()
    network, _ = shakespeare.train(model(memory, text.vocabulary), seed, steps, text, _say)
    seconds = round(time.process_time() - began, 1)
    losses = {str(n): shakespeare.validation_loss(network, text.validation, n) for n in lengths}
    return {"losses": losses, "cpu_seconds": seconds, "measured": provenance()}


def blocks() -> dict[str, BlockConfig]:
    """What throughput is of: depths of the memory alone, and the variants with a memory of two layers."""
    memories = {f"LMM, {depth} deep": LMMConfig(of_depth(depth)) for depth in (1, 2, 3, 4)}
    deep = {name.upper(): _with_deep_memory(*language_model(f"tiny-{name}").blocks) for name in ("mac", "mag", "mal")}
    attention = AttentionBlockConfig(AttentionConfig(heads=4, window=None))
    return {**memories, **deep, "attention": attention}


def _with_deep_memory(block: BlockConfig) -> BlockConfig:
    assert isinstance(block, (MACConfig, MAGConfig, MALConfig))
    memory = replace(block.memory, rule=MEMORY.rule, chunk_size=MEMORY.chunk_size, slow_weights=False)
    return replace(block, memory=memory)


def speed_row(block: BlockConfig, length: int, rounds: int = 5) -> dict:
    """Tokens a CPU second of a training step: the median over calls, after one that is not counted."""
    torch.manual_seed(0)
    layer, x, taken = block.build(DIM), torch.randn(CALL // length, length, DIM), []
    for _ in range(1 + rounds):
        began = time.process_time()
        y, _ = layer(x, return_state=False)
        y.square().sum().backward()
        taken.append(time.process_time() - began)
    return {"tokens_per_cpu_s": CALL / statistics.median(taken[1:]), "measured": provenance()}


def run(suite: Suite, out: Path, seeds: Sequence[int], steps: int, data: Path) -> None:
    """Measure what has no row yet."""
    torch.set_num_threads(1)
    if suite == "throughput":
        for name, block in blocks().items():
            for length in SPEED_LENGTHS:
                _row(out, {"suite": suite, "name": name, "length": length}, functools.partial(speed_row, block, length))
        return
    text = shakespeare.Text.read(data)
    memories = {f"{depth}": of_depth(depth) for depth in (1, 2, 3, 4)}
    if suite == "ablation":
        memories = {name: memory for name, (memory, _) in PARTS.items()}
    lengths = LENGTHS if suite == "depth" else LENGTHS[:1]
    for seed in seeds:
        for name, memory in memories.items():
            identity = {"suite": suite, "name": name, "seed": seed, "steps": steps}
            _row(out, identity, functools.partial(loss_row, memory, seed, steps, lengths, text))


def table(suite: Suite, rows: Sequence[Mapping[str, Any]], steps: int = STEPS) -> str:
    """A suite's table, of trainings of so many steps; says so if it has no row."""
    mine = [row for row in rows if row["suite"] == suite and row.get("steps", steps) == steps]
    names = list(dict.fromkeys(row["name"] for row in mine))
    if not names:
        return NOT_RUN
    if suite == "throughput":
        cells = {(row["name"], row["length"]): f"{row['tokens_per_cpu_s']:,.0f}" for row in mine}
        head = ["tokens a CPU second, training", *(f"{n:,}" for n in SPEED_LENGTHS)]
        return _markdown(head, [[name, *(cells.get((name, n), "-") for n in SPEED_LENGTHS)] for name in names])
    lengths = LENGTHS if suite == "depth" else LENGTHS[:1]
    lines = []
    for name in names:
        runs = [row["losses"] for row in mine if row["name"] == name]
        means = (f"{statistics.fmean(losses[str(n)] for losses in runs):.3f}" for n in lengths)
        printed = [f"{PARTS[name][1]}"] if suite == "ablation" else []
        lines.append([name, *means, *printed, f"{len(runs)}"])
    middle = ["loss, nats", "printed perplexity, 400M"] if suite == "ablation" else [f"{n:,}" for n in lengths]
    return _markdown(
        ["part" if suite == "ablation" else "layers of the memory; loss by length", *middle, "seeds"], lines
    )


def _markdown(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def _row(out: Path, identity: dict[str, Any], measure: Measure) -> None:
    row_of(out, identity, measure)
    _say(f"done: {identity}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main(
    suite: Annotated[Suite, tyro.conf.Positional],
    out: Path = RESULTS,
    seeds: tuple[int, ...] = (0, 1),
    steps: int = STEPS,
    data: Path = shakespeare.DATA,
) -> None:
    """Run a suite, and print its table.

    Args:
        suite: which.
        out: rows, one JSON object a line.
        seeds: of ablation and depth.
        steps: of their training.
        data: the text of tiny-shakespeare.
    """
    run(suite, out, seeds, steps, data)
    print(table(suite, read_rows(out), steps))


if __name__ == "__main__":
    try:
        tyro.cli(main, description=__doc__)
    except UserError as error:
        sys.exit(f"error: {error}")
