"""Both implementations against the paper's equations, written out here by hand, and against closed forms."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.cases import ARCHITECTURES, DELTA_RULE, Case, draw_inputs, draw_state, scan
from tests.tolerances import assert_close
from titans_seq.memory import (
    Architecture,
    GradientDescent,
    LinearMemory,
    MemoryRule,
    MemoryState,
    NoRetention,
)
from titans_seq.ops.dispatch import Backend

BACKENDS = pytest.mark.parametrize("backend", ["reference", "chunked"])
NONLINEAR = {"gelu": F.gelu, "silu": F.silu, "relu": F.relu}


def network(architecture: Architecture, weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """Read one memory with one vector: `[x +] [LN](W_L f(... f(W_1 x)))`."""
    z = weights[0] @ x
    for weight in weights[1:]:
        z = weight @ NONLINEAR[architecture.activation](z)
    if architecture.norm:
        centred = z - z.mean()
        z = centred / torch.sqrt(centred.square().mean() + 1e-5)
    return x + z if architecture.residual else z


def by_hand(
    architecture: Architecture, inputs: dict[str, Tensor], weights: list[Tensor], chunk_size: int
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Titans eq. 13-15 for one sequence and one head, `[T, D]` tokens and `[T]` gates."""
    surprise = [torch.zeros_like(w) for w in weights]
    anchor, outputs = weights, []
    for t in range(len(inputs["k"])):
        if t % chunk_size == 0:
            anchor = weights
        wrong = network(architecture, anchor, inputs["k"][t]) - inputs["v"][t]
        slope = torch.autograd.grad(0.5 * wrong.square().sum(), anchor, create_graph=True)
        eta, theta, alpha = inputs["momentum"][t], inputs["lr"][t], inputs["decay"][t]
        surprise = [eta * s - theta * u for s, u in zip(surprise, slope, strict=True)]
        weights = [(1 - alpha) * w + s for w, s in zip(weights, surprise, strict=True)]
        outputs.append(network(architecture, weights, inputs["q"][t]))
    return torch.stack(outputs), weights, surprise


@BACKENDS
@pytest.mark.parametrize("chunk_size", [1, 3])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_equations_by_hand(architecture: str, chunk_size: int, backend: Backend) -> None:
    case = Case(MemoryRule(ARCHITECTURES[architecture]), batch=1, length=5, heads=1, key_dim=3, value_dim=3)
    inputs = {name: x.requires_grad_() for name, x in draw_inputs(case).items() if x is not None}
    weights = [w.requires_grad_() for w in draw_state(case, None).weights]
    leaves = [*inputs.values(), *weights]

    y, state = scan({**inputs}, MemoryState.initial(weights), case.rule, chunk_size, backend)
    single = {name: x[0, :, 0] for name, x in inputs.items()}
    hand_y, hand_weights, hand_surprise = by_hand(case.rule.architecture, single, [w[0] for w in weights], chunk_size)
    assert_close(y[0, :, 0], hand_y, name="y")
    assert state.position == 5 % chunk_size
    pairs = zip([*state.weights, *state.momentum], [*hand_weights, *hand_surprise], strict=True)
    for mine, by_equation in pairs:
        assert_close(mine[0, 0], by_equation, name="state")

    loss = y.square().sum() + sum(w.sin().sum() for w in (*state.weights, *state.momentum))
    hand_loss = hand_y.square().sum() + sum(w.sin().sum() for w in (*hand_weights, *hand_surprise))
    names = [*inputs, *(f"weights.{i}" for i in range(len(weights)))]
    mine = torch.autograd.grad(loss, leaves)
    expected = torch.autograd.grad(hand_loss, leaves)
    for name, a, b in zip(names, mine, expected, strict=True):
        assert_close(a, b, name=f"d {name}")


def linear_case(length: int = 12) -> tuple[Case, dict[str, Tensor], MemoryState, Tensor]:
    """Return a linear memory with one sequence and head, and gates large enough to matter."""
    case = Case(MemoryRule(LinearMemory()), batch=1, length=length, heads=1, key_dim=3, value_dim=2)
    inputs = {name: x for name, x in draw_inputs(case).items() if x is not None}
    inputs["lr"] = torch.linspace(0.1, 0.9, length, dtype=case.dtype).view(1, length, 1)
    state = draw_state(case, None)
    return case, inputs, state, state.weights[0][0]


@BACKENDS
def test_a_linear_memory_with_exact_steps_is_the_delta_rule(backend: Backend) -> None:
    _, inputs, state, matrix = linear_case()
    y, after = scan({**inputs, "momentum": None, "decay": None}, state, DELTA_RULE, 1, backend)
    for t in range(12):
        q, k, v, lr = (inputs[n][0, t, 0] for n in ("q", "k", "v", "lr"))
        matrix = matrix @ (torch.eye(3, dtype=k.dtype) - lr * torch.outer(k, k)) + lr * torch.outer(v, k)
        assert_close(y[0, t, 0], matrix @ q, 1e-13, f"y[{t}]")
    assert_close(after.weights[0][0, 0], matrix, 1e-13, "weights")


@BACKENDS
def test_decay_acts_after_the_surprise_is_measured(backend: Backend) -> None:
    """`W_t = W_{t-1} ((1 - decay) I - lr k k^T) + lr v k^T`: Gated DeltaNet, in contrast, decays first."""
    _, inputs, state, matrix = linear_case()
    rule = replace(DELTA_RULE, retention=MemoryRule().retention)
    y, _ = scan({**inputs, "momentum": None}, state, rule, 1, backend)
    for t in range(12):
        q, k, v, lr, decay = (inputs[n][0, t, 0] for n in ("q", "k", "v", "lr", "decay"))
        kept = (1 - decay) * torch.eye(3, dtype=k.dtype) - lr * torch.outer(k, k)
        matrix = matrix @ kept + lr * torch.outer(v, k)
        assert_close(y[0, t, 0], matrix @ q, 1e-13, f"y[{t}]")


@BACKENDS
def test_one_chunk_of_a_zero_memory_is_linear_attention(backend: Backend) -> None:
    """From W = 0 the first chunk's gradients are -v k^T: `y_t = sum_{s<=t} lr_s (k_s . q_t) v_s`."""
    case, inputs, _, matrix = linear_case()
    zero = MemoryState.initial([torch.zeros_like(matrix)[None]])
    y, _ = scan({**inputs, "momentum": None, "decay": None}, zero, DELTA_RULE, case.length, backend)
    q, k, v, lr = (inputs[n][0, :, 0] for n in ("q", "k", "v", "lr"))
    assert_close(y[0, :, 0], ((q @ k.T).tril() * lr) @ v, 1e-13, "y")


@BACKENDS
def test_equation_16_with_decay_and_no_momentum(backend: Backend) -> None:
    """`M_t = beta_t M_0 - sum_i theta_i (beta_t / beta_i) u_i` within the first chunk."""
    case, inputs, state, matrix = linear_case(length=6)
    rule = MemoryRule(LinearMemory(), algorithm=GradientDescent())
    _, after = scan({**inputs, "momentum": None}, state, rule, 8, backend)
    k, v, lr, decay = (inputs[n][0, :, 0] for n in ("k", "v", "lr", "decay"))
    beta = (1 - decay).cumprod(0)
    u = torch.einsum("ti,tj->tij", k @ matrix.T - v, k)
    expected = beta[-1] * matrix - torch.einsum("t,tij->ij", lr * beta[-1] / beta, u)
    assert_close(after.weights[0][0, 0], expected, 1e-13, "weights")
    assert_close(after.anchor[0][0, 0], matrix, 0, "anchor")


@BACKENDS
def test_without_steps_momentum_drifts_on_alone(backend: Backend) -> None:
    case = Case(length=7, chunk_size=3)
    inputs, state = draw_inputs(case), draw_state(case, 1)
    still = {name: torch.zeros_like(inputs["lr"]) for name in ("lr", "decay")}  # type: ignore[arg-type]
    momentum = torch.full_like(still["lr"], 0.5)
    _, after = scan({**inputs, **still, "momentum": momentum}, state, case.rule, 3, backend)
    for before, drift, now, rest in zip(state.weights, state.momentum, after.weights, after.momentum, strict=True):
        assert_close(rest, 0.5**7 * drift, 1e-13, "momentum")
        assert_close(now, before + (1 - 0.5**7) * drift, 1e-13, "weights")


@BACKENDS
def test_full_decay_clears_the_memory(backend: Backend) -> None:
    """Without momentum, decay_t = 1 forgets all: what follows does not depend on what came before."""
    case = Case(MemoryRule(algorithm=GradientDescent()), length=9, chunk_size=1)
    inputs = draw_inputs(case)
    decay = inputs["decay"]
    assert decay is not None
    decay[:, 4] = 1
    inputs["lr"][:, 4] = 0  # type: ignore[index]
    for start in (None, 0):
        y, after = scan(inputs, draw_state(case, start), case.rule, 1, backend, tokens=slice(0, 5))
        assert all((w == 0).all() for w in after.weights)
        assert_close(y[:, 4], inputs["q"][:, 4], 0, "a cleared residual memory")  # type: ignore[index]


@BACKENDS
def test_no_steps_and_no_decay_leave_the_memory_alone(backend: Backend) -> None:
    case = Case(MemoryRule(retention=NoRetention(), algorithm=GradientDescent()), length=9)
    inputs, state = draw_inputs(case), draw_state(case, 2)
    inputs["lr"] = torch.zeros_like(inputs["lr"])  # type: ignore[arg-type]
    _, after = scan(inputs, state, case.rule, 4, backend)
    for before, now, past, rest in zip(state.weights, after.weights, state.momentum, after.momentum, strict=True):
        assert_close(now, before, 0, "weights")
        assert_close(rest, past, 0, "momentum that this algorithm does not use")
