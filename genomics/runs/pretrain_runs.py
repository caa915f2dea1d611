"""Pretraining an encoder into a run folder; what it holds is as for a classifier, and its checkpoints stay."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from titans_seq.errors import UserError
from titans_seq.experiment.processes import is_first_process
from titans_seq.experiment.record import DataRecord, read_config
from titans_seq.experiment.settings import RUNTIME, Runtime
from titans_seq.models.saving import MODEL

from ..models.encoder import EncoderConfig
from ..models.untrained import PretrainModel
from ..sequences.options import LoadOptions
from ..sequences.values import Record
from ..tokens import Tokenizer
from ..training.config import PretrainConfig
from ..training.pretraining import new_pretrain_model, pretrain
from ..training.windows import Genome
from .card import encoder_card
from .config import RUNS, PretrainRun
from .saving import load_encoder, save_encoder
from .train_runs import IN_MEMORY
from .training_range import unknown_bases


def pretrain_run(
    records: Iterable[Record],
    out: Path,
    encoder: EncoderConfig,
    tokenizer: Tokenizer,
    config: PretrainConfig,
    *,
    files: tuple[str, ...] = (),
    reading: LoadOptions | None = None,
    overwrite: bool = False,
    runtime: Runtime = RUNTIME,
) -> PretrainModel | None:
    """Pretrain an encoder on sequences without labels, into a run folder.

    Whatever stops it after a checkpoint, `resume_pretrain_run` goes on from there. A failure before that leaves
    nothing.

    Args:
        records: the sequences, which are held in memory, a byte a token.
        out: the run folder: new, empty, or with `overwrite` that of an earlier run.
        encoder: the model.
        tokenizer: what it reads.
        config: how it is trained.
        files: absolute paths of the data, for the record.
        reading: how they were read, for the record.
        overwrite: replace an earlier run.
        runtime: what it runs on and shows meanwhile.

    Returns:
        The trained model; None in all processes of a parallel run but the first.

    Raises:
        UserError: if the folder is taken, the settings do not fit, there is no data, or training fails.
        OSError: if a file cannot be written.
    """
    out = Path(out)
    new_pretrain_model(encoder, tokenizer, config)  # says what does not fit before anything is read
    genome, digest = _read(records, tokenizer, config)
    data = DataRecord(", ".join(files) or IN_MEMORY, digest, {"tokens": genome.tokens})
    run = PretrainRun(encoder, tokenizer, config, data, files, reading or LoadOptions())
    with RUNS.started(out, run, overwrite):
        return _train(run, genome, out, False, runtime)


def resume_pretrain_run(
    out: Path,
    records: Iterable[Record],
    *,
    runtime: Runtime = RUNTIME,
) -> PretrainModel | None:
    """Go on with a run that was stopped, with its own settings; a finished one is returned as it is.

    Args:
        out: the run folder.
        records: the data it was started on.
        runtime: what it runs on and shows meanwhile.

    Raises:
        UserError: if the folder is no such run, or the data is not that which it was started on.
    """
    out = Path(out)
    run = read_config(out, PretrainRun)
    if RUNS.is_finished(out):
        return load_encoder(out)[0]
    genome, digest = _read(records, run.tokenizer, run.training)
    if digest != run.data.sha256:
        raise UserError(
            f"the sequences are not those that the run in {out} was started on ({run.data.path}): put those back, or "
            "start a new run"
        )
    return _train(run, genome, out, True, runtime)


def _read(records: Iterable[Record], tokenizer: Tokenizer, config: PretrainConfig) -> tuple[Genome, str]:
    digest = hashlib.sha256()

    known = False

    def noted() -> Iterator[Record]:
        nonlocal known
        for record in records:
            known = known or unknown_bases(record.sequence) < len(record.sequence)
            digest.update(record.sequence.encode() + b"\n")
            yield record

    genome = Genome(noted(), tokenizer, config.validation)
    if not known:
        raise UserError("the sequences hold no A, C, G or T, so there is nothing to learn: check the files")
    return genome, digest.hexdigest()


def _train(
    run: PretrainRun,
    genome: Genome,
    out: Path,
    resume: bool,
    runtime: Runtime,
) -> PretrainModel | None:
    model = new_pretrain_model(run.encoder, run.tokenizer, run.training)
    history = pretrain(model, genome, run.training, out, resume=resume, runtime=runtime)
    if not is_first_process():
        return None
    # The model comes last: a folder with one is a finished run.
    save_encoder(out / MODEL, model, run.encoder, run.tokenizer, encoder_card(run, history, model))
    RUNS.clear(out)
    return model
