"""A whole book by position: a byte model trained on one novel reads another, with its memory and without.

    python -m benchmarks.book                     # every row that is not there yet
    python -m benchmarks.book --models lmm --seeds 0 --steps 20 --out /tmp/book.jsonl

Trained on Moby Dick with state carried through the book, scored on every byte of Pride and Prejudice, in one pass with
state carried from its first byte to its last, and beside that with the state reset every 256 bytes. `-no-memory` is the
same model, parameter by parameter, whose memory never learns. The memory stands beside slow weights, and its gates are
those of associative recall (`language.trials`); `-fading` has neither: it is the preset with gates that write little,
and forgets its learned initial weights.
"""

import functools
import math
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
import tyro

from benchmarks.provenance import provenance
from language.data.shards import prepare
from language.evaluation.perplexity import bits_per_byte, evaluate_texts
from language.inference.opening import open_model
from language.inference.text import TextTokens
from language.runs.runs import new_run, pretrain_run
from language.tokenizers import ByteTokenizer
from language.training.config import BatchConfig, PretrainConfig, RecordConfig
from language.trials.models import NO_MEMORY, without_memory, without_slow_weights
from language.trials.settings import RECALL_GATES
from titans_seq.blocks import BlockConfig
from titans_seq.errors import UserError
from titans_seq.experiment.rows import row_of
from titans_seq.experiment.settings import OptimiserConfig, Runtime
from titans_seq.jsonl import read_rows
from titans_seq.models import CausalLMConfig, count_parameters, language_model
from titans_seq.models.presets import WITH_MEMORY
from titans_seq.tables import span

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "book.jsonl"
BOOKS = HERE.parents[1] / "shared" / "data" / "text" / "books"
TRAINING, TEST = "pg2701.txt", "pg1342.txt"
LENGTH, ROWS, STEPS, LR = 256, 6, 1_000, 2e-3
FADING = "-fading"
# Where the table's ranges of positions begin.
PLACES = (0, 256, 4_096, 65_536)


@dataclass(frozen=True)
class Arguments:
    """Train and score what has no row yet.

    Args:
        models: variants of the tiny models, as they are, with -no-memory or with -fading.
        seeds: of weights and order.
        steps: of training.
        out: rows, one JSON object a line.
        books: folder of the books.
    """

    models: tuple[str, ...] = ("lmm", f"lmm{NO_MEMORY}", f"lmm{FADING}")
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = STEPS
    out: Path = RESULTS
    books: Path = BOOKS


def model_config(name: str, vocabulary: int) -> CausalLMConfig:
    """Return a model by name, see `Arguments.models`."""
    model = language_model(f"tiny-{name.removesuffix(NO_MEMORY).removesuffix(FADING)}", vocabulary)

    def changed(block: BlockConfig) -> BlockConfig:
        assert isinstance(block, WITH_MEMORY)
        if name.endswith(FADING):
            return without_slow_weights(block)
        block = replace(block, memory=replace(block.memory, gates=RECALL_GATES))
        return without_memory(block) if name.endswith(NO_MEMORY) else block

    return replace(model, blocks=tuple(map(changed, model.blocks)))


def run(name: str, seed: int, steps: int, books: Path) -> dict[str, Any]:
    """Train one model in a temporary folder, score it, and return what its row says of it."""
    for book in (TRAINING, TEST):
        if not (books / book).exists():
            raise UserError(f"{books / book}: no such file: give the folder of the books with --books")
    tokenizer = ByteTokenizer()
    model = model_config(name, tokenizer.vocabulary)
    config = PretrainConfig(
        steps,
        OptimiserConfig(lr=LR, warmup=100),
        BatchConfig(length=LENGTH, rows=ROWS, tokens=ROWS * LENGTH),
        RecordConfig(checkpoint_every=steps),
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        shards, out = Path(folder) / "shards", Path(folder) / "run"
        prepare([books / TRAINING], tokenizer, shards)
        pretrain_run(new_run(shards, model, config), out, runtime=Runtime(progress="lines"))
        trained = open_model(out, "cpu")
        result = evaluate_texts(trained, [TextTokens(books / TEST, tokenizer)], LENGTH)
    return {
        "parameters": count_parameters(model),
        "evaluation": asdict(result),
        "bits_per_byte": result.bits_per_byte(result.carried),
        "bits_per_byte_cut": result.bits_per_byte(result.cut),
        "measured": provenance(),
    }


def bits_from(row: dict[str, Any], first: int, end: float) -> float:
    """Bits a byte of the ranges that begin in [first, end), of which there must be one."""
    ranges = [part for part in row["evaluation"]["by_position"] if first <= part["first"] < end]
    nats = sum(part["carried"] * part["tokens"] for part in ranges)
    # Tokens are bytes.
    return bits_per_byte(nats, sum(part["tokens"] for part in ranges))


def table(rows: list[dict[str, Any]], steps: int = STEPS) -> str:
    """Bits a byte by position after so many steps, one line a model: mean over seeds."""
    rows = sorted((row for row in rows if row["steps"] == steps), key=lambda row: row["seed"])
    head = " | ".join(f"from {first:,}" for first in PLACES)
    lines = [
        f"| bits a byte | seeds | whole book (range) | reset every {LENGTH} | {head} |",
        "|---" * (4 + len(PLACES)) + "|",
    ]
    for name in dict.fromkeys(row["model"] for row in rows):
        mine = [row for row in rows if row["model"] == name]
        whole = [row["bits_per_byte"] for row in mine]
        parts = [
            f"{statistics.fmean(bits_from(row, first, end) for row in mine):.3f}"
            for first, end in zip(PLACES, [*PLACES[1:], math.inf], strict=True)
        ]
        lines.append(
            f"| {name} | {len(mine)} | {span(whole)} "
            f"| {statistics.fmean(row['bits_per_byte_cut'] for row in mine):.3f} | {' | '.join(parts)} |"
        )
    return "\n".join(lines)


def main(arguments: Arguments) -> None:
    """Run what is missing, and print the table."""
    torch.set_num_threads(1)
    for seed in arguments.seeds:
        for name in arguments.models:
            identity = {"model": name, "seed": seed, "steps": arguments.steps}
            row_of(arguments.out, identity, functools.partial(run, name, seed, arguments.steps, arguments.books))
    print(table(read_rows(arguments.out), arguments.steps))


if __name__ == "__main__":
    try:
        main(tyro.cli(Arguments, description=__doc__))
    except UserError as error:
        sys.exit(f"error: {error}")
