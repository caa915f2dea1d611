"""Where on text a memory acts: small subword models on long streams, by how far back a pair of tokens was last seen.

    python -m benchmarks.long_text_recall                          # every row that is not there yet; days on one core
    python -m benchmarks.long_text_recall --corpora code --models window mag mag-no-memory lmm:gated_deltanet --time 120
    python -m benchmarks.long_text_recall --table                  # the tables of the rows that are there

Models of three million parameters read the same number of tokens of WikiText's articles, books or Python code, state
carried through streams of at least 8,192 tokens, and are scored on other streams, every token, from the start of each
with state carried. A model is VARIANT, VARIANT:RULE, or either with `-no-memory` behind: the same model, parameter by
parameter, whose memory never learns. `hybrid` is three blocks of memory alone and one of window attention. The
`transformer`, with attention to everything, is the ceiling; it is trained on segments as long as a stream.
"""

import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import torch
import tyro

from benchmarks.long_text_corpora import CORPORA, Corpus, open_corpus
from benchmarks.provenance import provenance
from language.evaluation.perplexity import evaluate_texts
from language.evaluation.recency import RecencyLoss
from language.evaluation.recency_report import range_text, recency_rows
from language.inference.opening import TrainedModel
from language.inference.text import TextTokens
from language.training.config import BatchConfig, PretrainConfig, RecordConfig
from language.training.pretraining import new_model, pretrain_model
from language.trials.models import NO_MEMORY, without_memory
from language.trials.settings import RECALL_GATES
from titans_seq.blocks import AttentionBlockConfig, BlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.config import to_dict
from titans_seq.errors import UserError, choose
from titans_seq.experiment.rows import find_row, row_of
from titans_seq.experiment.settings import OptimiserConfig
from titans_seq.jsonl import read_rows
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import PRESETS, LinearMemory, preset
from titans_seq.models import CausalLMConfig, count_parameters, sized

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "long_text_recall.jsonl"
DATA = HERE.parents[1] / "shared" / "data" / "text"
WORK = HERE.parent / "runs" / "long_text_recall"

PARAMETERS, DIM, DEPTH, HEADS, WINDOW, VOCABULARY = 3_000_000, 160, 4, 4, 128, 4_096
RULE = "titans_linear"
RULES = (RULE, "titans", "gated_deltanet", "deltanet")
VARIANTS = ("mag", "mal", "mac", "lmm", "hybrid")
MODELS = (
    "window",
    "transformer",
    *VARIANTS,
    *(f"{name}{NO_MEMORY}" for name in VARIANTS),
    *(f"{name}:{rule}" for name in ("lmm", "mag") for rule in RULES[1:]),
)


@dataclass(frozen=True)
class Arguments:
    """Train and score what has no row yet.

    Args:
        corpora: which.
        models: which; see above.
        seeds: of weights and order.
        tokens: that each model is trained on.
        batch_tokens: of an optimiser step.
        length: tokens of a training segment; back-propagation ends at its start.
        stream: tokens of a stream, at least.
        lr: largest learning rate.
        chunk: tokens of a memory's chunk.
        max_step: of a memory's gates. Above 2 a memory diverges where a chunk is one token over and over, as in rows of
            dashes: with 16 and chunks of 32, MAG did within 13,000 tokens of Moby Dick.
        test_tokens: about so many are scored.
        vocabulary: of the tokenizer that is trained on the training part.
        tokenizer: one to take instead: a tokenizer.json, a SentencePiece model or bytes.
        out: rows, one JSON object a line.
        data: folder with wikitext-2 and books in it.
        work: folder for corpora and the checkpoints of what is training; a stopped run goes on from there.
        time: minutes after which no further run is begun, nor one that would likely end later; None for no limit.
        table: only print the tables.
    """

    corpora: tuple[str, ...] = tuple(CORPORA)
    models: tuple[str, ...] = MODELS
    seeds: tuple[int, ...] = (0, 1, 2)
    tokens: int = 4_000_000
    batch_tokens: int = 8_192
    length: int = 512
    stream: int = 8_192
    lr: float = 2e-3
    chunk: int = 16
    max_step: float = 1.0
    test_tokens: int = 200_000
    vocabulary: int = VOCABULARY
    tokenizer: str | None = None
    out: Path = RESULTS
    data: Path = DATA
    work: Path = WORK
    time: float | None = None
    table: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


def model_config(name: str, vocabulary: int, chunk: int = 16, max_step: float = 1.0) -> CausalLMConfig:
    """Return a model of the benchmark by name; `chunk` and `max_step` as in `Arguments`.

    Raises:
        UserError: if there is none of that name, or it cannot have so few parameters.
    """
    variant, _, rule = name.removesuffix(NO_MEMORY).partition(":")
    choose(variant, ("window", "transformer", *VARIANTS), "model")
    choose(rule or RULE, PRESETS, "rule")
    rule_ = preset(rule or RULE)
    memory = NeuralMemoryConfig(
        HEADS,
        chunk_size=chunk,
        rule=rule_,
        gates=replace(RECALL_GATES, max_step=max_step),
        # What a carried memory was trained to know is forgotten with all else, but for a learned matrix beside it.
        slow_weights=isinstance(rule_.architecture, LinearMemory),
    )
    near = AttentionConfig(HEADS, WINDOW)
    blocks: dict[str, tuple[BlockConfig, ...]] = {
        "window": (AttentionBlockConfig(near),),
        "transformer": (AttentionBlockConfig(AttentionConfig(HEADS, window=None)),),
        "mag": (MAGConfig(near, memory),),
        "mal": (MALConfig(memory, near),),
        "mac": (MACConfig(memory, HEADS, WINDOW),),
        "lmm": (LMMConfig(memory),),
        "hybrid": (LMMConfig(memory),) * 3 + (AttentionBlockConfig(near),),
    }
    chosen = blocks[variant]
    if name.endswith(NO_MEMORY):
        chosen = tuple(map(without_memory, chosen))
    try:
        return sized(CausalLMConfig(vocabulary, DIM, chosen, DEPTH), PARAMETERS)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


def training_config(name: str, seed: int, arguments: Arguments) -> PretrainConfig:
    """Return how a model is trained: the transformer on segments as long as a stream, the others with state carried."""
    whole = name == "transformer"
    length = arguments.stream if whole else arguments.length
    batch = max(arguments.batch_tokens, length)
    return PretrainConfig(
        steps=max(1, arguments.tokens // batch),
        optimiser=OptimiserConfig(lr=arguments.lr, warmup=min(100, arguments.tokens // batch // 10)),
        batches=BatchConfig(length=length, tokens=batch, mode="random" if whole else "carry"),
        records=RecordConfig(validate_every=10**9, checkpoint_every=100, keep=1),
        seed=seed,
    )


def measure(model: CausalLMConfig, config: PretrainConfig, corpus: Corpus, folder: Path, length: int) -> dict[str, Any]:
    """Train one model, score it, and return what its row says; why there is no score, if it diverges."""
    began = time.process_time()
    trained, _ = pretrain_model(
        new_model(model, config), config, corpus.train, None, folder, resume=True, progress="lines"
    )
    assert trained is not None
    trained_by = time.process_time()
    texts = [TextTokens(path, corpus.tokenizer) for path in corpus.test]
    row = {
        "parameters": count_parameters(model),
        "tokens_trained": (config.steps or 0) * config.batches.tokens,
        "train_s": trained_by - began,
        "measured": provenance(),
    }
    try:
        result = evaluate_texts(
            TrainedModel(trained, corpus.tokenizer), texts, length, window=WINDOW, training=corpus.train
        )
    except UserError as error:
        return row | {"loss": None, "failed": str(error), "by_recency": []}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return row | {
        "test_s": time.process_time() - trained_by,
        "test": {"streams": result.documents, "tokens": result.tokens, "text_bytes": result.text_bytes},
        "loss": result.carried,
        "loss_cut": result.cut,
        "bits_per_byte": result.bits_per_byte(result.carried),
        "window": WINDOW,
        "by_recency": recency_rows(result.by_recency),
    }


def identity(corpus: str, data: Corpus, name: str, model: CausalLMConfig, config: PretrainConfig) -> dict[str, Any]:
    """Return what tells a run from others."""
    return {
        "corpus": corpus,
        "data": data.train.fingerprint,
        "model": name,
        "seed": config.seed,
        "blocks": [to_dict(block) for block in model.blocks],
        "training": asdict(config),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Means over seeds: the loss in nats of all tokens, by how far back the pair was last seen, and of rare pairs."""
    lines = []
    for corpus in dict.fromkeys(row["corpus"] for row in rows):
        held = [row for row in rows if row["corpus"] == corpus]
        scored = next((row["by_recency"] for row in held if row["by_recency"]), [])
        ranges = [part for part in scored if part["pairs"] == "all"]
        heads = ["all", *map(_range, ranges), "rare, beyond the window"]
        lines += [
            f"\n### {corpus}, nats a token by how many tokens back the pair was last seen\n",
            f"| model | parameters | seeds | {' | '.join(heads)} |",
            "|---" * (3 + len(heads)) + "|",
        ]
        for name in dict.fromkeys(row["model"] for row in held):
            mine = [row for row in held if row["model"] == name]
            cells = [_mean([row["loss"] for row in mine])]
            for one in ranges:
                cells.append(_mean([_loss(row, "all", one["first"], one["first"]) for row in mine]))
            cells.append(_mean([_loss(row, "rare", WINDOW + 1, math.inf) for row in mine]))
            parameters = f"{mine[0]['parameters'] / 1e6:.2f}M"
            diverged = sum(row["loss"] is None for row in mine)
            seeds = f"{len(mine)}, {diverged} of them diverged" if diverged else f"{len(mine)}"
            lines.append(f"| {name} | {parameters} | {seeds} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(part: Mapping[str, Any]) -> str:
    return f"{range_text(RecencyLoss(part['first'], part['last'], None, 0, 0.0, 0.0))} ({part['tokens']:,})"


def _loss(row: Mapping[str, Any], pairs: str, least: int, most: float) -> float | None:
    """The mean loss of the ranges that begin in [least, most]; None without tokens."""
    parts = [part for part in row["by_recency"] if part["pairs"] == pairs and least <= part["first"] <= most]
    tokens = sum(part["tokens"] for part in parts)
    return sum(part["tokens"] * part["loss_carried"] for part in parts if part["tokens"]) / tokens if tokens else None


def _mean(losses: Sequence[float | None]) -> str:
    held = [loss for loss in losses if loss is not None]
    return f"{fmean(held):.3f}" if held else "-"


def run_missing(arguments: Arguments) -> None:
    """Train and score what has no row, seed by seed, within the time."""
    began, longest = time.monotonic(), 0.0
    for seed in arguments.seeds:
        for corpus in arguments.corpora:
            choose(corpus, CORPORA, "corpus")
            folder = arguments.work / corpus
            data = open_corpus(
                corpus,
                folder,
                arguments.data,
                arguments.stream,
                arguments.vocabulary,
                arguments.tokenizer,
                arguments.test_tokens,
            )
            for name in arguments.models:
                model = model_config(name, data.tokenizer.vocabulary, arguments.chunk, arguments.max_step)
                config = training_config(name, seed, arguments)
                known = identity(corpus, data, name, model, config)
                if find_row(read_rows(arguments.out), known) is not None:
                    continue
                spent = time.monotonic() - began
                if arguments.time is not None and spent + longest > 60 * arguments.time:
                    print(f"stopped after {spent / 60:.0f} minutes: the next would be {corpus}, {name}, seed {seed}")
                    return
                print(f"{corpus}, {name}, seed {seed}", flush=True)
                out = folder / f"{name.replace(':', '-')}-{seed}"
                row_of(
                    arguments.out,
                    known,
                    lambda m=model, c=config, d=data, o=out: measure(m, c, d, o, arguments.length),
                )
                longest = max(longest, time.monotonic() - began - spent)


def main(arguments: Arguments) -> None:
    """Run what is missing, and print the tables."""
    torch.set_num_threads(1)
    if not arguments.table:
        run_missing(arguments)
    print(table(read_rows(arguments.out)))


if __name__ == "__main__":
    try:
        main(tyro.cli(Arguments, description=__doc__))
    except UserError as error:
        sys.exit(f"error: {error}")
