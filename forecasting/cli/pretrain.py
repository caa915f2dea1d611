"""`titans forecast pretrain`: a zero-shot forecaster from made-up series."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tyro.conf import OmitArgPrefixes

from titans_seq.commands import Inline, Maybe, RunOptions, SettingsOptions
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from ..zero_shot.settings import PretrainingConfig


@dataclass(frozen=True)
class Pretrain:
    """Pretrain a zero-shot forecaster on made-up series, into a run folder.

    A run that was stopped goes on with --resume, and ends with the same weights. The network and the made-up series are
    changed by --set, such as --set network.width=96 --set training.batches.generator.effects.counts=0.
    """

    run: OmitArgPrefixes[RunOptions]
    settings: Inline[SettingsOptions] = field(default_factory=SettingsOptions)
    init: Maybe[Path] = None
    """Begin with the weights of another run."""
    training: OmitArgPrefixes[PretrainingConfig] = field(default_factory=PretrainingConfig)
    hardware: OmitArgPrefixes[Hardware] = field(default_factory=Hardware)

    def resumable(self) -> tuple[str, ...]:
        """Return what a resumed run reads besides what all runs do."""
        return ("steps",)

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the run that is resumed, or of the --config file."""
        from titans_seq.experiment.record import read_config, read_config_file

        from ..zero_shot.runs import PretrainingRun

        if self.run.resume:
            return {"training": read_config(self.run.out, PretrainingRun).training}
        if self.settings.config is None:
            return {}
        return {"training": read_config_file(self.settings.config, PretrainingRun).training}


def pretrain(options: Pretrain) -> None:
    """Pretrain, and say what came of it."""
    from titans_seq.config import to_yaml
    from titans_seq.experiment.beginning import model_folder, weights_record
    from titans_seq.experiment.history import LOG, History, describe
    from titans_seq.experiment.overrides import override, parse_changes
    from titans_seq.experiment.processes import is_first_process
    from titans_seq.experiment.record import read_config_file

    from ..zero_shot.network import ZeroShotConfig
    from ..zero_shot.runs import PretrainingRun, pretrain_run, resume_run, untrained
    from ..zero_shot.saving import load_network

    run = options.run
    runtime = run.runtime(options.hardware)
    if run.resume:
        resume_run(run.out, steps=options.training.steps, runtime=runtime)
    else:
        given = options.settings
        base = PretrainingRun() if given.config is None else read_config_file(given.config, PretrainingRun)
        init = None if options.init is None else weights_record(options.init)
        network = base.network if options.init is None else load_network(model_folder(options.init)).config
        if not isinstance(network, ZeroShotConfig):
            raise UserError(f"--init {options.init} holds {len(network.members)} networks: give the folder of one")
        settings = override(PretrainingRun(network, options.training, init), parse_changes(given.set))
        if run.dry_run:
            untrained(settings)  # refuses what the run would
            print(to_yaml(settings), end="")
            return
        pretrain_run(settings, run.out, overwrite=run.overwrite, runtime=runtime)
    if is_first_process():
        if text := describe(History.read(run.out / LOG).best, ("validation_loss",)):
            print(text)
        print(f"the run is in {run.out}; next:")
        weights = shlex.quote(str(model_folder(run.out)))
        print(f"  titans forecast predict data.csv --horizon 24 --weights {weights} --out forecast.csv")
