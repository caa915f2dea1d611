"""The run folder: pretraining on token shards into a folder that holds everything to repeat and use the run.

config.yaml    model, training, data and its hash, versions, commit, command
log.jsonl      loss, speed, gradient, memories; validations
training.png   the losses
checkpoints/   the states after the last few checkpoints, for resuming
model/         the trained model with its tokenizer, once training is over
earlier-model/ the model of a finished run that is being trained further, until that is done
"""

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from titans_seq.config import describe_differences
from titans_seq.errors import UserError
from titans_seq.experiment.beginning import model_folder, unchanged_weights, weights_record
from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.record import DataRecord, read_config, write_config
from titans_seq.experiment.settings import ONE_DEVICE, RUNTIME, Hardware, Runtime
from titans_seq.models import CausalLM, CausalLMConfig
from titans_seq.models.saving import MODEL, load_model, save_model

from ..tokenizers import load_tokenizer
from ..training.config import PretrainConfig
from ..training.data import steps_of_an_epoch
from ..training.pretraining import new_model, pretrain_model
from .card import model_card
from .config import PICTURE, RUNS, RunConfig
from .corpus import describe_data, find_data, open_corpus
from .picture import plot_training


def new_run(
    data: Path | Sequence[Path],
    model: CausalLMConfig,
    config: PretrainConfig,
    *,
    weights: Sequence[float] = (),
    init: Path | None = None,
    hardware: Hardware = ONE_DEVICE,
) -> RunConfig:
    """Return the configuration of a run that starts now, with the number of steps filled in.

    Args:
        data: what `prepare` wrote, one folder or several.
        model: what is trained; its vocabulary is that of the tokenizer.
        config: how.
        weights: share of the tokens of each folder, in any unit; none for shares by size.
        init: a run or model folder whose weights it begins with; its model and tokenizer must be the same.
        hardware: what it runs on.

    Raises:
        UserError: if there are no shards; if the data, the model, how it is trained and what it begins with do not fit
            each other.
    """
    folders = [data] if isinstance(data, Path) else [*data]
    records = describe_data(folders, weights)
    corpus = open_corpus(records)
    start = None
    if init is not None:
        source, start = model_folder(init), weights_record(init)
        if load_tokenizer(source).info != corpus.tokenizer:
            raise UserError(
                f"the model in {init} has another tokenizer than the shards in {folders[0]}: prepare the text with it, "
                f"titans lm prepare --tokenizer {shlex.quote(str(source))}"
            )
    if corpus.tokenizer.vocabulary != model.vocabulary:
        raise UserError(
            f"the tokenizer of {folders[0]} has {corpus.tokenizer.vocabulary:,} tokens, the model is of "
            f"{model.vocabulary:,}: give the model the tokenizer's vocabulary"
        )
    config.batches.accumulate(hardware.processes)
    if config.steps is None:
        config = replace(config, steps=steps_of_an_epoch(config, corpus.train, hardware.processes))
    with torch.device("meta"):  # takes no memory, and says what no training could begin with
        built = new_model(model, config)
    if start is not None:
        _load(built, start, assign=True)
    return RunConfig(model, config, corpus.tokenizer, records, start)


def pretrain_run(
    run: RunConfig,
    out: Path,
    *,
    overwrite: bool = False,
    runtime: Runtime = RUNTIME,
) -> CausalLM | None:
    """Train a language model on a folder of token shards, into a run folder.

    Whatever stops it after a checkpoint, `resume_run` goes on from there. A failure before that leaves nothing.

    Args:
        run: from `new_run`.
        out: the run folder: new, empty, or with `overwrite` that of an earlier run.
        overwrite: replace an earlier run.
        runtime: what it runs on and shows meanwhile.

    Returns:
        The trained model; None in all processes of a parallel run but the first.

    Raises:
        UserError: if the folder is taken, the data does not fit the settings, or training fails.
        OSError: if a file cannot be written.
    """
    model = _untrained(run)
    with RUNS.started(Path(out), run, overwrite):
        return _train(run, model, Path(out), False, runtime)


def resume_run(
    out: Path,
    *,
    steps: int | None = None,
    data: Sequence[Path] = (),
    runtime: Runtime = RUNTIME,
) -> CausalLM | None:
    """Go on with a run that was stopped, with its own settings and data; a finished one is returned as it is.

    A finished run that is trained further has no model until that is done: the one of before is put aside.

    Args:
        out: the run folder.
        steps: train up to this step, later than the run's own last one; the schedule is stretched to it ("wsd" goes on
            where its rate was stable).
        data: where the run's token shards are now, if they were moved and are not found.
        runtime: what it runs on and shows meanwhile; the same hardware as before, for the same weights as without a
            stop.

    Raises:
        UserError: if the folder is no run, its data is gone or was changed, or it has gone further than `steps`.
    """
    out = Path(out)
    run = before = read_config(out, RunConfig)
    reached = History.read(out / LOG).last_step
    planned = run.training.steps or 0
    if steps is not None and steps < max(planned, reached):
        raise UserError(
            f"--max-steps {steps:,}: the run in {out} is to have {planned:,} steps and has made {reached:,}: give more"
        )
    if steps is not None:
        run = replace(run, training=replace(run.training, steps=steps))
    if RUNS.is_finished(out) and reached >= (steps or planned):
        return load_model(out)
    run = replace(run, data=find_data(run.data, out, data))
    if open_corpus(run.data).tokenizer != run.tokenizer:
        raise UserError(f"the token shards of the run in {out} have another tokenizer than before: start a new run")
    model = _untrained(run)
    with RUNS.resumed(out, before, reached):
        write_config(out, run)
        return _train(run, model, out, True, runtime)


def _untrained(run: RunConfig) -> CausalLM:
    model = new_model(run.model, run.training)
    if run.init is not None:
        _load(model, run.init)
    return model


def _load(model: CausalLM, init: DataRecord, *, assign: bool = False) -> None:
    """Put the weights that a run begins with into its model; a model without memory gets them with `assign`.

    Raises:
        UserError: if they were changed, or are those of another model.
    """
    source = unchanged_weights(init)
    begun = load_model(source)
    try:
        model.load_state_dict(begun.state_dict(), assign=assign)
    except RuntimeError as error:
        raise UserError(
            f"the model in {source} is another than the configured one: "
            f"{describe_differences(begun.config, model.config, 'model')}: leave out the option that says so "
            "(--preset, --gates or --set)"
        ) from error


def _train(
    run: RunConfig,
    model: CausalLM,
    out: Path,
    resume: bool,
    runtime: Runtime,
) -> CausalLM | None:
    corpus, tokenizer = open_corpus(run.data), load_tokenizer(Path(run.data[0].path))
    if tokenizer.info != run.tokenizer:
        raise UserError(f"{run.data[0].path} holds another tokenizer than its shards were made with: restore it")
    trained, history = pretrain_model(
        model,
        run.training,
        corpus.train,
        corpus.validation,
        out,
        runtime=runtime,
        tokens_per_byte=corpus.tokens_per_byte,
        resume=resume,
    )
    if trained is None:
        return None
    plot_training(history.rows, out / PICTURE)
    # The model comes last: a folder with one is a finished run.
    save_model(out / MODEL, trained, model_card(run, trained, history.best), tokenizer.files())
    RUNS.clear(out)
    return trained
