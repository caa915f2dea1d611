"""Pretraining an encoder into a run folder: like that of a classifier, with `checkpoints/` for resuming."""

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from titans_seq.errors import UserError
from titans_seq.files import write_text
from titans_seq.models.saving import MODEL
from titans_seq.progress import Progress
from titans_seq.experiment.run_folder import CHECKPOINTS, read_config, write_config

from ..models.encoder import EncoderConfig
from ..sequences.values import Record
from ..tokens import Tokenizer
from ..training.config import PretrainConfig
from ..training.pretraining import PretrainModel, new_pretrain_model, pretrain
from ..training.windows import Genome
from .card import encoder_card
from .folder import (
    CARD,
    HISTORY,
    RUNS,
    PretrainRun,
    Source,
    history_csv,
    write_metrics,
)
from .saving import load_encoder, save_encoder


def pretrain_run(
    records: Iterable[Record],
    out: Path,
    encoder: EncoderConfig,
    tokenizer: Tokenizer,
    config: PretrainConfig,
    *,
    data: str = "sequences in memory",
    options: dict[str, object] | None = None,
    overwrite: bool = False,
    progress: Progress = "none",
    accelerator: str = "auto",
) -> PretrainModel:
    """Pretrain an encoder on sequences without labels, into a run folder.

    Whatever stops it after a checkpoint, `resume_pretrain_run` goes on from there. A failure before that leaves
    nothing.

    Args:
        records: the sequences, which are held in memory, a byte a token.
        out: the run folder: new, empty, or with `overwrite` that of an earlier run.
        encoder: the model.
        tokenizer: what it reads.
        config: the run.
        data: absolute path of the data, for the record.
        options: how it was read, as plain values, for the record.
        overwrite: replace an earlier run.
        progress: see `pretrain`.
        accelerator: see `pretrain`.

    Raises:
        UserError: if the folder is taken, the settings do not fit, there is no data, or training fails.
        OSError: if a file cannot be written.
    """
    out = Path(out)
    new_pretrain_model(encoder, tokenizer, config)  # says what does not fit before anything is read
    genome, digest = _read(records, tokenizer, config)
    run = PretrainRun(encoder, tokenizer, config, Source(data, digest, dict(options or {})))
    with RUNS.claim(out, overwrite):
        write_config(out, run)
        return _train(run, genome, out, False, progress, accelerator)


def resume_pretrain_run(
    out: Path, records: Iterable[Record], *, progress: Progress = "none", accelerator: str = "auto"
) -> PretrainModel:
    """Go on with a run that was stopped, with its own settings; a finished one is returned as it is.

    Args:
        out: the run folder.
        records: the data it was started on.
        progress: see `pretrain`.
        accelerator: see `pretrain`.

    Raises:
        UserError: if the folder is no such run, or the data is not that which it was started on.
    """
    out = Path(out)
    run = read_config(out, PretrainRun)
    if RUNS.is_finished(out):
        return load_encoder(out)[0]
    genome, digest = _read(records, run.tokenizer, run.pretrain)
    if digest != run.source.fingerprint:
        raise UserError(
            f"the sequences are not those that the run in {out} was started on ({run.source.data}): put those back, or "
            "start a new run"
        )
    return _train(run, genome, out, True, progress, accelerator)


def _read(records: Iterable[Record], tokenizer: Tokenizer, config: PretrainConfig) -> tuple[Genome, str]:
    digest = hashlib.sha256()

    def noted() -> Iterator[Record]:
        for record in records:
            digest.update(record.sequence.encode() + b"\n")
            yield record

    genome = Genome(noted(), tokenizer, config.validation)
    return genome, digest.hexdigest()


def _train(
    run: PretrainRun, genome: Genome, out: Path, resume: bool, progress: Progress, accelerator: str
) -> PretrainModel:
    model = new_pretrain_model(run.encoder, run.tokenizer, run.pretrain)
    history = pretrain(model, genome, run.pretrain, out, resume=resume, progress=progress, accelerator=accelerator)
    write_text(out / HISTORY, history_csv(history))
    write_metrics(out, {"last": asdict(history[-1]), "tokens": genome.tokens})
    card = encoder_card(run, history, model)
    write_text(out / CARD, card)
    # The model comes last: a folder with one is a finished run.
    save_encoder(out / MODEL, model, run.encoder, run.tokenizer, card)
    shutil.rmtree(out / CHECKPOINTS)
    RUNS.clear(out)
    return model
