"""`titans lm pretrain`: a language model from token shards."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes

from titans_seq.errors import UserError
from titans_seq.commands import Maybe
from titans_seq.progress import Progress, usual

from ..training.settings import Hardware, Mode, RecordConfig

if TYPE_CHECKING:
    from titans_seq.models import CausalLMConfig

    from ..training.config import PretrainConfig


@dataclass(frozen=True)
class RunOptions:
    """Where it goes, and what is there already."""

    out: Path
    """Folder of the run; nothing is written anywhere else."""
    resume: bool = False
    """Go on with the stopped run in --out, with its settings."""
    overwrite: bool = False
    """Replace the run in --out."""
    progress: Progress = field(default_factory=usual)
    """What to show meanwhile; in a file, lines if not given."""


@dataclass(frozen=True)
class ModelOptions:
    """Further choices, such as other memories, are made in Python."""

    preset: str = "tiny-mac"
    """VARIANT-SIZE, with mac, mag, mal, lmm, window or transformer, and tiny, 170m, 340m, 400m, 760m or 1.3b."""
    gates: Literal["sigmoid", "hard"] = "sigmoid"
    """Of the memory's writes; hard ones can shut completely, and see the token before: --write-cost then shuts them."""
    compile: bool = False
    """Compile the model with torch.compile."""
    precision: Literal["32-true", "bf16-mixed", "bf16-true"] = "32-true"
    """Of the arithmetic; memories stay in float32."""


@dataclass(frozen=True)
class BatchOptions:
    """What is read at once."""

    length: int = 256
    """Tokens of a segment; state is carried from each to the next of its document."""
    batch_tokens: int = 2048
    """Tokens of an optimiser step."""
    rows: Maybe[int] = None
    """Segments read at once on each device; the step's all if not given. Fewer take less memory."""
    mode: Maybe[Mode] = None
    """Read documents through, or segments from anywhere; carry if not given, except for a transformer."""


@dataclass(frozen=True)
class OptimiserOptions:
    """AdamW, with a rate that rises and then falls along a cosine."""

    max_steps: Maybe[int] = None
    """Optimiser steps; as many as read the text once if not given."""
    lr: Maybe[float] = None
    """Largest learning rate; 1e-3 for tiny models, 4e-4 (the paper's) for others if not given."""
    warmup: Maybe[int] = None
    """Steps over which the rate rises; a tenth of all, at most 100 for tiny models and 1000 for others if not given."""
    weight_decay: float = 0.1
    """Of matrices."""
    write_cost: float = 0.0
    """Weight in the loss of how far the memories' gates stand open; what is kept for long is then disturbed less."""
    seed: int = 0
    """Of initial weights and order."""


@dataclass(frozen=True)
class Pretrain:
    """Train a language model on token shards that `titans lm prepare` made, into a run folder.

    A run that was stopped goes on with --resume, and ends with the same weights.
    """

    run: OmitArgPrefixes[RunOptions]
    data: Maybe[Path] = None
    """Folder of token shards."""
    model: OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)
    batches: OmitArgPrefixes[BatchOptions] = field(default_factory=BatchOptions)
    optimiser: OmitArgPrefixes[OptimiserOptions] = field(default_factory=OptimiserOptions)
    records: OmitArgPrefixes[RecordConfig] = field(default_factory=RecordConfig)
    hardware: OmitArgPrefixes[Hardware] = field(default_factory=Hardware)


def pretrain(options: Pretrain) -> None:
    """Train, and say what came of it."""
    from titans_seq.experiment.lightning_tools import is_first_process

    from ..runs.runs import pretrain_run, resume_run
    from ..training.config import LOG
    from ..training.log import read_log

    run = options.run
    if run.resume:
        if options != Pretrain(replace(run, overwrite=False), hardware=options.hardware):
            raise UserError(
                "--resume goes on with the settings stored in the run: leave out all options but --out, --devices, "
                "--strategy, --accelerator and --progress, or train anew with --overwrite"
            )
        resume_run(run.out, hardware=options.hardware, progress=run.progress)
    else:
        if options.data is None:
            raise UserError("no data is given: add --data with a folder that titans lm prepare wrote")
        config = resolve(options, options.data)
        pretrain_run(
            options.data,
            run.out,
            config,
            overwrite=run.overwrite,
            hardware=options.hardware,
            progress=run.progress,
        )
    if not is_first_process():
        return
    validations = [row for row in read_log(run.out / LOG) if row.get("validation_loss") is not None]
    if validations:
        last = validations[-1]
        per_byte = "" if "bits_per_byte" not in last else f", {last['bits_per_byte']:.4f} bits a byte"
        print(f"validation loss {last['validation_loss']:.4f}, perplexity {last['perplexity']:.2f}{per_byte}")
    print(f"the run is in {run.out}; next:\n  titans lm generate {run.out} --prompt ...")


def resolve(options: Pretrain, data: Path) -> "PretrainConfig":
    """The settings of a run, with what was not given filled in.

    Raises:
        UserError: if there is no such preset, a number is out of range, or the folder holds no shards.
    """
    from titans_seq.experiment.settings import OptimiserConfig

    from ..data.manifest import read_manifest
    from ..data.stream import SegmentStream
    from ..data.token_shards import TokenShards
    from ..training.config import PretrainConfig
    from ..training.settings import BatchConfig

    model = _model(options.model, read_manifest(data).tokenizer.vocabulary)
    words = options.model.preset.lower().split("-")
    given, chosen, devices = options.batches, options.optimiser, options.hardware.devices
    tiny, mode = "tiny" in words, given.mode or ("random" if "transformer" in words else "carry")
    rows = given.rows
    if rows is None:
        rows = max(1, given.batch_tokens // max(1, given.length * devices))
    batches = BatchConfig(given.length, rows, given.batch_tokens, mode)
    steps = chosen.max_steps
    if steps is None:
        stream = SegmentStream(TokenShards.open(data), rows, given.length, mode=mode, world=devices)
        steps = max(1, len(stream) * rows * given.length * devices // given.batch_tokens)
    warmup = chosen.warmup
    if warmup is None:
        warmup = min(steps // 10, 100 if tiny else 1000)
    lr = chosen.lr if chosen.lr is not None else 1e-3 if tiny else 4e-4
    return PretrainConfig(
        model,
        steps,
        OptimiserConfig(lr=lr, warmup=warmup, weight_decay=chosen.weight_decay),
        batches,
        options.records,
        write_cost=chosen.write_cost,
        seed=chosen.seed,
        precision=options.model.precision,
        compile=options.model.compile,
    )


def _model(options: ModelOptions, vocabulary: int) -> "CausalLMConfig":
    from titans_seq.models import language_model
    from titans_seq.models.presets import with_hard_gates

    try:
        model = language_model(options.preset, vocabulary)
        return with_hard_gates(model) if options.gates == "hard" else model
    except ValueError as error:
        raise UserError(f"--preset: {error}") from error
