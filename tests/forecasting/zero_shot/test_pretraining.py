"""Pretraining: batches as a function of seed and number, bit-exact resuming, runs, refusals."""

import shutil

import numpy as np
import pytest
import torch

from forecasting.runs.fine_tuned import starting_model
from forecasting.zero_shot.batches import cut_batch, pool
from forecasting.zero_shot.network import ZeroShotConfig
from forecasting.zero_shot.pretraining import PretrainingModule, new_network, pretrain
from forecasting.zero_shot.runs import PretrainingRun, pretrain_run, resume_run
from forecasting.zero_shot.saving import load_network
from forecasting.zero_shot.settings import BatchConfig, PretrainingConfig
from tests.resuming import same_weights
from titans_seq.cli import main
from titans_seq.errors import UserError
from titans_seq.experiment.beginning import weights_record
from titans_seq.experiment.checkpoints import KeepLast

NETWORK = ZeroShotConfig(width=8, layers=1, code=4)
BATCHES = BatchConfig(tokens=60, pool=2)


def config(steps: int) -> PretrainingConfig:
    return PretrainingConfig(
        steps=steps, batches=BATCHES, validate_every=2, validation_pools=1, checkpoint_every=2, log_every=1
    )


def test_a_pool_is_a_function_of_seed_and_number() -> None:
    one, again, other = (list(pool((3,), number, BATCHES, NETWORK)) for number in (5, 5, 6))
    assert all(torch.equal(a.target, b.target) for a, b in zip(one, again, strict=True))
    assert one[0].target.shape != other[0].target.shape or not torch.equal(one[0].target, other[0].target)


def test_the_future_is_in_no_feature() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(3, 40))
    changed = values.copy()
    changed[:, 28:] += 100
    seen, periods = np.ones((3, 40), bool), np.array([[4, 1]] * 3)
    one, other = (cut_batch(y, seen, periods, 28, 4) for y in (values, changed))
    assert torch.equal(one.features.channels, other.features.channels)
    assert torch.equal(one.features.bases, other.features.bases)
    assert not torch.equal(one.target, other.target)


def test_training_lowers_the_loss() -> None:
    _, history = pretrain(new_network(NETWORK, 0), PretrainingConfig(steps=30, batches=BATCHES, log_every=10))
    losses = [row["loss"] for row in history.rows if "loss" in row]
    assert losses[-1] < losses[0]


def test_a_run_that_was_stopped_ends_as_one_that_was_not(tmp_path) -> None:
    whole = pretrain_run(PretrainingRun(NETWORK, config(6)), tmp_path / "whole")
    stopped = PretrainingRun(NETWORK, config(6))
    pretrain_halfway(stopped, tmp_path / "stopped")
    again = resume_run(tmp_path / "stopped")
    assert same_weights(whole, again)
    assert same_weights(whole, load_network(tmp_path / "stopped" / "model"))


def pretrain_halfway(run: PretrainingRun, out) -> None:
    """Leave a run as a killed process would: its latest checkpoint in the middle, no model."""
    kept = KeepLast._save

    def stop(self, trainer):
        kept(self, trainer)
        if trainer.global_step == 4:
            raise KeyboardInterrupt

    KeepLast._save = stop
    try:
        with pytest.raises(KeyboardInterrupt):
            pretrain_run(run, out)
    finally:
        KeepLast._save = kept
    shutil.rmtree(out / "model", ignore_errors=True)


def test_a_run_may_begin_with_another_ones_weights(tmp_path) -> None:
    first = pretrain_run(PretrainingRun(NETWORK, config(2)), tmp_path / "first")
    begun = PretrainingRun(NETWORK, config(2), weights_record(tmp_path / "first"))
    second = pretrain_run(begun, tmp_path / "second")
    assert not same_weights(first, second)
    other = PretrainingRun(ZeroShotConfig(width=4, layers=1), config(2), weights_record(tmp_path / "first"))
    with pytest.raises(UserError, match="is another than the configured one"):
        pretrain_run(other, tmp_path / "third")


def test_resolutions_must_fit_the_network() -> None:
    with pytest.raises(UserError, match="2 weights and the network 3 patches"):
        pretrain(new_network(NETWORK, 0), PretrainingConfig(steps=1, batches=BatchConfig(resolutions=(1.0, 1.0))))


@pytest.mark.parametrize(
    ("values", "message"),
    [({"padded": 2.0}, "padded is a probability"), ({"resolutions": (0.0,)}, "not all 0"), ({"pool": 0}, "pool")],
)
def test_settings_out_of_range_are_refused(values, message) -> None:
    with pytest.raises(UserError, match=message):
        BatchConfig(**values)


def test_the_command_trains_and_resumes(tmp_path, capsys, monkeypatch) -> None:
    tiny = ["--set", "network.width=8", "--set", "network.layers=1", "--set", "training.batches.tokens=60"]
    out = str(tmp_path / "p")
    shared = ["--progress", "none", "--validation-pools", "1"]
    assert main(["forecast", "pretrain", "--out", out, "--steps", "2", *tiny, *shared]) == 0
    assert "forecast predict data.csv" in capsys.readouterr().out
    assert main(["forecast", "pretrain", "--out", out, "--resume", "--steps", "3", "--progress", "none"]) == 0
    assert main(["forecast", "pretrain", "--out", out, "--resume", "--steps", "1"]) == 2
    assert "give more" in capsys.readouterr().err
    assert main(["forecast", "pretrain", "--out", out, "--resume", "--lr", "0.002"]) == 2
    assert "would not read --lr: leave out" in capsys.readouterr().err
    begun = ["forecast", "pretrain", "--out", str(tmp_path / "q"), "--init", out, "--dry-run"]
    assert main(begun) == 0
    assert main([*begun, "--set", "network.width=4"]) == 2
    assert "is another than the configured one: network.width was 8, is 4: leave out --set" in capsys.readouterr().err
    steps = []
    monkeypatch.setattr("forecasting.zero_shot.runs.resume_run", lambda out, **given: steps.append(given["steps"]))
    for option in ((), ("--steps", str(PretrainingConfig.steps))):
        assert main(["forecast", "pretrain", "--out", out, "--resume", *option]) == 0
    assert steps == [3, 100_000]


def test_an_extension_that_was_stopped_goes_on(tmp_path, monkeypatch) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    for folder in (whole, out):
        pretrain_run(PretrainingRun(NETWORK, config(2)), folder)
    longer = resume_run(whole, steps=6)
    step = PretrainingModule.training_step

    def stopped(self, *given):
        if self.trainer.global_step == 5:
            raise KeyboardInterrupt
        return step(self, *given)

    monkeypatch.setattr(PretrainingModule, "training_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        resume_run(out, steps=6)
    monkeypatch.undo()
    assert not (out / "model").exists()
    assert load_network(out / "earlier-model") is not None
    with pytest.raises(UserError, match="was not finished .*titans forecast pretrain --resume .*earlier-model"):
        starting_model(str(out))
    assert same_weights(resume_run(out), longer)
    assert not (out / "earlier-model").exists()
