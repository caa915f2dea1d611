"""One fit for all domains: what it writes, keeps and stops at, and that a stopped run ends as an unbroken one."""

import math
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.forked import ended, forked
from tests.resuming import power_cut
from titans_seq import cli
from titans_seq.errors import Terminated, UserError
from titans_seq.experiment.fit import FitPlan, Fitted, fit
from titans_seq.experiment.history import LOG, History
from titans_seq.experiment.module import FitModule
from titans_seq.experiment.recorder import Score
from titans_seq.experiment.run_folder import CHECKPOINTS, alone_in, last_checkpoint
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime

CPU = Runtime(Hardware("cpu"))
LOSS = Score("validation_loss")
EPOCHS = FitPlan(epochs=4, keep_best=(LOSS,), seed=3)
STEPS = FitPlan(steps=8, accumulate=2, validate_every=4, checkpoint_every=2, log_every=2, keep=2, seed=3)


class Loader:
    """Batches of numbers; like those of the domains it says where it stands."""

    def __init__(self, batches: int) -> None:
        self._batches, self._next = batches, 0

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[Tensor]:
        self._next %= self._batches
        while self._next < self._batches:
            self._next += 1
            yield torch.randn(4, 3, generator=torch.Generator().manual_seed(self._next))

    def state_dict(self) -> dict[str, Any]:
        return {"next": self._next}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._next = state["next"]


class Sums(FitModule):
    """Learns the sum of three numbers, with dropout."""

    def __init__(self, broken_at: tuple[int, ...] = (), **options: Any) -> None:
        torch.manual_seed(0)
        config = OptimiserConfig(lr=0.1, least=1.0, warmup=0.0)
        super().__init__(nn.Sequential(nn.Dropout(0.2), nn.Linear(3, 1)), config, **options)
        self.broken_at, self.validations = broken_at, [1.0, 0.2, 0.5, 0.3]

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        loss = (self.network(batch)[:, 0] - batch.sum(1)).square().mean()
        loss = loss * math.nan if self.global_step in self.broken_at else loss
        self.note_loss(loss)
        return loss

    def validation_step(self, batch: Tensor, batch_idx: int) -> None:
        pass

    def on_validation_epoch_end(self) -> None:
        self.log_scores(validation_loss=self.validations[self.current_epoch])


def fitted(plan: FitPlan, folder: Path | None, batches: int = 3, validation: bool = True, **options: Any) -> Fitted:
    resume = options.pop("resume", False)
    runtime = replace(CPU, **{name: options.pop(name) for name in ("progress", "logger", "later") if name in options})
    length = batches if plan.epochs else (plan.steps or 0) * plan.accumulate
    held_out = (lambda *_: Loader(1)) if validation else None
    return fit(
        Sums(**options), plan, lambda *_: Loader(length), held_out, folder=folder, resume=resume, runtime=runtime
    )


def same(first: Fitted, second: Fitted) -> bool:
    assert first.weights is not None
    assert second.weights is not None
    return all(torch.equal(x, second.weights[name]) for name, x in first.weights.items())


@pytest.mark.parametrize(("plan", "cut_at"), [(EPOCHS, 7), (STEPS, 5)], ids=["epochs", "steps"])
def test_a_stopped_run_ends_as_an_unbroken_one_bit_for_bit(tmp_path: Path, plan: FitPlan, cut_at: int) -> None:
    whole = fitted(plan, tmp_path / "whole")
    with power_cut(Sums, lambda module, _: module.global_step == cut_at):
        fitted(plan, tmp_path / "cut")
    resumed = fitted(plan, tmp_path / "cut", resume=True)
    assert same(whole, resumed)
    assert whole.history == resumed.history
    assert same(whole, fitted(plan, tmp_path / "whole", resume=True))  # nothing is left to do


def test_the_best_epoch_is_kept_and_without_validation_the_last(tmp_path: Path) -> None:
    best = fitted(EPOCHS, tmp_path)
    assert [row["epoch"] for row in best.history.rows] == [1, 2, 3, 4]
    assert (best.history.best_epoch, best.history.best["validation_loss"]) == (2, pytest.approx(0.2))
    assert same(best, fitted(FitPlan(epochs=2, seed=3), None, validation=False))
    assert len(fitted(FitPlan(epochs=4, keep_best=(LOSS,), patience=1), None).history.rows) == 3
    assert fitted(EPOCHS, None, validation=False).history.best_epoch == 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "give either epochs or steps, got epochs=None and steps=None"),
        ({"epochs": 1, "steps": 1}, "give either epochs or steps"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"steps": -1}, "steps must be at least 1, got -1"),
        ({"epochs": 2, "patience": 0, "keep_best": (LOSS,)}, "patience must be at least 1, got 0"),
        ({"epochs": 8, "patience": 2}, "patience=2 waits for a better score and there is none: give keep_best"),
        ({"steps": 8, "keep_best": (LOSS,)}, "keep_best and patience go with epochs, got steps"),
        ({"steps": 8, "accumulate": 0}, "accumulate must be at least 1"),
        ({"steps": 8, "precision": "bf16"}, "unknown precision 'bf16'"),
        ({"steps": 8, "seed": -1}, "seed must be in"),
    ],
    ids=str,
)
def test_plans_that_would_train_something_else_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        FitPlan(**settings)


def test_scores_that_there_are_not_are_refused() -> None:
    with pytest.raises(UserError, match="unknown mode 'minimum': expected one of min, max; did you mean 'min'"):
        Score("validation_loss", "minimum")  # pyright: ignore[reportArgumentType]
    misspelt = replace(EPOCHS, keep_best=(LOSS, Score("validation_los")))
    with pytest.raises(UserError, match=r"gave no 'validation_los' .* expected one of validation_loss; did you mean"):
        fitted(misspelt, None)
    assert fitted(replace(misspelt, epochs=1), None, validation=False).weights


def test_a_loader_that_ends_before_the_steps_do_is_told() -> None:
    for batches, done in ((7, 4), (3, 2)):  # the last step takes what is left
        with pytest.raises(UserError, match=rf"ended after {done} of 6 steps, .* give it 12 batches, or fewer steps"):
            fit(Sums(), FitPlan(steps=6, accumulate=2), lambda *_: Loader(batches), None, runtime=CPU)  # noqa: B023
    rarely = FitPlan(steps=20, validate_every=10)
    with pytest.raises(UserError, match="ended after 5 of 20 steps"):
        fit(Sums(), rarely, lambda *_: Loader(5), lambda *_: Loader(1), runtime=CPU)


def test_what_is_written_and_that_nothing_else_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted(EPOCHS, None)
    fitted(STEPS, tmp_path / "steps")
    after = torch.get_rng_state()
    Sums()  # which seeds them, as it did before the training
    assert torch.equal(torch.get_rng_state(), after)
    assert [path.name for path in tmp_path.iterdir()] == ["steps"]
    assert sorted(path.name for path in (tmp_path / "steps").iterdir()) == [CHECKPOINTS, LOG]
    kept = sorted(path.name for path in (tmp_path / "steps" / CHECKPOINTS).iterdir())
    assert kept == ["step-00000006.ckpt", "step-00000008.ckpt"]
    rows = History.read(tmp_path / "steps" / LOG).rows
    assert [row["step"] for row in rows] == [2, 4, 4, 6, 8, 8]
    assert [row["step"] for row in rows if "validation_loss" in row] == [4, 8]
    assert capfd.readouterr() == ("", "")


def test_a_finished_run_is_made_longer(tmp_path: Path) -> None:
    fitted(STEPS, tmp_path)
    longer = fitted(FitPlan(steps=10, accumulate=2, seed=3), tmp_path, resume=True)
    assert longer.history.rows[-1]["step"] == 10


def test_steps_that_are_not_finite_are_left_out_or_end_the_training(tmp_path: Path) -> None:
    plan = FitPlan(steps=6, seed=3)
    history = fitted(plan, tmp_path, broken_at=(1, 2, 4), tolerated=2).history
    assert [row["skipped"] for row in history.rows if "lr" in row] == [0, 1, 2, 2, 3, 3]
    assert ["loss" in row for row in history.rows if "lr" in row] == [True, False, False, True, False, True]
    with pytest.raises(UserError, match="2 steps in a row up to step 3 had a loss .* lower the learning rate"):
        fitted(plan, None, broken_at=(1, 2), tolerated=1)
    with pytest.raises(UserError, match="the training loss became nan in step 2: lower the learning rate .it is 0.1"):
        fitted(plan, None, broken_at=(1,))


def test_a_validation_that_is_not_finite_ends_the_training() -> None:
    module = Sums()
    module.validations = [math.nan]
    with pytest.raises(UserError, match="the validation loss became nan after step 3"):
        fit(module, EPOCHS, lambda *_: Loader(3), lambda *_: Loader(1), runtime=CPU)


def test_lines_name_epochs_and_steps(capsys: pytest.CaptureFixture[str]) -> None:
    fitted(EPOCHS, None, progress="lines")
    fitted(STEPS, None, progress="lines")
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("epoch 2/4: train loss ")
    assert lines[1].endswith("validation loss 0.2000, best so far")
    assert lines[4].startswith("step 2/8: train loss ")


def test_a_bar_leaves_standard_output_alone(capfd: pytest.CaptureFixture[str]) -> None:
    fitted(EPOCHS, None, progress="bar")
    assert capfd.readouterr().out == ""


def test_rows_reach_lightnings_loggers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning.pytorch import loggers

    monkeypatch.setattr(loggers, "TensorBoardLogger", lambda folder, **_: loggers.CSVLogger(folder, "", "logged"))
    fitted(EPOCHS, tmp_path, logger="tensorboard")
    header, *rows = (tmp_path / "logged" / "metrics.csv").read_text().splitlines()
    assert "validation_loss" in header
    assert len(rows) == 4
    with pytest.raises(UserError, match="unknown logger 'tensorbord': .* did you mean 'tensorboard'"):
        fitted(EPOCHS, None, logger="tensorbord")

    def absent(*_: Any, **__: Any) -> None:
        raise ModuleNotFoundError("No module named 'tensorboard'")

    monkeypatch.setattr(loggers, "TensorBoardLogger", absent)
    with pytest.raises(UserError, match="needs the package 'tensorboard', .*: run pip install tensorboard$"):
        fitted(EPOCHS, None, logger="tensorboard")


def test_sigterm_ends_a_training_in_the_middle_of_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = Sums.training_step

    def compile_for_long(module: Sums, batch: Tensor, number: int) -> Tensor:
        if module.global_step == 3:
            (tmp_path / "compiling").touch()
            for _ in range(600):
                try:
                    time.sleep(0.1)
                except Exception:  # as compilers do
                    pass
        return usual(module, batch, number)

    monkeypatch.setattr(Sums, "training_step", compile_for_long)
    monkeypatch.setitem(cli.GROUPS, "slow", cli.Group(f"{__name__}:slow", ""))
    monkeypatch.setattr(sys.modules[__name__], "slow", lambda *_: fitted(STEPS, tmp_path) and None, raising=False)
    process = forked(lambda: cli.main(["slow"]), tmp_path / "said")
    while not (tmp_path / "compiling").exists():
        time.sleep(0.01)
    os.kill(process, signal.SIGTERM)
    assert ended(process) == 143
    said = (tmp_path / "said").read_text().splitlines()
    assert said[-2:] == [
        "stopped at step 3; the last checkpoint is step-00000002.ckpt, and --resume goes on from there",
        "terminated",
    ]
    assert last_checkpoint(tmp_path / CHECKPOINTS) is not None


@pytest.mark.parametrize(
    ("later", "said"),
    [
        ("", "stopped at step 0; there is no checkpoint"),
        ("fold-2", "stopped at step 0 of fold-2; --resume begins that part anew"),
    ],
)
def test_a_stop_without_a_checkpoint_says_whether_there_is_something_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, later: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Sums, "training_step", lambda *_: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(Terminated):
        fitted(STEPS, tmp_path, later=later)
    assert capsys.readouterr().err.splitlines()[-1] == said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_the_last_validation_ends_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that is not part of the steps, because the last of these is no multiple of those between validations."""
    usual, plan = Sums.validation_step, replace(STEPS, steps=6)

    def interrupted(module: Sums, batch: Tensor, at: int) -> None:
        if module.global_step == 6:
            signal.raise_signal(number)
        usual(module, batch, at)

    monkeypatch.setattr(Sums, "validation_step", interrupted)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises((Terminated, KeyboardInterrupt)):
            fitted(plan, tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "stopped at step 6; the last checkpoint is step-00000006.ckpt, and --resume goes on from there"
    monkeypatch.undo()
    assert fitted(plan, tmp_path, resume=True).history.rows[-1]["step"] == 6


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    fitted(STEPS, tmp_path)
    last = last_checkpoint(tmp_path / CHECKPOINTS)
    assert last is not None
    last.write_bytes(last.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"the checkpoint .*step-00000008\.ckpt is damaged: restore it, or remove it"):
        fitted(replace(STEPS, steps=10), tmp_path, resume=True)
    last.unlink()
    assert fitted(replace(STEPS, steps=10), tmp_path, resume=True).history.rows[-1]["step"] == 10


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    fitted(EPOCHS, tmp_path)
    other = Sums()
    other.network = nn.Linear(3, 1)
    with pytest.raises(UserError, match="is of another model than the configured one: resume with the configuration"):
        fit(other, EPOCHS, lambda *_: Loader(3), lambda *_: Loader(1), folder=tmp_path, resume=True, runtime=CPU)


def test_two_trainings_into_one_folder_are_refused(tmp_path: Path) -> None:
    def train() -> int:
        with alone_in(tmp_path):
            (tmp_path / "begun").touch()
            time.sleep(60)
        return 0

    process = forked(train)
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    try:
        with pytest.raises(UserError, match="another process is writing into"):
            fitted(STEPS, tmp_path, resume=True)
    finally:
        os.kill(process, signal.SIGKILL)
    assert ended(process) == -signal.SIGKILL
    assert not (tmp_path / LOG).exists()
    fitted(STEPS, tmp_path, resume=True)
