"""`titans dna pretrain`: an encoder from sequences without labels."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Inline, RunOptions, SettingsOptions, changes
from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware

from ..training.config import PretrainConfig
from .options import EncoderOptions, RecordOptions, encoder_of, load_options, reading_of

if TYPE_CHECKING:
    from ..runs.config import PretrainRun, PretrainSettings


@dataclass(frozen=True)
class Pretrain:
    """Train an encoder on sequences without labels, such as genomes, for titans dna train --init.

    It names hidden tokens from both sides, or the next token from those before it. A run that was stopped goes on with
    --resume, and ends with the same weights.
    """

    run: OmitArgPrefixes[RunOptions]
    settings: Inline[SettingsOptions] = field(default_factory=SettingsOptions)
    sequences: Positional[tuple[Path, ...]] = ()
    """FASTA, FASTQ, GenBank, tables, or one sequence a line; plain, gzip or bgzip. They are held in memory."""
    reading: OmitArgPrefixes[RecordOptions] = field(default_factory=RecordOptions)
    encoder: OmitArgPrefixes[EncoderOptions] = field(default_factory=EncoderOptions)
    training: OmitArgPrefixes[PretrainConfig] = field(default_factory=PretrainConfig)
    hardware: OmitArgPrefixes[Hardware] = field(default_factory=Hardware)

    def resumable(self) -> tuple[str, ...]:
        """Return what a resumed run reads besides what all runs do."""
        return ()

    def defaults(self) -> Mapping[str, Any]:
        """Return the settings of the --config file."""
        if self.settings.config is None:
            return {}
        run = _stored(self.settings.config)
        return {"training": run.training, "reading": reading_of(run.reading, RecordOptions)}


def pretrain(options: Pretrain) -> None:
    """Train, and say what came of it."""
    from titans_seq.config import to_yaml
    from titans_seq.experiment.history import LOG, History, describe
    from titans_seq.experiment.processes import is_first_process

    options.hardware.device()
    if options.run.resume:
        _resume(options)
    elif options.run.dry_run:
        print(to_yaml(_settings(options)), end="")
        return
    else:
        _start(options)
    if not is_first_process():
        return
    out, history = options.run.out, History.read(options.run.out / LOG)
    print(f"step {history.rows[-1]['step']:,}: {describe(history.best)} (nats a token)")
    print(f"the run is in {out}; next:\n  titans dna train data/ --init {shlex.quote(str(out))} --out runs/z")


def _settings(options: Pretrain) -> "PretrainSettings":
    from titans_seq.experiment.overrides import override, parse_changes

    from ..runs.building import new_encoder, new_tokenizer
    from ..runs.config import PretrainSettings

    stored = None if options.settings.config is None else _stored(options.settings.config)
    share = PretrainConfig().mask_share if stored is None else stored.training.mask_share
    if options.training.objective != "masked" and options.training.mask_share != share:
        raise UserError("--mask-share is of --objective masked: leave it out")
    masked = options.training.objective == "masked"
    named = encoder_of(options.encoder, config=options.settings.config)
    if stored is not None:
        encoder, tokenizer = stored.encoder, stored.tokenizer
    else:
        encoder, tokenizer = named or (new_encoder(), new_tokenizer())
        # What the objective needs, where nothing else is asked for.
        if not masked and options.encoder.stem is None:
            encoder = override(encoder, {"stem": None})
        encoder = override(encoder, {"directions": "both" if masked else "forward"})
    encoder = override(encoder, changes(options.encoder))
    return override(PretrainSettings(encoder, tokenizer, options.training), parse_changes(options.settings.set))


def _start(options: Pretrain) -> None:
    from ..runs.config import RUNS
    from ..runs.pretrain_runs import pretrain_run
    from ..sequences.opening import is_pipe
    from .records import records

    run = options.run
    RUNS.check_free(run.out, run.overwrite)
    for path in filter(is_pipe, options.sequences):
        raise UserError(f"{path}: a run reads its data again, for --resume: write it to a file")
    settings = _settings(options)
    known = options.defaults().get("reading")
    with records(options.sequences, options.reading, known) as given:
        pretrain_run(
            given,
            run.out,
            settings.encoder,
            settings.tokenizer,
            settings.training,
            files=tuple(str(path.resolve()) for path in options.sequences),
            reading=load_options(options.reading),
            overwrite=run.overwrite,
            runtime=run.runtime(options.hardware),
        )


def _resume(options: Pretrain) -> None:
    from titans_seq.experiment.record import read_config

    from ..runs.config import PretrainRun
    from ..runs.pretrain_runs import resume_pretrain_run
    from ..sequences.loading import read_all

    run = options.run
    stored = read_config(run.out, PretrainRun)
    if not stored.files:
        raise UserError(f"the run in {run.out} does not say which files it reads: resume it in Python")
    given = read_all(stored.files, stored.reading)
    resume_pretrain_run(run.out, given, runtime=run.runtime(options.hardware))


def _stored(path: Path) -> "PretrainRun":
    from titans_seq.experiment.record import read_config_file

    from ..runs.config import PretrainRun

    return read_config_file(path, PretrainRun)
