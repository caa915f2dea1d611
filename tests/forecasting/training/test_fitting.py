from dataclasses import replace

import numpy as np
import pytest
import torch

from forecasting.network.heads import HeadConfig
from forecasting.network.mixers import GRUMixer
from forecasting.network.outputs import Point
from forecasting.network.simba_network import NetworkConfig, SimbaNetwork, build_network
from forecasting.settings.optimiser import OptimiserConfig
from forecasting.training.fitting import fit_network
from forecasting.training.lightning_module import ForecastModule
from forecasting.windows.arrays import ItemArrays
from forecasting.windows.cutting import WindowLoader, Windows
from tests.resuming import power_cut, same_weights
from titans_seq.errors import UserError
from titans_seq.experiment.history import History
from titans_seq.experiment.settings import Hardware, Runtime
from titans_seq.progress import Progress

CPU = Runtime(Hardware("cpu"))
SMALL = NetworkConfig(mixer=GRUMixer(), width=8, layers=1, dropout=0.2, head=HeadConfig(dropout=0.2))


def series(rows: int = 160) -> ItemArrays:
    noise = np.random.default_rng(0).normal(size=(rows, 2))
    values = np.sin(np.arange(rows) / 4)[:, None] + 0.3 * noise
    values[50:53] = np.nan
    return ItemArrays(values.astype(np.float32))


def loaders(limit: int | None = None) -> tuple[WindowLoader, WindowLoader]:
    train = Windows([series()], context=16, horizon=4, last=120)
    validation = Windows([series()], context=16, horizon=4, first=120)
    return (
        WindowLoader(train, 16, shuffle=True, seed=1, limit=limit),
        WindowLoader(validation, 16),
    )


def network(seed: int = 0, output: Point | None = None) -> SimbaNetwork:
    return build_network(SMALL, output or Point(), channels=2, context=16, horizon=4, seed=seed)


def fit(net: SimbaNetwork, config: OptimiserConfig, *, progress: Progress = "none", **options) -> History:
    train, validation = loaders()
    return fit_network(net, train, validation, config, runtime=replace(CPU, progress=progress), **options)


def score(net: SimbaNetwork) -> float:
    _, validation = loaders()
    batch = validation.windows.batch(torch.arange(len(validation.windows)))
    with torch.inference_mode():
        error = net.eval()(batch)[..., 0] - batch.future
    return error[batch.future_observed].square().mean().item()


def test_learns_and_keeps_the_best_weights():
    net = network()
    before = score(net)
    result = fit(net, OptimiserConfig(lr=1e-2, epochs=6))
    losses = [row["validation_loss"] for row in result.rows]
    assert result.best_epoch == int(np.argmin(losses)) + 1
    assert score(net) == pytest.approx(min(losses), rel=1e-5)
    assert score(net) < 0.7 * before
    assert [row["epoch"] for row in result.rows] == list(range(1, len(losses) + 1))


def test_the_same_seed_gives_the_same_weights_and_another_one_others():
    nets = [network() for _ in range(3)]
    config = OptimiserConfig(lr=1e-2, epochs=2)
    for net, seed in zip(nets, (3, 3, 4), strict=True):
        fit(net, config, seed=seed)
    assert same_weights(nets[0], nets[1])
    assert not same_weights(nets[0], nets[2])


def test_stops_early_and_keeps_what_came_before():
    net = network()
    result = fit(net, OptimiserConfig(lr=0.2, clip=0.0, epochs=30, patience=2, least=1.0))
    assert result.best_epoch is not None
    assert len(result.rows) == result.best_epoch + 2 < 30
    assert score(net) == pytest.approx(result.best["validation_mse"], rel=1e-5)


@pytest.mark.parametrize(("averaging", "stop_after"), [(0.0, 1), (0.9, 2)])
def test_a_resumed_run_ends_as_an_unbroken_one_bit_for_bit(tmp_path, averaging, stop_after):
    config = OptimiserConfig(lr=1e-2, epochs=3, averaging=averaging, warmup=0.2)
    whole = network()
    expected = fit(whole, config)
    with power_cut(ForecastModule, lambda module, batch: module.current_epoch == stop_after and batch == 1):
        fit(network(), config, folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoints", "log.jsonl"]
    resumed = network(seed=99)
    result = fit(resumed, config, folder=tmp_path, resume=True)
    assert result == expected
    assert same_weights(resumed, whole)


def test_resuming_a_finished_run_gives_its_result_again(tmp_path):
    config = OptimiserConfig(lr=1e-2, epochs=2)
    first, second = network(), network(seed=5)
    expected = fit(first, config, folder=tmp_path)
    assert fit(second, config, folder=tmp_path, resume=True) == expected
    assert same_weights(first, second)


def test_without_validation_all_epochs_run_and_the_last_weights_stay():
    train, _ = loaders()
    nets = [network(), network()]
    long = fit_network(nets[0], train, None, OptimiserConfig(epochs=3), runtime=CPU)
    assert (len(long.rows), long.best_epoch) == (3, 3)
    assert "validation_loss" not in long.rows[0]
    assert not same_weights(nets[0], nets[1])


def test_the_validation_score_does_not_depend_on_the_batch_size():
    config = OptimiserConfig(epochs=1)
    train, _ = loaders()
    windows = Windows([series()], context=16, horizon=4, first=110)
    results = [
        fit_network(network(), train, WindowLoader(windows, size), config, runtime=CPU).rows[0] for size in (1, 7, 128)
    ]
    for result in results[1:]:
        for name in ("validation_loss", "validation_mae"):
            assert result[name] == pytest.approx(results[0][name], rel=1e-5)


def test_the_average_follows_the_weights_and_is_what_is_kept():
    train, validation = loaders()
    module = ForecastModule(network(), OptimiserConfig(averaging=0.5))
    assert module.averaged is not None
    assert same_weights(module.averaged, module.network)
    assert module.kept_network() is module.averaged
    module.network.skip = None
    for parameter in module.network.parameters():
        parameter.data += 1.0
    before = [p.clone() for p in module.averaged.parameters()]
    module.on_train_batch_end(None, next(iter(train)), 0)
    # No step taken yet: the decay is 1 / 10.
    for old, new in zip(before, module.averaged.parameters(), strict=True):
        torch.testing.assert_close(new, old + 0.9)
    averaged = network()
    fit_network(averaged, train, validation, OptimiserConfig(epochs=2, averaging=0.9), runtime=CPU)
    plain = network()
    fit_network(plain, train, validation, OptimiserConfig(epochs=2), runtime=CPU)
    assert not same_weights(averaged, plain)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("lr", 0.0),
        ("weight_decay", -1.0),
        ("warmup", -0.5),
        ("clip", -1.0),
        ("epochs", 0),
        ("patience", 0),
        ("averaging", 1.0),
    ],
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(UserError, match=f"{name} must be .*, got {value}"):
        OptimiserConfig(**{name: value})
