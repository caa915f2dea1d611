from dataclasses import replace

import pytest
import torch

from forecasting.network.batch import WindowBatch
from forecasting.network.cycle import CycleConfig
from forecasting.network.heads import Head, HeadConfig
from forecasting.network.mixers import AttentionMixer, GRUMixer, IdentityMixer, MemoryMixer
from forecasting.network.normalise import NormaliseConfig
from forecasting.network.outputs import Output, Point, Quantiles, StudentT
from forecasting.network.simba_network import NetworkConfig, SimbaNetwork, build_network
from forecasting.network.tokens import PatchConfig, VariateConfig

CONTEXT, HORIZON, CHANNELS = 32, 6, 3
SMALL = NetworkConfig(mixer=GRUMixer(), width=8, layers=1)


def kind(config: object) -> str:
    return type(config).__name__


def random_batch(size: int = 4, known: int = 0, past: int = 0, gaps: bool = False) -> WindowBatch:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(size, CONTEXT + HORIZON, CHANNELS, generator=generator)
    observed = torch.ones_like(values, dtype=torch.bool)
    if gaps:
        observed = torch.rand(values.shape, generator=generator) > 0.3
    values = values.masked_fill(~observed, 0.0)
    return WindowBatch(
        past=values[:, :CONTEXT],
        observed=observed[:, :CONTEXT],
        known=torch.randn(size, CONTEXT + HORIZON, known, generator=generator),
        past_only=torch.randn(size, CONTEXT, past, generator=generator),
        phase=torch.arange(size),
        future=values[:, CONTEXT:],
        future_observed=observed[:, CONTEXT:],
        static=torch.zeros(size, 0),
    )


def build(config: NetworkConfig, output: Output | None = None, known: int = 0, past: int = 0) -> SimbaNetwork:
    network = build_network(
        config,
        output or Point(),
        channels=CHANNELS,
        context=CONTEXT,
        horizon=HORIZON,
        known=known,
        past=past,
    )
    return network.eval()


@pytest.mark.parametrize("tokens", [PatchConfig(8, 4), PatchConfig(8, 4, True), VariateConfig()], ids=str)
@pytest.mark.parametrize("mixer", [IdentityMixer(), GRUMixer("both"), AttentionMixer(2), MemoryMixer()], ids=kind)
@pytest.mark.parametrize("output", [Point(), Quantiles((0.1, 0.5, 0.9)), StudentT()], ids=str)
def test_every_combination_trains_a_step_with_covariates_and_gaps(tokens, mixer, output):
    config = replace(SMALL, tokens=tokens, mixer=mixer, cycle=CycleConfig((24,)))
    network = build(config, output, known=2, past=1)
    batch = random_batch(known=2, past=1, gaps=True)
    parameters = network(batch)
    assert parameters.shape == (4, HORIZON, CHANNELS, output.size)
    assert output.mean(parameters).shape == output.quantiles(parameters, (0.5,))[..., 0].shape
    output.loss(parameters, batch.future, batch.future_observed).backward()
    for name, parameter in network.named_parameters():
        if isinstance(mixer, IdentityMixer) and "mixer_norm" in name:
            continue  # its output is not used
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("kind", ["mean_std", "last_value"])
def test_shifting_the_input_shifts_the_forecast(kind):
    network = build(replace(SMALL, normalise=NormaliseConfig(kind)))
    batch = random_batch()
    moved = replace(batch, past=batch.past + 100.0)
    torch.testing.assert_close(network(moved), network(batch) + 100.0, atol=1e-3, rtol=0.0)


def test_scaling_the_input_scales_the_forecast():
    network = build(replace(SMALL, normalise=NormaliseConfig(epsilon=0.0)))
    batch = random_batch()
    torch.testing.assert_close(network(replace(batch, past=50 * batch.past)), 50 * network(batch))


def test_patches_keep_channels_apart_and_variates_do_not():
    batch = random_batch()
    changed = replace(batch, past=batch.past.clone())
    changed.past[:, 10:, 2] += 1.0
    for tokens, apart in ((PatchConfig(8, 4), True), (VariateConfig(), False)):
        network = build(replace(SMALL, tokens=tokens, mixer=AttentionMixer(2)))
        same = torch.allclose(network(batch)[:, :, :2], network(changed)[:, :, :2], atol=1e-6)
        assert same is apart


def test_windows_of_a_batch_do_not_touch_each_other():
    network = build(SMALL)
    batch = random_batch()
    one = WindowBatch(**{name: value[1:2] for name, value in vars(batch).items()})
    torch.testing.assert_close(network(batch)[1:2], network(one))


def test_the_future_is_not_read():
    network = build(SMALL, known=1)
    batch = random_batch(known=1)
    assert torch.equal(network(batch), network(replace(batch, future=batch.future + 9.0)))


@pytest.mark.parametrize("tokens", [PatchConfig(8, 4), VariateConfig()], ids=str)
def test_covariates_count_and_future_ones_at_their_own_step(tokens):
    network = build(replace(SMALL, tokens=tokens), known=1, past=1)
    batch = random_batch(known=1, past=1)
    assert network.future is not None
    torch.nn.init.normal_(network.future.project.weight)
    future = replace(batch, known=batch.known.clone())
    future.known[:, CONTEXT + 2] += 1.0
    moved = (network(future) - network(batch)).abs().amax(dim=(0, 2, 3)) > 1e-6
    assert moved.tolist() == [False, False, True, False, False, False]
    past = replace(batch, past_only=batch.past_only + 1.0)
    assert not torch.allclose(network(batch), network(past), atol=1e-4)


def test_a_learned_cycle_alone_forecasts_a_periodic_series():
    network = build(replace(SMALL, cycle=CycleConfig((4,)), normalise=NormaliseConfig("none")))
    assert network.cycle is not None
    for parameter in network.head.project.parameters():
        torch.nn.init.zeros_(parameter)
    table = torch.randn(4, CHANNELS)
    network.cycle.tables[0].data.copy_(table)
    batch = random_batch()
    steps = batch.phase[:, None] + torch.arange(CONTEXT, CONTEXT + HORIZON)
    torch.testing.assert_close(network(batch)[..., 0], table[steps % 4])


def test_the_linear_skip_is_a_map_of_the_normalised_context():
    network = build(replace(SMALL, head=HeadConfig(skip=True)))
    plain = build(SMALL)
    network.load_state_dict(plain.state_dict(), strict=False)
    batch = random_batch()
    assert network.skip is not None
    normalised, level = network.normalise(batch.past, batch.observed)
    skip = network.skip(normalised.transpose(1, 2)).transpose(1, 2) * level.scale
    torch.testing.assert_close(network(batch)[..., 0], plain(batch)[..., 0] + skip)


def test_a_window_without_any_observation_gives_a_finite_forecast():
    network = build(replace(SMALL, cycle=CycleConfig((4,))), StudentT())
    batch = random_batch()
    batch = replace(batch, past=torch.zeros_like(batch.past), observed=torch.zeros_like(batch.observed))
    assert network(batch).isfinite().all()


@pytest.mark.parametrize("tokens", [PatchConfig(), VariateConfig()], ids=str)
def test_runs_under_inference_mode_and_autocast(tokens):
    network = build(replace(SMALL, tokens=tokens))
    batch = random_batch()
    with torch.inference_mode():
        expected = network(batch)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            low = network(batch)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, expected, atol=0.1, rtol=0.1)


def test_weights_depend_on_the_seed_alone():
    state = torch.get_rng_state()
    sizes = {"channels": 2, "context": 32, "horizon": 4}
    first, again, other = (build_network(SMALL, Point(), seed=s, **sizes) for s in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    weights = [network.head.project.get_parameter("weight") for network in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("name", ["channels", "context", "horizon"])
def test_sizes_must_be_positive(name):
    sizes = {"channels": 2, "context": 32, "horizon": 4, name: 0}
    with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
        build_network(SMALL, Point(), **sizes)


def test_the_last_head_reads_one_token_and_a_rank_makes_two_factors():
    tokens = torch.randn(2, 3, 12, 8)
    last = Head(HeadConfig("last", dropout=0.0), tokens=12, width=8, horizon=6, size=1)
    other = tokens.clone()
    other[:, :, :-1] += 1.0
    assert torch.equal(last(tokens), last(other))
    low = Head(HeadConfig(rank=2), tokens=12, width=8, horizon=6, size=1)
    assert [p.numel() for p in low.project.parameters()] == [96 * 2, 2 * 6, 6]
