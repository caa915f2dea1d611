"""The run folder of pretraining: everything to repeat it, and the network once it is done."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from titans_seq.config import describe_differences
from titans_seq.errors import UserError
from titans_seq.experiment.beginning import unchanged_weights
from titans_seq.experiment.history import LOG, History, Row
from titans_seq.experiment.record import DataRecord, Origin, read_config, write_config
from titans_seq.experiment.run_folder import RunLayout
from titans_seq.experiment.settings import RUNTIME, Runtime
from titans_seq.models.saving import MODEL

from .network import AnyNetwork, ZeroShotConfig, ZeroShotNetwork
from .pretraining import new_network, pretrain
from .saving import load_network, save_network
from .settings import PretrainingConfig

RUNS = RunLayout((), finish="`titans forecast pretrain --resume --out {out}`")


@dataclass(frozen=True)
class PretrainingRun:
    """Everything to repeat a pretraining.

    Attributes:
        network: what is trained.
        training: how.
        init: the model whose weights it begins with, and their hash; None for random weights.
        origin: versions, commit and command.
    """

    network: ZeroShotConfig = field(default_factory=ZeroShotConfig)
    training: PretrainingConfig = field(default_factory=PretrainingConfig)
    init: DataRecord | None = None
    origin: Origin = field(default_factory=lambda: Origin.here("torch", "lightning", "numpy", "scipy"))


def pretrain_run(
    run: PretrainingRun,
    out: Path,
    *,
    overwrite: bool = False,
    runtime: Runtime = RUNTIME,
) -> ZeroShotNetwork | None:
    """Pretrain a network into a run folder.

    Args:
        run: what and how.
        out: the run folder: new, empty, or with `overwrite` that of an earlier run.
        overwrite: replace an earlier run.
        runtime: what it runs on and shows meanwhile.

    Returns:
        The network; None in all processes of a parallel run but the first.

    Raises:
        UserError: if the folder is taken, or training does not stay finite.
    """
    with RUNS.started(Path(out), run, overwrite):
        return _train(run, Path(out), False, runtime)


def resume_run(
    out: Path,
    *,
    steps: int | None = None,
    runtime: Runtime = RUNTIME,
) -> AnyNetwork | None:
    """Go on with a run that was stopped, bit for bit; a finished one is returned as it is.

    A finished run that is trained further has no model until that is done: the one of before is put aside.

    Args:
        out: the run folder.
        steps: the last step, if it is to be another one than planned: the rate then falls towards that one.
        runtime: what it runs on and shows meanwhile.

    Raises:
        UserError: if the folder is no run, or has gone further than `steps`.
    """
    out = Path(out)
    run = before = read_config(out, PretrainingRun)
    reached = History.read(out / LOG).last_step
    if steps is not None and steps < reached:
        raise UserError(f"--steps {steps:,}: the run in {out} has made {reached:,} already: give more")
    if RUNS.is_finished(out) and reached >= (steps or run.training.steps):
        return load_network(out / MODEL)
    with RUNS.resumed(out, before, reached):
        if steps is not None:
            run = replace(run, training=replace(run.training, steps=steps))
            write_config(out, run)
        return _train(run, out, True, runtime)


def _train(run: PretrainingRun, out: Path, resume: bool, runtime: Runtime) -> ZeroShotNetwork | None:
    network, history = pretrain(
        untrained(run),
        run.training,
        out,
        runtime=runtime,
        resume=resume,
    )
    if network is None:
        return None
    # The model comes last: a folder with one is a finished run.
    save_network(out / MODEL, network, pretraining_card(run, network, history.best))
    RUNS.clear(out)
    return network


def untrained(run: PretrainingRun) -> ZeroShotNetwork:
    """Return the network that a run begins with.

    Raises:
        UserError: if the weights that it begins with are of another network, or have changed.
    """
    network = new_network(run.network, run.training.seed)
    if run.init is None:
        return network
    folder = unchanged_weights(run.init)
    started = load_network(folder)
    if started.config != run.network:
        raise UserError(
            f"the network in {folder} is another than the configured one: "
            f"{describe_differences(started.config, run.network, 'network')}: leave out --set network..."
        )
    network.load_state_dict(started.state_dict())
    return network


def pretraining_card(run: PretrainingRun, network: ZeroShotNetwork, score: Row) -> str:
    """Write the card of a pretrained network: what it is, how it was made, what it cannot do.

    Args:
        run: its run.
        network: the network.
        score: the row of the log about its last validation.
    """
    config, training = run.network, run.training
    parameters = sum(parameter.numel() for parameter in network.parameters())
    shown = f"{score['validation_loss']:.4f}" if "validation_loss" in score else "not measured"
    return f"""# Zero-shot forecaster

Forecasts nine quantiles of any series at once, without training on it. Made by titans-seq \
{run.origin.versions["titans-seq"]}, commit {run.origin.commit or "not known"}.

- network: {config.layers} blocks of width {config.width}, mixer {type(config.mixer).__name__}, \
{parameters:,} parameters; tokens of {", ".join(map(str, config.patches))} steps, context up to {config.longest:,} steps
- data: made-up series alone (`forecasting/synthetic`), seed {training.seed}; no measured series was trained on
- recipe: {training.steps:,} steps of about {training.batches.tokens:,} tokens, AdamW, learning rate \
{training.optimiser.lr:g}, schedule {training.optimiser.schedule}
- begins with: {"random weights" if run.init is None else run.init.path}
- command: `{run.origin.command}`
- held-out made-up series: quantile loss {shown} in units of the seasonal error
- licence: MIT, like the code

Limits: one series at a time; no knowledge of holidays or of other series; contexts are cut to the latest \
{config.longest:,} steps; intervals of series unlike the made-up ones can be too narrow, so look at a backtest.
"""
