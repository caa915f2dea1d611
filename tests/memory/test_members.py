"""Each member of an axis by itself: what it computes, at the ends too, and what it refuses."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.tolerances import assert_close
from titans_seq.memory import (
    L2,
    Bias,
    ChannelDecay,
    ConstantDecay,
    DotProduct,
    ElasticNet,
    GatedMLPMemory,
    GradientDescent,
    Huber,
    ImplicitGradientDescent,
    LinearMemory,
    Lp,
    LqNormalisation,
    MemoryRule,
    MemoryState,
    MLPMemory,
    Momentum,
    Muon,
    NoRetention,
    Retention,
    RowNormalisation,
    SlidingWindow,
    SoftmaxRetention,
    WeightDecay,
    preset,
)
from titans_seq.memory.algorithm import orthogonalised
from titans_seq.memory.retention import Over
from titans_seq.ops import memory_scan
from titans_seq.registry import register


@dataclass(frozen=True)
class LogCosh(Bias):
    """A member that gives nothing but its loss."""

    def loss(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        return (prediction - target).cosh().log().sum(-1)


@register("tenth_of_l2")
@dataclass(frozen=True)
class Tenth(L2):
    """A member derived from another one."""

    def loss(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        return 0.1 * super().loss(prediction, target, threshold)

    def error(self, prediction: Tensor, target: Tensor, threshold: Tensor | None) -> Tensor:
        return 0.1 * super().error(prediction, target, threshold)


BIASES = [
    L2(),
    DotProduct(),
    Lp(1),
    Lp(1.5),
    Lp(2),
    Lp(3),
    Lp(4, eps=1e-3),
    LogCosh(),
    *(Huber(form, delta) for form in ("coordinate", "norm", "switch") for delta in (None, 1.5)),
]


def tensor(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def threshold_of(bias: Bias, threshold: Tensor) -> Tensor | None:
    return threshold if bias.gated else None


@pytest.mark.parametrize("bias", BIASES, ids=repr)
def test_error_and_its_derivative_are_autograds(bias: Bias) -> None:
    torch.manual_seed(0)
    prediction, target, gradient = torch.randn(3, 20, 4, dtype=torch.float64)
    threshold = 0.3 + 3 * torch.rand(20, 1, dtype=torch.float64)  # residuals are on both sides, and none is on it
    leaves = [prediction.requires_grad_(), target.requires_grad_()]
    if bias.gated:
        leaves.append(threshold.requires_grad_())
    given = threshold_of(bias, threshold)
    loss = bias.loss(prediction, target, given)
    assert loss.shape == (20,)
    (expected,) = torch.autograd.grad(loss.sum(), prediction)
    error = bias.error(prediction, target, given)
    assert_close(error, expected, 1e-13, "error")

    pulled = bias.error_backward(prediction, target, given, gradient)
    by_autograd = torch.autograd.grad(error, leaves, gradient, materialize_grads=True)
    for mine, theirs in zip(pulled, by_autograd, strict=False):
        assert mine is not None
        assert_close(mine, theirs, 1e-13, "error_backward")
    assert bias.gated == (pulled[2] is not None)


@pytest.mark.parametrize("form", ["coordinate", "norm", "switch"])
def test_a_threshold_moves_what_lies_beyond_it(form: str) -> None:
    """The gradient of the threshold is not the zero that a comparison with autograd alone could hide."""
    bias = Huber(form)  # type: ignore[arg-type]
    gradient = torch.ones(2, 2, dtype=torch.float64)
    r = torch.tensor([[0.1, 0.1], [3.0, 4.0]], dtype=torch.float64)
    _, _, moved = bias.error_backward(r, torch.zeros_like(r), torch.ones(2, 1, dtype=torch.float64), gradient)
    assert moved is not None
    per_delta = {"coordinate": 2.0, "norm": 1.4, "switch": 2.0}[form]
    assert_close(moved, tensor(0, per_delta).unsqueeze(-1), 1e-6)


# Kinks included: whatever value is chosen there must be a number.
@pytest.mark.parametrize("residual", [(0.0, 0.0, 0.0), (1e3, -1e3, 1e3), (0.0, 1e3, -1.0), (1e-30, 0.0, -1e-30)])
@pytest.mark.parametrize("bias", [b for b in BIASES if not isinstance(b, LogCosh)], ids=repr)
def test_float32_stays_finite(bias: Bias, residual: tuple[float, ...]) -> None:
    r = torch.tensor([residual])
    threshold = threshold_of(bias, torch.ones(1, 1))
    found = [bias.loss(r, torch.zeros_like(r), threshold), bias.error(r, torch.zeros_like(r), threshold)]
    found += [
        x for x in bias.error_backward(r, torch.zeros_like(r), threshold, torch.ones_like(r)) if isinstance(x, Tensor)
    ]
    assert all(x.isfinite().all() and x.dtype == torch.float32 for x in found)


@pytest.mark.parametrize(
    ("bias", "residual", "loss", "error"),
    [
        (L2(), (3, -4), 12.5, (3, -4)),
        (Lp(1), (3, -4), 7, (1, -1)),
        (Lp(2), (3, -4), 25, (6, -8)),
        (Lp(3), (3, -4), 91, (27, -48)),
        (Huber("coordinate", 1.0), (0.5, -3), 2.625, (0.5, -1)),
        (Huber("norm", 1.0), (0.3, -0.4), 0.125, (0.3, -0.4)),
        (Huber("norm", 1.0), (3, -4), 4.5, (0.6, -0.8)),
        (Huber("switch", 2.0), (3, -4), 14, (2, -2)),
        (Huber("switch", 5.5), (3, -4), 12.5, (3, -4)),
    ],
    ids=repr,
)
def test_hand_values(bias: Bias, residual: tuple[float, ...], loss: float, error: tuple[float, ...]) -> None:
    target = tensor(1, -2)
    prediction = tensor(*residual) + target
    # The smoothing of |r| with 1e-6 is all that is in the way.
    assert_close(bias.loss(prediction, target, None), torch.tensor(loss, dtype=torch.float64), 1e-6)
    assert_close(bias.error(prediction, target, None), tensor(*error), 1e-6)


def test_the_dot_product_never_looks_at_the_size_of_the_residual() -> None:
    prediction, target = tensor(3, 4), tensor(1, 2)
    assert DotProduct().loss(prediction, target, None) == -11
    assert torch.equal(DotProduct().error(prediction, target, None), -target)


@pytest.mark.parametrize("form", ["coordinate", "norm", "switch"])
def test_a_threshold_as_gate_is_the_same_as_a_constant_one(form: str) -> None:
    torch.manual_seed(0)
    prediction, target = torch.randn(2, 6, 3, dtype=torch.float64)
    constant, gated = Huber(form, 1.5), Huber(form)  # type: ignore[arg-type]
    gate = torch.full((6, 1), 1.5, dtype=torch.float64)
    assert torch.equal(gated.loss(prediction, target, gate), constant.loss(prediction, target, None))
    assert torch.equal(gated.error(prediction, target, gate), constant.error(prediction, target, None))


@pytest.mark.parametrize("method", ["loss", "error"])
def test_a_huber_loss_without_delta_needs_its_gate(method: str) -> None:
    with pytest.raises(ValueError, match="this Huber loss needs the gate `threshold`, got None"):
        getattr(Huber(), method)(tensor(1), tensor(0), None)


def test_what_each_retention_reads() -> None:
    def flags(r: Retention) -> tuple[bool, bool, bool, bool]:
        return r.gated, r.per_channel, r.before_gradient, r.linear

    assert flags(NoRetention()) == (False, False, False, True)
    assert flags(WeightDecay()) == (True, False, False, True)
    assert flags(WeightDecay(before_gradient=True)) == (True, False, True, True)
    assert flags(ChannelDecay()) == (True, True, False, True)
    assert flags(ConstantDecay(before_gradient=True)) == (False, False, True, True)
    for settling in (LqNormalisation, SoftmaxRetention, ElasticNet):
        assert flags(settling()) == (True, False, False, False)
        assert flags(settling(NoRetention())) == (False, False, False, False)
        assert flags(settling(ChannelDecay())) == (True, True, False, False)
    assert flags(RowNormalisation()) == (False, False, False, False)
    assert flags(ElasticNet(WeightDecay(before_gradient=True))) == (True, False, True, False)


def test_the_share_kept() -> None:
    decay = tensor(0.0, 0.25, 1.0)
    kept = tensor(1.0, 0.75, 0.0)
    for retention in (WeightDecay(), ChannelDecay(), LqNormalisation(), SoftmaxRetention(), ElasticNet()):
        assert torch.equal(retention.keep(decay, decay), kept)
        with pytest.raises(ValueError, match="decay needs the gate `decay`, got None"):
            retention.keep(None, decay)
    for retention in (NoRetention(), RowNormalisation(), ElasticNet(NoRetention())):
        assert torch.equal(retention.keep(None, decay), torch.ones_like(decay))


def test_constant_decay_is_retnets_unless_told_otherwise() -> None:
    like = torch.zeros(2, 3, 4, dtype=torch.float64)
    assert torch.equal(ConstantDecay().keep(None, like), tensor(31 / 32, 63 / 64, 127 / 128, 255 / 256).expand(2, 3, 4))
    assert torch.equal(ConstantDecay((0.5, 0.0, 1.0, 0.25)).keep(None, like)[1, 2], tensor(0.5, 0.0, 1.0, 0.25))
    with pytest.raises(ValueError, match="constant decay has shares for 2 heads, the memory has 4"):
        ConstantDecay((0.5, 0.5)).keep(None, like)


@pytest.mark.parametrize("over", ["matrix", "row"])
@pytest.mark.parametrize("q", [1, 1.5, 2, 2.5, 4])
def test_lq_weights_and_accumulated_are_inverse(q: float, over: Over) -> None:
    torch.manual_seed(0)
    a = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    retention = LqNormalisation(q=q, over=over)
    norm = torch.linalg.vector_norm(a, q, dim=(-2, -1) if over == "matrix" else -1, keepdim=True)
    assert_close(retention.weights(a), a / norm ** (q - 2), 1e-10)
    assert_close(retention.accumulated(retention.weights(a)), a, 1e-9)
    assert_close(retention.weights(retention.accumulated(a)), a, 1e-9)


def test_lq_of_2_is_no_normalisation_and_of_3_forgets_the_scale() -> None:
    torch.manual_seed(0)
    a = torch.randn(5, 4, dtype=torch.float64)
    assert torch.equal(LqNormalisation(q=2).weights(a), a)
    assert_close(LqNormalisation(q=3).weights(7 * a), LqNormalisation(q=3).weights(a), 1e-10)
    assert torch.equal(LqNormalisation(q=3).accumulated(a), a)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("method", ["weights", "accumulated"])
@pytest.mark.parametrize("retention", [LqNormalisation(), LqNormalisation(q=1, over="row"), LqNormalisation(q=1.5)])
def test_an_empty_lq_memory_stays_empty(retention: LqNormalisation, method: str, dtype: torch.dtype) -> None:
    zero = torch.zeros(3, 2, dtype=dtype, requires_grad=True)
    found = getattr(retention, method)(zero)
    assert torch.equal(found, torch.zeros_like(zero))
    (gradient,) = torch.autograd.grad(found.sum(), zero)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("mean", [1.0, 0.25])
def test_softmax_weights_are_positive_with_a_given_mean(mean: float) -> None:
    torch.manual_seed(0)
    logits = 3 * torch.randn(2, 5, 4, dtype=torch.float64)
    rows = SoftmaxRetention(over="row", mean=mean).weights(logits)
    whole = SoftmaxRetention(over="matrix", mean=mean).weights(logits)
    assert rows.min() > 0
    assert whole.min() > 0
    assert_close(rows.sum(-1), torch.full((2, 5), 4 * mean, dtype=torch.float64), 1e-14)
    assert_close(whole.sum((-2, -1)), torch.full((2,), 20 * mean, dtype=torch.float64), 1e-14)
    # What a softmax forgets: a constant per slice. And in a slice only ratios count.
    assert_close(SoftmaxRetention(mean=mean).weights(logits + torch.randn(2, 5, 1, dtype=torch.float64)), rows, 1e-13)
    assert_close(whole[:, 1] / whole[:, :1, 0], (logits[:, 1] - logits[:, :1, 0]).exp(), 1e-13)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_softmax_starts_from_logits_of_variance_1(scale: float) -> None:
    torch.manual_seed(0)
    drawn = scale * torch.randn(2, 50, 40, dtype=torch.float64)
    logits = SoftmaxRetention().accumulated(drawn)
    assert_close(logits.square().mean((-2, -1)), torch.ones(2, dtype=torch.float64), 1e-5)
    assert_close(logits[1] / logits[1, 0, 0], drawn[1] / drawn[1, 0, 0], 1e-12)


def test_elastic_net_moves_every_weight_towards_zero() -> None:
    weights = tensor(-2, -0.5, -0.1, 0, 0.1, 0.5, 2).requires_grad_()
    settled = ElasticNet(shrink=0.4).settle(weights, torch.zeros_like(weights))
    assert_close(settled, tensor(-1.6, -0.1, 0, 0, 0, 0.1, 1.6), 1e-15)
    (gradient,) = torch.autograd.grad(settled.sum(), weights)
    assert torch.equal(gradient, tensor(1, 1, 0, 0, 0, 1, 1))
    assert torch.equal(ElasticNet(shrink=0).settle(weights, weights), weights)


def test_row_normalisation_keeps_lengths_and_turns_directions() -> None:
    torch.manual_seed(0)
    start, stepped = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    settled = RowNormalisation().settle(stepped, start)
    assert_close(settled.norm(dim=-1), start.norm(dim=-1), 1e-11)
    assert_close(settled / settled.norm(dim=-1, keepdim=True), stepped / stepped.norm(dim=-1, keepdim=True), 1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_row_normalisation_of_zeros_stays_finite(dtype: torch.dtype) -> None:
    zero, row = torch.zeros(1, 3, dtype=dtype, requires_grad=True), torch.ones(1, 3, dtype=dtype)
    for settled in (RowNormalisation().settle(zero, row), RowNormalisation().settle(row, zero)):
        assert settled.norm() <= 1.0001e-6  # what the guard leaves of a row without length
        (gradient,) = torch.autograd.grad(settled.sum(), zero)
        assert gradient.isfinite().all()


@pytest.mark.parametrize("retention", [NoRetention(), WeightDecay(), ChannelDecay(), ConstantDecay()], ids=repr)
def test_a_linear_retention_leaves_weights_alone(retention: Retention) -> None:
    a, start = torch.randn(2, 3, 4)
    assert all(x is a for x in (retention.weights(a), retention.accumulated(a), retention.settle(a, start)))


def test_what_is_not_linear_acts_on_each_of_stacked_matrices() -> None:
    """W_gate and W_in of a gated memory are two matrices, stacked only to be multiplied in one go."""
    torch.manual_seed(0)
    stacked = torch.cat([torch.randn(2, 3, 4, dtype=torch.float64), 3 * torch.randn(2, 3, 4, dtype=torch.float64)], 1)
    retention = LqNormalisation()
    rule = MemoryRule(GatedMLPMemory(), retention=retention, algorithm=GradientDescent())
    upper, lower = stacked.tensor_split(2, 1)
    apart = torch.cat([retention.weights(upper), retention.weights(lower)], 1)
    assert_close(rule.weights(0, stacked), apart, 1e-14)
    assert_close(rule.weights(1, stacked), retention.weights(stacked), 1e-14)
    assert_close(rule.accumulated([apart, upper])[0], stacked, 1e-8)

    muon = MemoryRule(GatedMLPMemory(), retention=NoRetention(), algorithm=Muon())
    step = tensor(0.5, 0.25)
    closed, momentum = muon.close(0, torch.zeros_like(stacked), stacked, step, stacked)
    stepped = torch.cat([orthogonalised(upper), orthogonalised(lower)], 1) * step[:, None, None]
    assert_close(closed, stepped, 1e-14)
    assert torch.equal(momentum, stacked)


def test_layers_that_do_not_learn_keep_the_weights_they_were_given() -> None:
    weights = torch.randn(2, 1, 4, 4).unbind()
    rule = MemoryRule(MLPMemory(expansion=1, learns="last"), retention=SoftmaxRetention(), algorithm=GradientDescent())
    first, last = rule.accumulated(weights)
    assert first is weights[0]
    assert_close(last, SoftmaxRetention().accumulated(weights[1]))


def test_a_rule_is_linear_if_its_retention_and_its_algorithm_are() -> None:
    assert MemoryRule().linear
    assert not MemoryRule(retention=ElasticNet()).linear
    assert not MemoryRule(algorithm=Muon()).linear
    assert not MemoryRule(algorithm=SlidingWindow(Muon())).linear
    assert MemoryRule(algorithm=SlidingWindow(Momentum())).linear


def implicit(**choices: Any) -> MemoryRule:
    """Longhorn with other choices."""
    return replace(preset("longhorn"), **choices)


CLOSED_FORM = "an implicit step has a closed form only for a memory of one matrix without norm and the L2 bias, got "


def test_an_implicit_step_after_its_decay_ends_where_it_should() -> None:
    """With a step without end the memory maps the key to the value, however much was forgotten before."""
    rule = implicit(retention=WeightDecay(before_gradient=True))
    x = torch.tensor([1.0, 0.0], dtype=torch.float64).view(1, 1, 1, 2)
    gate, state = torch.full((1, 1, 1), 0.9, dtype=torch.float64), MemoryState.initial([x[0]])
    v = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    y, _ = memory_scan(x, x, v, lr=1e9 * gate, decay=gate, state=state, rule=rule, chunk_size=1)
    assert abs(y.item()) < 1e-8


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Lp(0.5), "an Lp loss needs a finite p of at least 1, got 0.5: below 1 it is not convex"),
        (lambda: Lp(math.inf), "an Lp loss needs a finite p of at least 1, got inf"),
        (lambda: Lp(eps=0), "eps must be above 0 and finite, got 0: without it the error jumps at zero"),
        (lambda: Huber(delta=0), "a Huber loss needs a finite delta above 0, got 0"),
        (lambda: Huber(delta=math.inf), "a Huber loss needs a finite delta above 0, got inf"),
        (lambda: ConstantDecay((0.5, 1.5)), "the shares kept must lie in [0, 1], one a head, got (0.5, 1.5)"),
        (lambda: ConstantDecay(()), "the shares kept must lie in [0, 1], one a head, got ()"),
        (lambda: ConstantDecay((math.nan,)), "the shares kept must lie in [0, 1], one a head, got (nan,)"),
        (lambda: LqNormalisation(q=0.5), "Lq normalisation needs a finite q of at least 1, got 0.5"),
        (lambda: LqNormalisation(q=math.inf), "Lq normalisation needs a finite q of at least 1, got inf"),
        (lambda: SoftmaxRetention(mean=0), "the mean weight must be above 0 and finite, got 0"),
        (lambda: ElasticNet(shrink=-1), "shrink must be at least 0 and finite, got -1"),
        (
            lambda: RowNormalisation(ElasticNet()),
            "the decay under RowNormalisation must be a linear retention, got ElasticNet(",
        ),
        (
            lambda: LqNormalisation(WeightDecay(before_gradient=True)),
            "LqNormalisation decays what it accumulates, not the weights at which gradients are taken: before_gradient "
            "has no meaning here; leave it out",
        ),
        (lambda: SoftmaxRetention(ConstantDecay(before_gradient=True)), "before_gradient has no meaning here"),
        (lambda: Muon(iterations=0), "iterations must be at least 1, got 0"),
        (lambda: Muon(iterations=2.5), "iterations must be a whole number of at least 1, got 2.5"),  # type: ignore
        (lambda: SlidingWindow(window=0), "window must be at least 1, got 0"),
        (
            lambda: SlidingWindow(SlidingWindow()),
            "windows do not nest: got SlidingWindow(base=Momentum(), window=4) as base; choose the larger window",
        ),
        (lambda: implicit(architecture=MLPMemory()), CLOSED_FORM),
        (lambda: implicit(architecture=MLPMemory(depth=1)), CLOSED_FORM),
        (lambda: implicit(bias=Lp(2)), CLOSED_FORM),
        (
            lambda: implicit(retention=RowNormalisation()),
            "decay must come before it, got RowNormalisation(decay=NoRetention()); use NoRetention() or WeightDecay(",
        ),
        (lambda: implicit(retention=WeightDecay()), "decay must come before it, got WeightDecay("),
        (lambda: Huber("cubic", 1.0), "form must be one of coordinate, norm, switch, got 'cubic'"),  # type: ignore
        (lambda: Huber(delta=math.nan), "a Huber loss needs a finite delta above 0, got nan"),
        (lambda: Muon("heavy"), "weigh must be one of step, token, got 'heavy'"),  # type: ignore[arg-type]
        (lambda: LqNormalisation(over="column"), "over must be one of matrix, row, got 'column'"),  # type: ignore
        (lambda: MLPMemory(learns="first"), "learns must be one of all, last, got 'first'"),  # type: ignore[arg-type]
        (
            lambda: MemoryRule(read="never"),  # type: ignore[arg-type]
            "read must be one of after_write, chunk_start, got 'never'",
        ),
        (lambda: MemoryRule("mlp"), "architecture must be an instance of Architecture, got 'mlp'"),  # type: ignore
        (lambda: MemoryRule(L2()), "architecture must be an instance of Architecture, got L2()"),  # type: ignore
        (lambda: MemoryRule(bias=L2), "bias must be an instance of Bias, got <class"),  # type: ignore[arg-type]
        (lambda: MemoryRule(bias=L2), "call it, L2()"),  # type: ignore[arg-type]
        (lambda: MemoryRule(retention=WeightDecay), "retention must be an instance of Retention"),  # type: ignore
        (lambda: LqNormalisation(decay="weight_decay"), "decay must be an instance of Retention"),  # type: ignore
        (lambda: SlidingWindow("momentum"), "base must be an instance of Algorithm, got 'momentum'"),  # type: ignore
        (lambda: ChannelDecay("no"), "before_gradient must be True or False, got 'no'"),  # type: ignore[arg-type]
        (lambda: MLPMemory(norm=1), "norm must be True or False, got 1"),  # type: ignore[arg-type]
        (
            lambda: MemoryRule(LinearMemory(), algorithm=SlidingWindow(ImplicitGradientDescent())),
            "an implicit step is over one token, not over a window: use GradientDescent() as base",
        ),
        (
            lambda: MemoryRule(retention=WeightDecay(before_gradient=True), algorithm=SlidingWindow()),
            "decay before the gradient would give a token another gradient at every step of its window: leave out "
            "before_gradient, or the window",
        ),
    ],
)
def test_what_has_no_meaning_is_refused_with_the_reason(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


def test_a_member_derived_from_another_is_itself_in_training_too() -> None:
    q, k, v = torch.randn(3, 1, 6, 2, 4, dtype=torch.float64).requires_grad_()
    gate = torch.full((1, 6, 2), 0.3, dtype=torch.float64)
    rule = MemoryRule(LinearMemory(), bias=Tenth())
    state = MemoryState.initial([torch.randn(2, 4, 4, dtype=torch.float64)])
    shared: dict[str, Any] = {"lr": gate, "momentum": gate, "decay": gate, "state": state, "rule": rule}
    outputs = [memory_scan(q, k, v, **shared, chunk_size=3, backend=name)[0] for name in ("chunked", "reference")]
    assert_close(outputs[0], outputs[1])
    with pytest.raises(ValueError, match="an implicit step has a closed form only"):
        MemoryRule(LinearMemory(), bias=Tenth(), retention=NoRetention(), algorithm=ImplicitGradientDescent())
