"""Training a classifier into a run folder.

config.yaml    model with tokenizer, training with seed, class map, data and its hash, versions, commit, command
log.jsonl      every epoch
checkpoints/   the state after the latest epoch, while training
model/         the trained model: safetensors, YAML, class map, card
stacking.json  how much of it are linear models, where it has weights for them
evaluation/    scores of the model and the baselines on the test part
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from titans_seq.errors import UserError
from titans_seq.experiment.processes import is_first_process
from titans_seq.experiment.record import DataRecord, read_config
from titans_seq.experiment.run_folder import CHECKPOINTS
from titans_seq.experiment.settings import RUNTIME, Runtime
from titans_seq.models.saving import MODEL

from ..models.classifier import Classifier, ClassifierConfig
from ..models.untrained import new_classifier
from ..sequences.values import Splits
from ..training.config import TrainConfig
from ..training.defaults import completed
from ..training.fitting import check_fit, fit
from .card import classifier_card
from .config import RUNS, TrainRun, describe_part, fingerprint
from .plan import Plan
from .predictor import Predictor
from .saving import load_classifier, load_encoder, save_classifier
from .stacking import Stack, read_stack, stacked, write_stack

IN_MEMORY = "sequences in memory"
"""Where data came from that no file holds."""


def train_run(
    splits: Splits,
    out: Path,
    classifier: ClassifierConfig,
    config: TrainConfig,
    *,
    plan: Plan | None = None,
    init: Path | None = None,
    chosen: Sequence[str] = (),
    stack: Stack | None = None,
    overwrite: bool = False,
    runtime: Runtime = RUNTIME,
) -> Predictor | None:
    """Train a classifier into a run folder; the test part is not looked at.

    Whatever stops it after an epoch, `resume_run` goes on from there. A failure before that leaves nothing.

    Args:
        splits: what it learns from, and what stops it; without a validation part all epochs are trained.
        out: the run folder: new, empty, or with `overwrite` that of an earlier run.
        classifier: the model.
        config: how it is trained.
        plan: how the data was read and divided, for the record; None for data that no file holds.
        init: a pretraining run, or another folder that `load_encoder` reads, whose weights it begins with.
        chosen: what was chosen by the data, and why, for the record.
        stack: how linear models are weighed in where no validation part can say it.
        overwrite: replace an earlier run.
        runtime: what it runs on and shows meanwhile.

    Returns:
        The trained classifier; None in all processes of a parallel run but the first.

    Raises:
        UserError: if the folder is taken, the data does not fit the settings, or training fails.
        OSError: if a file cannot be written.
    """
    # What does not fit is said before an earlier run goes.
    run, model = new_run(splits, classifier, config, plan, init, chosen)
    with RUNS.started(Path(out), run, overwrite):
        if stack is not None and is_first_process():
            write_stack(out, stack)
        return _train(run, model, splits, Path(out), False, runtime)


def new_run(
    splits: Splits,
    classifier: ClassifierConfig,
    config: TrainConfig,
    plan: Plan | None = None,
    init: Path | None = None,
    chosen: Sequence[str] = (),
) -> tuple[TrainRun, Classifier]:
    """Return the configuration of a run that starts now, and its untrained model; see `train_run`."""
    parts = {"train": describe_part(splits.train), "validation": describe_part(splits.validation)}
    source = IN_MEMORY if plan is None else plan.data
    data = DataRecord(source, fingerprint((splits.train, splits.validation)), {"parts": parts})
    start = None if init is None else str(Path(init).resolve())
    config = completed(config, splits.train, classifier.tokenizer)
    check_words(classifier.words, config)
    check_fit(classifier, splits.train, splits.validation, config)
    run = TrainRun(classifier, config, splits.train.classes, data, plan, start, tuple(chosen))
    return run, _new_model(run)


def check_words(words: int | None, config: TrainConfig) -> None:
    """Refuse weights of words beside class weights, which the linear models that they come from do not know.

    Raises:
        UserError: if both are asked for.
    """
    if words and config.class_weights != "none":
        raise UserError(
            f"the linear models of words know no class weights, got words {words} and class weights "
            f"{config.class_weights}: set one of them aside (--words 0 or --class-weights none)"
        )


def resume_run(
    out: Path,
    splits: Splits,
    *,
    runtime: Runtime = RUNTIME,
) -> Predictor | None:
    """Go on with a run that was stopped, with its own settings; a finished one is returned as it is.

    Args:
        out: the run folder.
        splits: the data it was started on.
        runtime: what it runs on and shows meanwhile.

    Raises:
        UserError: if the folder is no run, or the data is not that which it was started on.
    """
    out = Path(out)
    run = read_config(out, TrainRun)
    if RUNS.is_finished(out):
        return load_classifier(out, runtime.hardware.device())
    if fingerprint((splits.train, splits.validation)) != run.data.sha256:
        raise UserError(
            f"the sequences or labels are not those that the run in {out} was started on ({run.data.path}): put "
            "those back, or start a new run"
        )
    return _train(run, _new_model(run), splits, out, True, runtime)


def _new_model(run: TrainRun) -> Classifier:
    if run.init is None:
        return new_classifier(run.classifier, run.training.seed)
    pretrained, _, tokenizer = load_encoder(run.init)
    if tokenizer != run.classifier.tokenizer:
        raise UserError(
            f"the encoder in {run.init} reads {tokenizer}, the classifier {run.classifier.tokenizer}: take the same "
            "tokenizer"
        )
    return new_classifier(run.classifier, run.training.seed, pretrained.encoder)


def _train(
    run: TrainRun,
    model: Classifier,
    splits: Splits,
    out: Path,
    resume: bool,
    runtime: Runtime,
) -> Predictor | None:
    history = fit(
        model,
        splits.train,
        splits.validation,
        run.training,
        folder=out,
        resume=resume,
        runtime=runtime,
    )
    if not is_first_process():
        return None
    stack = stacked(model, splits.train, splits.validation, runtime.hardware.device(), read_stack(out))
    if stack is not None:
        write_stack(out, stack)
    # The model comes last: a folder with one is a finished run.
    save_classifier(out / MODEL, model, run.classes, classifier_card(run, history, model, stack))
    shutil.rmtree(out / CHECKPOINTS)
    RUNS.clear(out)
    return load_classifier(out, runtime.hardware.device())
