import pytest

from titans_seq.errors import UserError
from titans_seq.experiment.settings import Hardware, OptimiserConfig, Runtime


def test_the_schedules_warm_up_and_end_at_the_least_rate():
    for schedule in ("cosine", "linear", "wsd"):
        config = OptimiserConfig(warmup=0.2, least=0.1, schedule=schedule)
        factors = [config.factor(step, total=20) for step in range(21)]
        assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
        assert max(factors) == 1.0
        assert all(a >= b for a, b in zip(factors[4:], factors[5:], strict=False))
        assert factors[20] == pytest.approx(0.1)


def test_warm_up_stable_decay_falls_at_the_end_alone():
    config = OptimiserConfig(warmup=0.1, least=0.0, schedule="wsd", decay_share=0.5)
    assert [round(config.factor(step, total=20), 2) for step in (2, 9, 10, 15, 20)] == [1, 1, 1, 0.5, 0]


def test_a_warm_up_in_steps_is_at_most_a_tenth_of_a_run():
    assert [OptimiserConfig(warmup=warmup).warmup_steps(100) for warmup in (5, 50, 0.3, 0.0)] == [5, 10, 30, 0]
    assert OptimiserConfig(warmup=5).factor(9, total=3) == pytest.approx(0.1)  # a run shorter than its warm-up


@pytest.mark.parametrize(
    "change",
    [
        {"lr": 0.0}, {"lr": float("nan")}, {"least": 2.0}, {"warmup": -1}, {"warmup": 1.5}, {"warmup": float("inf")},
        {"betas": (1.0, 0.9)}, {"clip": -1.0}, {"schedule": "cosin"}, {"decay_share": 0.0},
    ],
)  # fmt: skip
def test_values_out_of_range_are_refused(change):
    with pytest.raises(UserError, match=next(iter(change))):
        OptimiserConfig(**change)


def test_devices_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert (Hardware().device(), Hardware("cpu").device()) == ("cpu", "cpu")
    with pytest.raises(UserError, match="--accelerator cuda: PyTorch finds no GPU here"):
        Hardware("cuda").device()
    with pytest.raises(UserError, match="devices must be at least 1, got 0"):
        Hardware(devices=0)
    with pytest.raises(
        UserError, match="unknown strategy 'fspd': expected one of auto, ddp, fsdp; did you mean 'fsdp'"
    ):
        Hardware(strategy="fspd")  # pyright: ignore[reportArgumentType]
    with pytest.raises(UserError, match="unknown progress 'line'"):
        Runtime(progress="line")  # pyright: ignore[reportArgumentType]
    assert Hardware(devices=2, nodes=3).processes == 6
