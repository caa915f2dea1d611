"""Where on text a memory acts: small subword models on long streams, by how far back a pair of tokens was last seen.

    python -m benchmarks.long_text_recall                          # every row that is not there yet; days on one core
    python -m benchmarks.long_text_recall --corpora code --models window mag mag-no-memory lmm:gated_deltanet --time 120
    python -m benchmarks.long_text_recall --table                  # the tables of the rows that are there

    # a small setting, two to five minutes a run on a core of its own
    python -m benchmarks.long_text_recall --corpora code --models window mag mag-recall mag-recall-no-memory \\
        --parameters 400000 --dim 64 --depth 2 --heads 2 --head-dim 64 --window 32 --chunk 4 --max-step 2 \\
        --vocabulary 1024 --corpus-bytes 3000000 --stream 4096 --tokens 1000000 --batch-tokens 1024 --length 256 \\
        --lr 3e-3 --test-tokens 60000 --work runs/small_recall

Models of the same size read the same number of tokens of WikiText's articles, books or Python code, state carried
through long streams, and are scored on other streams, every token, from the start of each with state carried. A model
is VARIANT, VARIANT:RULE, or either with `-no-memory` behind: the same model, parameter by parameter, whose memory
never learns. `wikitext-with-code` and `books-with-code` are trained on code besides, and tested on the documents of
`wikitext` and `books`. VARIANT may end in `-recall`, which makes it a model of
`titans_seq.models.presets.with_recall`. `hybrid` is blocks of memory alone and as the last one of each four (of all,
if there are fewer) one of window attention. The `transformer`, with attention to everything, is the ceiling; it is
trained on segments as long as a stream. A trained model with a memory is scored once more with its memory shut:
nothing is written or forgotten. With `--repeats` all models are first trained on made-up streams whose spans come
again; a stopped run makes that part anew. Rows of `mag+ahead` are of an earlier `-recall`, at the commits that they
name: heads of 64, forgetting 0.2% a token at first, no convolution.
"""

import functools
import itertools
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
from tyro.conf import OmitArgPrefixes

from benchmarks.long_text_corpora import CORPORA, Corpus, Texts, open_corpus
from benchmarks.provenance import provenance
from language.data.repeats import repeats
from language.data.token_shards import TokenShards
from language.evaluation.perplexity import Evaluation, evaluate_texts
from language.evaluation.recency import RecencyLoss
from language.evaluation.recency_report import range_text, recency_rows
from language.inference.opening import TrainedModel
from language.inference.text import TextTokens
from language.training.config import BatchConfig, PretrainConfig, RecordConfig
from language.training.pretraining import new_model, pretrain_model
from language.trials.models import NO_MEMORY, RECALL, without_memory
from language.trials.settings import RECALL_GATES
from titans_seq.blocks import AttentionBlockConfig, BlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.config import to_dict
from titans_seq.errors import UserError, choose
from titans_seq.experiment.rows import find_row, row_of
from titans_seq.experiment.settings import OptimiserConfig, Runtime
from titans_seq.jsonl import read_rows
from titans_seq.layers import AttentionConfig, NeuralMemory, NeuralMemoryConfig
from titans_seq.layers.shutting import shut_memories
from titans_seq.memory import PRESETS, LinearMemory, preset
from titans_seq.models import CausalLM, CausalLMConfig, count_parameters, sized
from titans_seq.models.presets import with_recall

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "long_text_recall.jsonl"
DATA = HERE.parents[1] / "shared" / "data" / "text"
WORK = HERE.parent / "runs" / "long_text_recall"

RULE = "titans_linear"
RULES = (RULE, "titans", "gated_deltanet", "deltanet")
DECAY_BIAS = -2.99
"""Start of the decay's gate, a hard sigmoid: a token forgets 0.2%, and the gate can still shut."""
VARIANTS = ("mag", "mal", "mac", "lmm", "hybrid")
MODELS = (
    "window",
    "transformer",
    *VARIANTS,
    *(f"{name}{NO_MEMORY}" for name in VARIANTS),
    *(f"{name}{RECALL}" for name in VARIANTS),
    *(f"{name}{RECALL}{NO_MEMORY}" for name in VARIANTS),
    *(f"{name}:{rule}" for name in ("lmm", "mag", f"lmm{RECALL}", f"mag{RECALL}") for rule in RULES[1:]),
)


@dataclass(frozen=True)
class Shape:
    """What all models have in common.

    Args:
        parameters: of each, about.
        dim: width.
        depth: blocks.
        heads: of attention and memories.
        head_dim: width of a memory's keys and values; None for the width over the heads.
        window: tokens that attention sees.
        chunk: tokens of a memory's chunk.
        max_step: of a memory's gates. Above 2 a memory diverges where a chunk is one token over and over, as in rows of
            dashes, for all its gradients are taken at the same weights and add up: with 16 and chunks of 32, MAG did
            within 13,000 tokens of Moby Dick.
    """

    parameters: int = 3_000_000
    dim: int = 160
    depth: int = 4
    heads: int = 4
    head_dim: int | None = None
    window: int = 128
    chunk: int = 16
    max_step: float = 1.0


@dataclass(frozen=True)
class Training:
    """How each model is trained.

    Args:
        tokens: that it is trained on.
        batch_tokens: of an optimiser step.
        length: tokens of a training segment; back-propagation ends at its start.
        lr: largest learning rate.
        repeats: tokens of made-up streams of repeats that it begins with, in a training of its own: what can be learnt
            there is to look up what was read.
    """

    tokens: int = 4_000_000
    batch_tokens: int = 8_192
    length: int = 512
    lr: float = 2e-3
    repeats: int = 0


@dataclass(frozen=True)
class Arguments:
    """Train and score what has no row yet.

    Args:
        corpora: which.
        models: which; see above.
        seeds: of weights and order.
        texts: how the corpora are made.
        shape: of the models.
        training: of the models.
        out: rows, one JSON object a line.
        time: minutes after which no further run is begun, nor one that would likely end later; None for no limit.
        table: only print the tables.
    """

    corpora: tuple[str, ...] = tuple(CORPORA)
    models: tuple[str, ...] = MODELS
    seeds: tuple[int, ...] = (0, 1, 2)
    texts: OmitArgPrefixes[Texts] = Texts(DATA, WORK)
    shape: OmitArgPrefixes[Shape] = Shape()
    training: OmitArgPrefixes[Training] = Training()
    out: Path = RESULTS
    time: float | None = None
    table: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


def model_config(name: str, vocabulary: int, shape: Shape = Shape()) -> CausalLMConfig:
    """Return a model of the benchmark by name.

    Raises:
        UserError: if there is none of that name, or it cannot have so few parameters.
    """
    variant, _, rule = name.removesuffix(NO_MEMORY).partition(":")
    recall, variant = variant.endswith(RECALL), variant.removesuffix(RECALL)
    choose(variant, VARIANTS if recall or rule else ("window", "transformer", *VARIANTS), "model")
    choose(rule or RULE, PRESETS, "rule")
    rule_ = preset(rule or RULE)
    memory = NeuralMemoryConfig(
        shape.heads,
        shape.head_dim,
        shape.chunk,
        rule_,
        replace(RECALL_GATES, max_step=shape.max_step, decay_bias=DECAY_BIAS),
        # What a carried memory was trained to know is forgotten with all else, but for a learned matrix beside it.
        slow_weights=isinstance(rule_.architecture, LinearMemory),
    )
    near = AttentionConfig(shape.heads, shape.window)
    blocks: dict[str, tuple[BlockConfig, ...]] = {
        "window": (AttentionBlockConfig(near),),
        "transformer": (AttentionBlockConfig(AttentionConfig(shape.heads, window=None)),),
        "mag": (MAGConfig(near, memory),),
        "mal": (MALConfig(memory, near),),
        "mac": (MACConfig(memory, shape.heads, shape.window),),
        "lmm": (LMMConfig(memory),),
        "hybrid": (LMMConfig(memory),) * (min(4, shape.depth) - 1) + (AttentionBlockConfig(near),),
    }
    model = CausalLMConfig(vocabulary, shape.dim, blocks[variant], shape.depth)
    if recall:
        model = with_recall(model, rule_)
    if name.endswith(NO_MEMORY):
        model = replace(model, blocks=tuple(map(without_memory, model.blocks)))
    try:
        return sized(model, shape.parameters)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


def training_config(name: str, seed: int, arguments: Arguments) -> PretrainConfig:
    """Return how a model is trained: the transformer on segments as long as a stream, the others with state carried."""
    whole, training = name == "transformer", arguments.training
    length = arguments.texts.stream if whole else training.length
    batch = max(training.batch_tokens, length)
    return PretrainConfig(
        steps=max(1, training.tokens // batch),
        optimiser=OptimiserConfig(lr=training.lr, warmup=min(100, training.tokens // batch // 10)),
        batches=BatchConfig(length=length, tokens=batch, mode="random" if whole else "carry"),
        records=RecordConfig(validate_every=10**9, checkpoint_every=100, keep=1),
        seed=seed,
    )


def begun(model: CausalLMConfig, config: PretrainConfig, stream: int, end: int, tokens: int) -> CausalLM:
    """Return the model that training begins with: as drawn, or after so many tokens of made-up repeats."""
    drawn = new_model(model, config)
    if not tokens:
        return drawn
    steps = max(1, tokens // config.batches.tokens)
    optimiser = replace(config.optimiser, warmup=min(100, steps // 10))
    short = replace(config, steps=steps, optimiser=optimiser)
    made = TokenShards.from_documents(list(repeats(tokens, stream, model.vocabulary, end, config.seed)), end)
    trained, _ = pretrain_model(drawn, short, made, None, runtime=Runtime(progress="lines"))
    assert trained is not None
    return trained.train()


def measure(
    model: CausalLMConfig, config: PretrainConfig, corpus: Corpus, folder: Path, arguments: Arguments
) -> dict[str, Any]:
    """Train one model, score it, and return what its row says; why there is no score, if it diverges."""
    began, training = time.process_time(), arguments.training
    length, window = training.length, arguments.shape.window
    first = begun(model, config, arguments.texts.stream, corpus.train.end_of_document, training.repeats)
    trained, _ = pretrain_model(
        first, config, corpus.train, None, folder, resume=True, runtime=Runtime(progress="lines")
    )
    assert trained is not None
    trained_by = time.process_time()
    row = {
        "parameters": count_parameters(model),
        "tokens_trained": (config.steps or 0) * config.batches.tokens,
        "train_s": trained_by - began,
        "measured": provenance(),
    }

    def scored() -> Evaluation:
        texts = [TextTokens(path, corpus.tokenizer) for path in corpus.test]
        return evaluate_texts(
            TrainedModel(trained, corpus.tokenizer), texts, length, window=window, training=corpus.train
        )

    try:
        result = scored()
        if any(isinstance(module, NeuralMemory) for module in trained.modules()):
            with shut_memories(trained.modules()):
                shut = scored()
            row |= {"shut": {"loss": shut.carried, "by_recency": recency_rows(shut.by_recency)}}
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
        "window": window,
        "by_recency": recency_rows(result.by_recency),
    }


def identity(
    corpus: str, data: Corpus, name: str, model: CausalLMConfig, config: PretrainConfig, repeated: int
) -> dict[str, Any]:
    """Return what tells a run from others."""
    return {
        "corpus": corpus,
        "data": data.train.fingerprint,
        "model": name,
        "seed": config.seed,
        "dim": model.dim,
        "depth": model.depth,
        "blocks": [to_dict(block) for block in model.blocks],
        "training": asdict(config),
        "repeats": repeated,
    }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Means over seeds: the loss in nats of all tokens (range), by how far back the pair was seen, of rare pairs."""
    lines = []
    for setting in dict.fromkeys(map(_setting, rows)):
        corpus, _, tokens, repeated = setting
        held = [row for row in rows if _setting(row) == setting]
        scored = next((row["by_recency"] for row in held if row["by_recency"]), [])
        ranges = [part for part in scored if part["pairs"] == "all"]
        heads = ["all", *map(_range, ranges), "rare, beyond the window"]
        lines += [
            f"\n### {corpus}, {tokens:,} tokens of training{f' after {repeated:,} of repeats' if repeated else ''}: "
            "nats a token by how many tokens back the pair was seen\n",
            f"| model | parameters | seeds | {' | '.join(heads)} |",
            "|---" * (3 + len(heads)) + "|",
        ]
        for name in dict.fromkeys(row["model"] for row in held):
            mine = [row for row in held if row["model"] == name]
            parameters = f"{mine[0]['parameters'] / 1e6:.2f}M"
            diverged = sum(row["loss"] is None for row in mine)
            seeds = f"{len(mine)}, {diverged} of them diverged" if diverged else f"{len(mine)}"
            lines.append(f"| {name} | {parameters} | {seeds} | {' | '.join(_cells(mine, ranges))} |")
            if shut := [row["shut"] | {"window": row["window"]} for row in mine if "shut" in row]:
                lines.append(f"| {name}, its memory shut | | | {' | '.join(_cells(shut, ranges))} |")
    return "\n".join(lines)


def _setting(row: Mapping[str, Any]) -> tuple[str, str, int, int]:
    return row["corpus"], row["data"], row["tokens_trained"], row["repeats"]


def _cells(rows: Sequence[Mapping[str, Any]], ranges: Sequence[Mapping[str, Any]]) -> list[str]:
    losses = [row["loss"] for row in rows if row["loss"] is not None]
    cells = [_mean(losses) + (f" ({min(losses):.3f} to {max(losses):.3f})" if len(losses) > 1 else "")]
    for one in ranges:
        cells.append(_mean([_loss(row, "all", one["first"], one["first"]) for row in rows]))
    return [*cells, _mean([_loss(row, "rare", row.get("window", 0) + 1, math.inf) for row in rows])]


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
    for seed, corpus, name in itertools.product(arguments.seeds, arguments.corpora, arguments.models):
        choose(corpus, CORPORA, "corpus")
        data = open_corpus(corpus, arguments.texts)
        model = model_config(name, data.tokenizer.vocabulary, arguments.shape)
        config = training_config(name, seed, arguments)
        known = identity(corpus, data, name, model, config, arguments.training.repeats)
        if find_row(read_rows(arguments.out), known) is not None:
            continue
        spent = time.monotonic() - began
        if arguments.time is not None and spent + longest > 60 * arguments.time:
            print(f"stopped after {spent / 60:.0f} minutes: the next would be {corpus}, {name}, seed {seed}")
            return
        print(f"{corpus}, {name}, seed {seed}", flush=True)
        out = arguments.texts.work / corpus / f"{name.replace(':', '-')}-{seed}"
        row_of(arguments.out, known, functools.partial(measure, model, config, data, out, arguments))
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
