"""`titans lm pretrain`: a language model from token shards."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tyro.conf import OmitArgPrefixes, UseAppendAction

from titans_seq.commands import Inline, Maybe, RunOptions, SettingsOptions
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from ..training.config import PretrainConfig, training_preset

if TYPE_CHECKING:
    from titans_seq.models import CausalLMConfig

    from ..runs.config import RunConfig

PRESET = "tiny-mac"

# By more than this the shares of a mixture are not what was asked for.
_FAR_OFF = 0.05
_MADE = ("evaluation", "hf")
"""Folders that other verbs make of a run's model, inside of the run."""


@dataclass(frozen=True)
class Pretrain:
    """Train a language model on token shards that `titans lm prepare` made, into a run folder.

    A run that was stopped goes on with --resume, and ends with the same weights; with a larger --max-steps it is
    trained further. Other memories and blocks are chosen by --set, such as --set model.blocks.0.memory.chunk_size=8.
    """

    run: OmitArgPrefixes[RunOptions]
    settings: Inline[SettingsOptions] = field(default_factory=SettingsOptions)
    data: UseAppendAction[tuple[Path, ...]] = ()
    """Folder of token shards; given several times, a mixture of them."""
    weights: tuple[float, ...] = ()
    """Share of the tokens of each folder of a mixture, in any unit; by size if not given. Documents are read whole, so
    that a folder of few long ones may have more: a note says so."""
    preset: Maybe[str] = None
    """VARIANT-SIZE: mac (taken if not given), mag, mal, lmm, window, transformer; tiny (likewise), 170m, ..., 1.3b.
    With -recall behind it, the memory looks up what followed tokens like the present one."""
    init: Maybe[Path] = None
    """Begin with the model of another run: fine-tuning, or continued pretraining."""
    gates: Maybe[Literal["sigmoid", "hard"]] = None
    """Gates of the memory's writes; hard ones can shut completely, and --write-cost then shuts them. Those of the model
    that is named if not given: sigmoid, but hard with -recall."""
    training: OmitArgPrefixes[PretrainConfig] = field(default_factory=PretrainConfig)
    hardware: OmitArgPrefixes[Hardware] = field(default_factory=Hardware)

    def resumable(self) -> tuple[str, ...]:
        """Return what a resumed run reads besides what all runs do."""
        return ("max-steps", "data")

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it comes to late, each with its extra."""
        return {"matplotlib": "language"}

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file, or of the preset."""
        if self.run.resume:
            return {}
        if self.settings.config is not None:
            return {"training": stored(self.settings.config).training}
        return {"training": training_preset(self.preset or PRESET)}


def pretrain(options: Pretrain) -> None:
    """Train, and say what came of it."""
    from titans_seq.config import to_yaml
    from titans_seq.experiment.history import LOG, History, describe
    from titans_seq.experiment.processes import is_first_process

    from ..runs.config import RUNS
    from ..runs.runs import pretrain_run, resume_run

    run = options.run
    before = History.read(run.out / LOG) if run.resume and RUNS.is_finished(run.out) else None
    runtime = run.runtime(options.hardware)
    if run.resume:
        resume_run(run.out, steps=options.training.steps, data=options.data, runtime=runtime)
    else:
        config = resolve(options)
        if run.dry_run:
            print(to_yaml(config), end="")
            return
        if is_first_process():
            _note_on_init(options)
            _note_on_shares(config)
        pretrain_run(config, run.out, overwrite=run.overwrite, runtime=runtime)
    if not is_first_process():
        return
    history = History.read(run.out / LOG)
    if history == before:
        print("nothing was left to train; --resume with a larger --max-steps trains further")
    elif before is not None and (made := [str(run.out / name) for name in _MADE if (run.out / name).is_dir()]):
        print(
            f"note: {' and '.join(made)} {'is' if len(made) == 1 else 'are'} of the model before: make anew what you "
            "use"
        )
    if text := describe(history.best, ("validation_loss", "perplexity", "bits_per_byte")):
        print(text)
    print(f"the run is in {run.out}; next:\n  titans lm generate {shlex.quote(str(run.out))} --prompt ...")


def _note_on_shares(run: "RunConfig") -> None:
    """Say where the weights of a mixture are not the shares that its first epoch reads."""
    from ..data.mixture import Mixture
    from ..runs.corpus import open_corpus

    train = open_corpus(run.data).train
    if run.training.batches.mode != "carry" or not isinstance(train, Mixture):
        return
    read = train.shares_read(run.training.seed)
    if max(abs(read - train.weights)) > _FAR_OFF:
        said, asked = (", ".join(f"{share:.0%}" for share in shares) for shares in (read, train.weights))
        print(
            f"note: the first epoch reads {said} of its tokens from the folders, where the weights are {asked}: it "
            "takes whole documents, of which there are few; --mode random keeps to the weights"
        )


def _note_on_init(options: Pretrain) -> None:
    """Say that the run of --config began with weights that this one does not begin with."""
    if options.init is None and options.settings.config is not None and (init := stored(options.settings.config).init):
        print(f"note: the run of --config began with the model in {init.path}, this one does not: --init does")


def resolve(options: Pretrain) -> "RunConfig":
    """Return the configuration of a new run.

    Raises:
        UserError: if there is no such preset, a setting is out of range, or the folder holds no shards.
    """
    from titans_seq.experiment.overrides import override, parse_changes

    from ..data.manifest import read_manifest
    from ..runs.config import Settings
    from ..runs.runs import new_run

    if not options.data:
        raise UserError("no data is given: add --data with a folder that titans lm prepare wrote")
    model = _model(options, read_manifest(options.data[0]).tokenizer.vocabulary)
    settings = override(Settings(model, options.training), parse_changes(options.settings.set))
    return new_run(
        options.data,
        settings.model,
        settings.training,
        weights=options.weights,
        init=options.init,
        hardware=options.hardware,
    )


def _model(options: Pretrain, vocabulary: int) -> "CausalLMConfig":
    from titans_seq.models.presets import has_hard_gates, with_hard_gates

    model = chosen_model(options.preset, options.init, options.settings.config, vocabulary)
    if options.gates is None:
        return model
    if options.gates == "sigmoid":
        if has_hard_gates(model):
            raise UserError(
                "--gates sigmoid: the model that is named has hard gates, which begin elsewhere: leave the option out, "
                "or name a preset without -recall"
            )
        return model
    try:
        return with_hard_gates(model)
    except ValueError as error:
        raise UserError(f"--gates hard: {error}") from error


def chosen_model(preset: str | None, init: Path | None, config: Path | None, vocabulary: int) -> "CausalLMConfig":
    """Return the model that is named: by a preset, else that of another run, else that of a configuration.

    Args:
        preset: `VARIANT-SIZE`.
        init: folder of a run whose model is taken.
        config: a run's configuration, or its folder.
        vocabulary: tokens of the tokenizer.

    Raises:
        UserError: if there is no such preset, run or configuration.
    """
    from titans_seq.experiment.beginning import model_folder
    from titans_seq.models import language_model
    from titans_seq.models.saving import load_model

    try:
        if preset is None and init is not None:
            return load_model(model_folder(init)).config
        if preset is None and config is not None:
            return replace(stored(config).model, vocabulary=vocabulary)
        return language_model(preset or PRESET, vocabulary)
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"--preset: {error}") from error


def stored(path: Path) -> "RunConfig":
    """Return the configuration of a run, or of a file."""
    from titans_seq.experiment.record import read_config_file

    from ..runs.config import RunConfig

    return read_config_file(path, RunConfig)
