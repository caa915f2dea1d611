import re
from dataclasses import replace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from tests.conformance import tensors_of
from tests.tolerances import assert_close
from titans_seq.blocks import MACConfig
from titans_seq.blocks.mac import MemoryAsContext
from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.layers import GateConfig, NeuralMemory, NeuralMemoryConfig, neural_memory, scale_inner_steps
from titans_seq.memory import (
    ConstantDecay,
    ElasticNet,
    GradientDescent,
    LinearMemory,
    MemoryRule,
    MemoryState,
    MLPMemory,
    Momentum,
    NoRetention,
)
from titans_seq.ops import memory_scan
from titans_seq.ops.reference import memory_scan_reference

CONFIG = NeuralMemoryConfig(heads=2, chunk_size=4)


def test_the_layer_written_out() -> None:
    torch.manual_seed(0)
    layer = NeuralMemory(CONFIG, 8).double()
    x = torch.randn(2, 7, 8, dtype=torch.float64)
    y, _ = layer(x)

    kernel = layer.convolution.weight.view(24, 4)  # type: ignore[union-attr]
    padded = F.pad(x @ layer.project.weight.T, (0, 0, 3, 0))
    mixed = sum(padded[:, i : i + 7] * kernel[:, i] for i in range(4))
    q, k, v = (z.view(2, 7, 2, 4) for z in F.silu(mixed).split(8, -1))  # type: ignore[arg-type]
    read, _ = memory_scan(
        q / q.norm(dim=-1, keepdim=True),
        k / k.norm(dim=-1, keepdim=True),
        v,
        **layer.gates(x),
        state=MemoryState.initial(list(layer.initial)),
        rule=CONFIG.rule,
        chunk_size=4,
    )
    read = read / (read.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    expected = (read.flatten(-2) * F.silu(x @ layer.output_gate.weight.T)) @ layer.output.weight.T
    assert_close(y, expected)


@pytest.mark.parametrize("backend", ["chunked", "reference", "auto"])
def test_backends_agree(backend: str) -> None:
    x, outputs = torch.randn(2, 11, 8, dtype=torch.float64), []
    for name in (backend, "reference"):
        torch.manual_seed(0)
        outputs.append(NeuralMemory(replace(CONFIG, backend=name), 8).double()(x)[0])  # type: ignore[arg-type]
    assert_close(outputs[0], outputs[1])


def test_persistent_tokens_are_written_first_and_once() -> None:
    torch.manual_seed(0)
    layer = NeuralMemory(replace(CONFIG, persistent_tokens=3), 8).double()
    plain = NeuralMemory(CONFIG, 8).double()
    plain.load_state_dict({n: w for n, w in layer.state_dict().items() if n != "persistent"})
    x = torch.randn(2, 6, 8, dtype=torch.float64)
    y, state = layer(x)
    assert layer.persistent is not None
    expected, expected_state = plain(torch.cat([layer.persistent.expand(2, 3, 8), x], 1))
    assert_close(y, expected[:, 3:], 1e-13)
    assert state.memory.position == expected_state.memory.position == 9 % 4
    _, further = layer(x, state)
    assert further.memory.position == (9 + 6) % 4


def test_beside_slow_weights_a_matrix_decays_towards_them() -> None:
    torch.manual_seed(0)
    rule = MemoryRule(LinearMemory(), algorithm=GradientDescent())
    gates = GateConfig(decay_bias=-1.0)
    layer = NeuralMemory(NeuralMemoryConfig(2, chunk_size=1, rule=rule, gates=gates, slow_weights=True), 8).double()
    assert layer.slow is not None
    assert not layer.initial[0].any()
    x = torch.randn(1, 6, 8, dtype=torch.float64)
    y, state = layer(x)
    told = layer.scan(x)
    q, k, lr, decay = told.q, told.k, told.lr, told.decay
    assert decay is not None
    v = told.v + torch.einsum("bthi,hoi->btho", k, layer.slow)
    weights, reads = layer.slow, []
    for t in range(6):
        error = torch.einsum("hoi,hi->ho", weights, k[0, t]) - v[0, t]
        kept = 1 - decay[0, t, :, None, None]
        step = lr[0, t, :, None, None] * error[:, :, None] * k[0, t, :, None, :]
        weights = layer.slow + kept * (weights - layer.slow) - step
        reads.append(torch.einsum("hoi,hi->ho", weights, q[0, t]))
    read = layer.norm(torch.stack(reads)[None]).flatten(-2) * F.silu(layer.output_gate(x))
    assert_close(y, layer.output(read))
    assert_close(state.memory.weights[0][0], weights - layer.slow)


def test_slow_weights_answer_where_the_memory_is_empty() -> None:
    torch.manual_seed(0)
    config = NeuralMemoryConfig(2, rule=MemoryRule(LinearMemory()), slow_weights=True)
    never = replace(config, gates=GateConfig(lr_bias=-1e4))
    layer, x = NeuralMemory(never, 8), torch.randn(2, 9, 8)
    y, _ = layer(x)
    assert y.abs().max() > 0.01
    assert layer.slow is not None
    read = layer.norm(torch.einsum("bthi,hoi->btho", layer.scan(x).q, layer.slow)).flatten(-2)
    assert_close(y, layer.output(read * F.silu(layer.output_gate(x))), 1e-6)
    # What is retrieved without writing answers alike.
    plain = NeuralMemory(replace(never, convolution=0), 8)
    assert plain.slow is not None
    read = plain.norm(torch.einsum("bthi,hoi->btho", plain.scan(x).q, plain.slow)).flatten(-2)
    empty = [torch.zeros(2, 2, 4, 4)]
    assert_close(plain.retrieve(x, empty), plain.output(read), 1e-6)


@pytest.mark.parametrize(
    ("changes", "absent"),
    [
        ({"convolution": 0}, "convolution"),
        ({"persistent_tokens": 0}, "persistent"),
        ({"slow_weights": False}, "slow"),
    ],
)
def test_a_part_left_out_has_no_parameters(changes: dict[str, Any], absent: str) -> None:
    parts = {"persistent_tokens": 2, "slow_weights": True}
    full = NeuralMemory(replace(CONFIG, **parts), 8)
    less = NeuralMemory(replace(CONFIG, **parts | changes), 8)
    removed = {name for name, _ in full.named_parameters()} - {name for name, _ in less.named_parameters()}
    assert removed
    assert all(name.startswith(absent) for name in removed)


def test_a_gate_left_out_is_not_projected() -> None:
    for rule, gates in (
        (MemoryRule(), 3),
        (MemoryRule(retention=NoRetention()), 2),
        (MemoryRule(algorithm=GradientDescent()), 2),
        (MemoryRule(retention=NoRetention(), algorithm=GradientDescent()), 1),
    ):
        assert NeuralMemory(replace(CONFIG, rule=rule), 8).gates.project.out_features == gates * 2


def test_state_map_and_detach() -> None:
    layer = NeuralMemory(CONFIG, 8)
    _, state = layer(torch.randn(2, 6, 8))
    cut = state.map(torch.Tensor.detach)
    assert any(x.requires_grad for x in tensors_of(state).values())
    assert not any(x.requires_grad for x in tensors_of(cut).values())
    assert cut.memory.position == 2
    without = NeuralMemory(replace(CONFIG, convolution=0), 8)(torch.randn(2, 6, 8))[1]
    assert without.recent is None
    assert without.map(torch.Tensor.detach).recent is None


def test_a_silent_input_has_finite_gradients() -> None:
    torch.manual_seed(0)
    layer = NeuralMemory(CONFIG, 8)
    x = torch.zeros(1, 9, 8, requires_grad=True)
    y, _ = layer(x)
    assert (y == 0).all()
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in layer.parameters())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 0}, "heads must be at least 1, got 0"),
        ({"rule": "moneta"}, "rule must be a MemoryRule, got 'moneta': take titans_seq.memory.preset('moneta')"),
        ({"chunk_size": 0}, "chunk_size must be at least 1, got 0"),
        ({"convolution": -1}, "convolution must be at least 0, got -1"),
        ({"persistent_tokens": -1}, "persistent_tokens must be at least 0, got -1"),
        ({"head_dim": 0}, "head_dim must be at least 1, or None for the width over the heads, got 0"),
        ({"head_dim": -2}, "head_dim must be at least 1, or None for the width over the heads, got -2"),
        ({"heads": 3}, "width 8 is not a multiple of 3 heads: change either, or give head_dim"),
    ],
)
def test_configuration_messages(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        NeuralMemory(replace(CONFIG, **changes), 8)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"convolution": 1}, "a convolution sees at least 2 values, got convolution=1: 0 leaves it out"),
        ({"slow_weights": "no"}, "slow_weights must be True or False, got 'no'"),
        ({"gates": "hard"}, "gates must be an instance of GateConfig, got 'hard'"),
        ({"chunk_size": 2.5}, "chunk_size must be a whole number of at least 1, got 2.5"),
        ({"backend": "chunkd"}, "backend must be one of auto, triton, chunked, reference, got 'chunkd'"),
        ({"heads": 4, "rule": MemoryRule(retention=ConstantDecay((0.9,)))}, "shares for 1 heads, the memory has 4"),
        (
            {"heads": 4, "rule": MemoryRule(retention=ElasticNet(ConstantDecay((0.9, 0.8))))},
            "shares for 2 heads, the memory has 4",
        ),
    ],
)
def test_what_could_not_run_is_refused_before_a_layer_is_built(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        replace(CONFIG, **changes)


@pytest.mark.parametrize("shape", [(2, 0, 8), (0, 2, 8), (2, 3, 7), (3, 8), (2, 1, 3, 8)])
def test_input_messages(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"expected [B >= 1, T >= 1, 8], got {shape}")):
        NeuralMemory(CONFIG, 8)(torch.zeros(shape))


def test_a_layer_without_data_has_shapes_alone() -> None:
    with torch.device("meta"):
        y, _ = NeuralMemory(CONFIG, 8)(torch.zeros(2, 11, 8))
    assert (y.device.type, y.shape) == ("meta", (2, 11, 8))


@pytest.mark.parametrize("compiler", ["aot_eager", pytest.param("inductor", marks=pytest.mark.slow)])
def test_torch_compile_forward_and_backward(compiler: str) -> None:
    torch.manual_seed(0)
    layer = NeuralMemory(replace(CONFIG, rule=MemoryRule(MLPMemory(expansion=2))), 8)
    x = torch.randn(2, 6, 8)

    def results(module: Any) -> list[torch.Tensor]:
        y, state = module(x)
        loss = y.square().sum() + sum(w.square().sum() for w in state.memory.weights)
        return [y.detach(), *torch.autograd.grad(loss, list(layer.parameters()))]

    expected = results(layer)
    torch.compiler.reset()
    for mine, eager in zip(results(torch.compile(layer, fullgraph=True, backend=compiler)), expected, strict=True):
        assert_close(mine, eager)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [Momentum(), GradientDescent()])
def test_torch_compile_with_symbolic_lengths_while_training(algorithm: Any) -> None:
    torch.manual_seed(0)
    rule = MemoryRule(LinearMemory(), algorithm=algorithm)
    layer = NeuralMemory(replace(CONFIG, rule=rule), 8)
    torch.compiler.reset()
    compiled = torch.compile(layer, backend="eager", dynamic=True)
    x = torch.randn(2, 6, 8)
    found, expected = (
        torch.autograd.grad(module(x, return_state=False)[0].square().sum(), list(layer.parameters()))
        for module in (compiled, layer)
    )
    for mine, eager in zip(found, expected, strict=True):
        assert_close(mine, eager)


def test_a_linear_memory_recalls_what_it_was_told() -> None:
    """Associations written once are read back: the layer's operator at orthogonal keys and full steps."""
    keys, values = torch.eye(8)[None, :, None], torch.randn(1, 8, 1, 8)
    rule = MemoryRule(LinearMemory(), retention=NoRetention(), algorithm=GradientDescent())
    start = MemoryState.initial([torch.zeros(1, 8, 8)])
    ones = torch.ones(1, 8, 1)
    _, state = memory_scan(keys, keys, values, lr=ones, state=start, rule=rule, chunk_size=3)
    assert state is not None
    still = ones * 0
    recalled, _ = memory_scan(keys, keys, values, lr=still, state=state, rule=rule, chunk_size=3)
    assert_close(recalled, values, 1e-6)


@pytest.mark.parametrize("return_state", [True, False])
def test_a_long_sequence_runs_in_pieces_to_the_same_numbers(
    monkeypatch: pytest.MonkeyPatch, return_state: bool
) -> None:
    torch.manual_seed(0)
    module = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4, persistent_tokens=2), 8).double()
    x = torch.randn(2, 23, 8, dtype=torch.float64)
    whole, after = module(x, return_state=return_state)
    monkeypatch.setattr(neural_memory, "TOKENS_PER_PIECE", 5)
    pieced, after_pieces = module(x, return_state=return_state)
    assert_close(pieced, whole, name="outputs")
    if not return_state:
        assert after is None
        assert after_pieces is None
        return
    assert after.memory.position == after_pieces.memory.position
    for ours, theirs in zip(after_pieces.memory.weights, after.memory.weights, strict=True):
        assert_close(ours, theirs, name="weights")


def test_gates_behind_the_convolution_see_the_token_before() -> None:
    torch.manual_seed(0)
    x = torch.randn(1, 9, 8)
    changed = x.clone()
    changed[:, 4] += 1
    for source, affected in (("input", [4]), ("convolved", [4, 5, 6, 7])):
        layer = NeuralMemory(replace(CONFIG, gates=GateConfig(source=source)), 8)  # type: ignore[arg-type]
        different = (layer.inspect(x)["lr"] != layer.inspect(changed)["lr"]).any(-1)[0]
        assert different.nonzero().flatten().tolist() == affected


@pytest.mark.parametrize("convolution", [0, 4])
@pytest.mark.parametrize("cut", [1, 4, 7])
def test_gates_behind_the_convolution_go_on_where_a_piece_stopped(cut: int, convolution: int) -> None:
    torch.manual_seed(0)
    gates = GateConfig(form="hard", source="convolved", lr_bias=-1.0, decay_bias=-1.0)
    layer = NeuralMemory(replace(CONFIG, gates=gates, convolution=convolution), 8).double()
    x = torch.randn(2, 11, 8, dtype=torch.float64)
    whole, _ = layer(x)
    first, state = layer(x[:, :cut])
    second, _ = layer(x[:, cut:], state)
    assert_close(torch.cat([first, second], 1), whole)


def test_a_memory_whose_gates_are_shut_keeps_its_weights_to_the_last_bit() -> None:
    """Half a million small sigmoids would not be nothing; a hard gate below -3 is."""
    torch.manual_seed(0)
    gates = GateConfig(form="hard", lr_bias=-20.0, decay_bias=-20.0)
    layer = NeuralMemory(replace(CONFIG, gates=gates), 8)
    _, state = layer(torch.randn(1, 300, 8))
    assert state is not None
    for now, initial in zip(state.memory.weights, layer.initial, strict=True):
        assert torch.equal(now[0], initial)


def test_values_ahead_are_stored_under_the_key_before() -> None:
    torch.manual_seed(0)
    ahead = NeuralMemory(replace(CONFIG, values_ahead=True, convolution=0), 8).double()
    plain = NeuralMemory(replace(CONFIG, convolution=0), 8).double()
    plain.load_state_dict(dict(ahead.state_dict()))
    x = torch.randn(2, 7, 8, dtype=torch.float64)
    told = plain.scan(x)
    k = told.k
    before = torch.cat([torch.zeros_like(k[:, :1]), k[:, :-1]], 1)
    read, _ = memory_scan_reference(replace(told, k=before))
    y, state = ahead(x)
    assert_close(y, plain.output(plain.norm(read).flatten(-2) * F.silu(plain.output_gate(x))))
    assert torch.equal(state.key, k[:, -1:])
    with pytest.raises(RuntimeError, match="values_ahead was true, is false"):
        plain.load_state_dict(ahead.state_dict())


@pytest.mark.parametrize("convolution", [0, 4])
def test_with_values_ahead_a_token_finds_what_followed_its_like_from_the_first_step(convolution: int) -> None:
    torch.manual_seed(0)
    config = replace(CONFIG, values_ahead=True, convolution=convolution, convolves="context", slow_weights=True)
    layer = NeuralMemory(config, 8).double()
    tokens = torch.randn(1, 8, 8, dtype=torch.float64)
    told = layer.scan(torch.cat([tokens, tokens], 1))
    # Token t was stored as the key of step t + 1, where its successor is the value. What stood before it is no matter.
    like = torch.einsum("thd,shd->hts", told.q[0, 8:15], told.k[0, 1:9])
    assert torch.equal(like.argmax(-1), torch.arange(7).expand(len(like), -1))
    assert_close(like.amax(-1), torch.ones_like(like.amax(-1)), 1e-6)


@pytest.mark.parametrize("ahead", [False, True])
def test_a_convolution_of_the_context_serves_the_gates_and_the_slow_weights_alone(ahead: bool) -> None:
    torch.manual_seed(0)
    gates = GateConfig(form="hard", source="convolved")
    config = replace(CONFIG, values_ahead=ahead, convolves="context", slow_weights=True, gates=gates)
    layer, x = NeuralMemory(config, 8).double(), torch.randn(2, 7, 8, dtype=torch.float64)
    plain = NeuralMemory(replace(config, convolution=0), 8).double()
    plain.load_state_dict({name: part for name, part in layer.state_dict().items() if "convolution" not in name})
    assert layer.convolution is not None
    near, _ = layer.convolution(layer.project(x))
    told, alone = layer.scan(x), plain.scan(x)
    for name in ("q", "k", "v"):
        assert_close(getattr(told, name), getattr(alone, name))
    assert_close(told.lr, layer.gates(F.silu(near))["lr"])
    q = F.normalize(F.silu(near[..., :8]).unflatten(-1, (CONFIG.heads, -1)), dim=-1)
    read = memory_scan_reference(told)[0] + torch.einsum("bthi,hoi->btho", q, layer.slow)
    assert_close(layer(x)[0], layer.output(layer.norm(read).flatten(-2) * F.silu(layer.output_gate(x))))


@pytest.mark.parametrize("convolution", [0, 4])
def test_a_state_of_other_rows_or_another_precision_is_refused(convolution: int) -> None:
    layer, x = NeuralMemory(replace(CONFIG, convolution=convolution), 8).double(), torch.randn(2, 7, 8).double()
    _, state = layer(x)
    with pytest.raises(ValueError, match="the state is of 2 rows and the input of 1: pick rows with"):
        layer(x[:1], state)
    with pytest.raises(ValueError, match=r"convert the state with state.to\(torch.float64\)"):
        layer(x, state.to(torch.float32))
    assert layer(x, state.to(torch.float32).to(torch.float64))[0].dtype == torch.float64


def test_a_convolution_that_would_serve_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="pass convolution=0, slow_weights=True"):
        replace(CONFIG, convolves="context")


def test_values_ahead_say_what_the_convolution_serves() -> None:
    # Before it was said, models of the same configuration computed one thing or the other.
    with pytest.raises(ValueError, match="convolves='context' or convolution=0"):
        replace(CONFIG, values_ahead=True, slow_weights=True)
    older = to_dict(replace(CONFIG, values_ahead=True, slow_weights=True, convolves="context"))
    del older["convolves"]
    with pytest.raises(UserError, match="trained again"):
        from_dict(older, NeuralMemoryConfig)


def test_weights_saved_before_an_option_was_there_have_its_default() -> None:
    layer = NeuralMemory(CONFIG, 8)
    weights: Any = layer.state_dict()
    del weights._metadata[""]["config"]["convolves"]
    layer.load_state_dict(weights)
    context = NeuralMemory(replace(CONFIG, convolves="context", slow_weights=True), 8)
    weights = context.state_dict()
    del weights._metadata[""]["config"]["convolves"]
    with pytest.raises(RuntimeError, match='convolves was "all", is "context"'):
        context.load_state_dict(weights)


def test_a_memory_with_zero_output_changes_nothing_at_first_and_learns() -> None:
    layer, x = NeuralMemory(replace(CONFIG, zero_output=True), 8), torch.randn(2, 7, 8)
    y, _ = layer(x)
    assert not y.any()
    (y * torch.randn_like(y)).sum().backward()
    assert layer.output.weight.grad is not None
    assert layer.output.weight.grad.any()


def test_inner_steps_are_scaled_while_training_begins() -> None:
    layer, x = NeuralMemory(CONFIG, 8), torch.randn(2, 7, 8)
    expected = layer(x)[0]
    scale_inner_steps(layer, 0.0)
    _, state = layer(x)
    assert not any(momentum.any() for momentum in state.memory.momentum)
    scale_inner_steps(layer, 1.0)
    assert torch.equal(layer(x)[0], expected)
    assert "gates.share" not in layer.state_dict()
    with pytest.raises(ValueError, match="must be at least 0, got -1"):
        scale_inner_steps(layer, -1)


def test_layers_run_together_by_vmap_over_their_parameters() -> None:
    layers, x = [NeuralMemory(CONFIG, 8) for _ in range(2)], torch.randn(2, 7, 8)
    parameters, buffers = torch.func.stack_module_state(layers)  # type: ignore[arg-type]

    def read(*weights: dict[str, Any]) -> torch.Tensor:
        return torch.func.functional_call(layers[0], weights, (x,))[0]

    for y, layer in zip(torch.func.vmap(read)(parameters, buffers), layers, strict=True):
        assert_close(y, layer(x)[0], 1e-5)


def test_layers_that_do_not_learn_are_the_models_own_whatever_the_state() -> None:
    torch.manual_seed(0)
    rule = MemoryRule(MLPMemory(expansion=2, learns="last"))
    layer = NeuralMemory(replace(CONFIG, rule=rule), 8).double()
    x, y = torch.randn(2, 2, 8, 8, dtype=torch.float64)
    _, state = layer(x)
    state = state.detach()  # as truncated back-propagation does
    with torch.no_grad():
        layer.initial[0].mul_(1.5)
    rows, packed = layer(y, state)[0], layer(y.flatten(0, 1)[None], state, cu_seqlens=torch.tensor([0, 8, 16]))[0]
    assert_close(packed[0], rows.flatten(0, 1))
    gradients = [torch.autograd.grad(made.square().sum(), layer.initial[0])[0] for made in (rows, packed)]
    assert gradients[0].abs().sum() > 0
    assert_close(gradients[0], gradients[1])


def test_rows_that_begin_beside_others_share_layers_that_do_not_learn() -> None:
    torch.manual_seed(0)
    memory = replace(CONFIG, rule=MemoryRule(MLPMemory(expansion=2, learns="last")))
    mixer = MemoryAsContext(MACConfig(memory, heads=2, segment=4), 8).double()
    x, mask = torch.randn(2, 6, 8, dtype=torch.float64), torch.ones(2, 6, dtype=torch.bool)
    mask[0, :2] = mask[1, 4:] = False
    _, state = mixer(x[:, :2], attention_mask=mask[:, :2])
    y, _ = mixer(x[:, 2:], state, attention_mask=mask[:, 2:])
    assert_close(y[:1], mixer(x[:1, 2:])[0])
    assert_close(y[1:, :2], mixer(x[1:, :4])[0][:, 2:])
