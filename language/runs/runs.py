"""The run folder: pretraining on token shards into a folder that holds everything to repeat and use the run.

config.yaml    model, training, data and its fingerprint, versions
log.jsonl      loss, speed, gradient, memories; validations
training.png   the losses
checkpoints/   the states after the last few checkpoints, for resuming
model/         the trained model with its tokenizer, once training is over
"""

import functools
from pathlib import Path

from titans_seq.errors import UserError
from titans_seq.models import CausalLM
from titans_seq.models.saving import MODEL, load_model, save_model
from titans_seq.progress import Progress
from titans_seq.training.lightning_tools import is_first_process
from titans_seq.training.run_folder import read_config, write_config

from ..data.manifest import Manifest, read_manifest
from ..data.token_shards import TokenShards
from ..tokenizers import load_tokenizer
from ..training.config import LOG, PretrainConfig
from ..training.log import read_log
from ..training.pretraining import new_model, pretrain_model
from ..training.settings import ONE_DEVICE, Hardware
from .card import model_card
from .folder import PICTURE, RUNS, RunConfig
from .picture import plot_training


def pretrain_run(
    data: Path,
    out: Path,
    config: PretrainConfig,
    *,
    overwrite: bool = False,
    hardware: Hardware = ONE_DEVICE,
    progress: Progress = "none",
) -> CausalLM | None:
    """Train a language model on a folder of token shards, into a run folder.

    Whatever stops it after a checkpoint, `resume_run` goes on from there. A failure before that leaves nothing.

    Args:
        data: what `prepare` wrote.
        out: the run folder: new, empty, or with `overwrite` that of an earlier run.
        config: model and training; the model's vocabulary is that of the tokenizer.
        overwrite: replace an earlier run.
        hardware: what to run on.
        progress: see `pretrain_model`.

    Returns:
        The trained model; None in all processes of a parallel run but the first.

    Raises:
        UserError: if the folder is taken, the data does not fit the settings, or training fails.
        OSError: if a file cannot be written.
    """
    out, data = Path(out), Path(data)
    train, validation, manifest = _open(data)
    if manifest.tokenizer.vocabulary != config.model.vocabulary:
        raise UserError(
            f"the tokenizer of {data} has {manifest.tokenizer.vocabulary:,} tokens, the model is of "
            f"{config.model.vocabulary:,}: give the model the tokenizer's vocabulary"
        )
    run = RunConfig(config, str(data.resolve()), train.fingerprint, manifest.tokenizer)
    model = new_model(config)
    config.batches.accumulate(hardware.devices)
    start = functools.partial(_train, run, model, train, validation, manifest, out, False, hardware, progress)
    # The other processes of a parallel run execute the same command; the folder is the first one's affair.
    if not is_first_process():
        return start()
    with RUNS.claim(out, overwrite):
        write_config(out, run)
        return start()


def resume_run(
    out: Path,
    *,
    hardware: Hardware = ONE_DEVICE,
    progress: Progress = "none",
) -> CausalLM | None:
    """Go on with a run that was stopped, with its own settings and data; a finished one is returned as it is.

    Args:
        out: the run folder.
        hardware: what to run on; the same as before, for the same weights as without a stop.
        progress: see `pretrain_model`.

    Raises:
        UserError: if the folder is no run, or its data is gone or was changed.
    """
    run = read_config(out, RunConfig)
    if RUNS.is_finished(out):
        return load_model(out)
    train, validation, manifest = _open(Path(run.data))
    if train.fingerprint != run.fingerprint or manifest.tokenizer != run.tokenizer:
        raise UserError(
            f"the token shards in {run.data} are not those that the run in {out} was started on: put those back, or "
            "start a new run"
        )
    model = new_model(run.pretrain)
    return _train(run, model, train, validation, manifest, Path(out), True, hardware, progress)


def _train(
    run: RunConfig,
    model: CausalLM,
    train: TokenShards,
    validation: TokenShards | None,
    manifest: Manifest,
    out: Path,
    resume: bool,
    hardware: Hardware,
    progress: Progress,
) -> CausalLM | None:
    trained = pretrain_model(
        model,
        run.pretrain,
        train,
        validation,
        out,
        hardware=hardware,
        tokens_per_byte=manifest.tokens_per_byte("validation"),
        resume=resume,
        progress=progress,
    )
    if trained is None:
        return None
    rows = list(read_log(out / LOG))
    plot_training(rows, out / PICTURE)
    validations = [row for row in rows if row.get("validation_loss") is not None]
    card = model_card(run, trained, validations[-1] if validations else None)
    # The model comes last: a folder with one is a finished run.
    save_model(out / MODEL, trained, card, load_tokenizer(Path(run.data)).files())
    RUNS.clear(out)
    return trained


def _open(data: Path) -> tuple[TokenShards, TokenShards | None, Manifest]:
    train, manifest = TokenShards.open(data), read_manifest(data)
    return train, TokenShards.open(data, "validation") if manifest.of_split("validation") else None, manifest
