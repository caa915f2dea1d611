"""`titans dna pretrain`: an encoder from sequences without labels."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.errors import UserError
from titans_seq.commands import Maybe

from .options import ModelOptions, RecordOptions, RunOptions

if TYPE_CHECKING:
    from ..training.config import PretrainConfig


@dataclass(frozen=True)
class PretrainingOptions:
    """What is not given takes its default, which the run's config.yaml shows."""

    objective: Literal["masked", "next"] = "masked"
    """Name hidden tokens, which needs directions both, or the next one, which needs stem none (taken if not given)."""
    steps: Maybe[int] = None
    """Optimiser steps."""
    length: Maybe[int] = None
    """Tokens of a window."""
    rows: Maybe[int] = None
    """Windows of a step."""
    lr: Maybe[float] = None
    """Largest learning rate."""
    both_strands: bool = False
    """Read each window from either strand at random."""
    validation: Maybe[float] = None
    """Share of all tokens, at the end of the data, for validation."""
    every: Maybe[int] = None
    """Steps between validations and checkpoints."""
    seed: int = 0
    """Of weights, windows and masks."""


@dataclass(frozen=True)
class Pretrain:
    """Train an encoder on sequences without labels, such as genomes, for titans dna train --init.

    It names hidden tokens from both sides, or the next token from those before it. A run that was stopped goes on with
    --resume, and ends with the same weights.
    """

    run: OmitArgPrefixes[RunOptions]
    sequences: Positional[tuple[Path, ...]] = ()
    """FASTA, FASTQ, GenBank, tables, or one sequence a line; plain, gzip or bgzip. They are held in memory."""
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)
    model: OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)
    pretraining: OmitArgPrefixes[PretrainingOptions] = field(default_factory=PretrainingOptions)


def pretrain(options: Pretrain) -> None:
    """Train, and say what came of it."""
    from ..runs.folder import METRICS
    from .settings import accelerator, chosen_device

    hardware = accelerator(chosen_device(options.run.device))
    (_resume if options.run.resume else _start)(options, hardware)
    last = json.loads((options.run.out / METRICS).read_text(encoding="utf-8"))["last"]
    held = "" if last["val_loss"] is None else f", validation loss {last['val_loss']:.4f} nats a token"
    print(f"step {last['step']:,}: training loss {last['train_loss']:.4f}{held}")
    print(f"the run is in {options.run.out}; next:\n  titans dna train data/ --init {options.run.out} --out runs/z")


def pretrain_config(options: PretrainingOptions) -> "PretrainConfig":
    """How an encoder is pretrained: the defaults, changed by what is given.

    Raises:
        UserError: if a number is out of range.
    """
    from ..training.config import PretrainConfig

    given = {name: getattr(options, name) for name in ("steps", "length", "rows", "validation", "every")}
    config = PretrainConfig(options.objective, both_strands=options.both_strands, seed=options.seed)
    config = replace(config, **{name: value for name, value in given.items() if value is not None})
    return config if options.lr is None else replace(config, optimiser=replace(config.optimiser, lr=options.lr))


def _start(options: Pretrain, hardware: str) -> None:
    from ..runs.folder import RUNS
    from ..runs.plan import plain_reading
    from ..runs.pretrain_runs import pretrain_run
    from .records import records
    from .settings import encoder_and_tokens, load_options

    RUNS.check_free(options.run.out, options.run.overwrite)
    model = options.model
    if options.pretraining.objective == "masked":
        model = replace(model, directions=model.directions or "both")
    else:
        model = replace(model, directions=model.directions or "forward", stem=model.stem or "none")
    encoder, tokens = encoder_and_tokens(model)
    config = pretrain_config(options.pretraining)
    files = [str(path.resolve()) for path in options.sequences]
    with records(options.sequences, options.reading) as given:
        pretrain_run(
            given,
            options.run.out,
            encoder,
            tokens,
            config,
            data=", ".join(files),
            options={"files": files, "reading": plain_reading(load_options(options.reading))},
            overwrite=options.run.overwrite,
            progress=options.run.progress,
            accelerator=hardware,
        )


def _resume(options: Pretrain, hardware: str) -> None:
    from titans_seq.experiment.record import read_config

    from ..runs.folder import PretrainRun
    from ..runs.plan import reading_of
    from ..runs.pretrain_runs import resume_pretrain_run
    from ..sequences.loading import read_all

    if options != Pretrain(replace(options.run, overwrite=False)):
        raise UserError(
            "--resume goes on with the settings stored in the run: leave out the files and all options but --out, "
            "--device and --progress, or train anew with --overwrite"
        )
    stored = read_config(options.run.out, PretrainRun).source.options
    if "files" not in stored:
        raise UserError(f"the run in {options.run.out} does not say which files it reads: resume it in Python")
    given = read_all(stored["files"], reading_of(stored["reading"]))
    resume_pretrain_run(options.run.out, given, progress=options.run.progress, accelerator=hardware)
