"""Every preset is its paper's model: outputs, final weights, and what learning to learn needs, the gradients."""

import functools
import json

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.memory import paper_models
from tests.memory.paper_models import MODELS, Head
from tests.tolerances import assert_all_close, assert_close
from titans_seq.config import from_dict, to_dict
from titans_seq.memory import PRESETS, MemoryRule, MemoryState, initial_weights, preset
from titans_seq.ops import memory_scan
from titans_seq.ops.dispatch import Backend

BATCH, HEADS = 2, 2
GATES = ("lr", "momentum", "decay", "threshold")
EXACT = ("linear_attention", "retnet", "gated_linear_attention")

BACKENDS = pytest.mark.parametrize("backend", ["reference", "chunked"])


def widths(rule: MemoryRule) -> tuple[int, int]:
    """Widths of keys and values, different where the memory admits it."""
    return (4, 4) if rule.architecture.residual else (4, 5)


@functools.cache
def draw(name: str, length: int) -> dict[str, Tensor]:
    """Draw q, k (unit length), v, the gates that the preset reads, and initial weights per layer `[H, out, in]`."""
    rule = preset(name)
    generator = torch.Generator().manual_seed(len(name))
    key_dim, value_dim = widths(rule)

    def normal(width: int) -> Tensor:
        return torch.randn(BATCH, length, HEADS, width, dtype=torch.float64, generator=generator)

    lr, momentum, decay, threshold = torch.rand(4, BATCH, length, HEADS, dtype=torch.float64, generator=generator)
    drawn = {
        "q": F.normalize(normal(key_dim), dim=-1),
        "k": F.normalize(normal(key_dim), dim=-1),
        "v": normal(value_dim),
        "lr": 0.3 * lr,
    }
    if rule.algorithm.gated:
        drawn["momentum"] = 0.9 * momentum
    if rule.retention.gated:
        # MEMORA's weights grow equal as they decay, and the LayerNorm then shows rounding errors alone.
        drawn["decay"] = 0.2 * decay
    if rule.bias.gated:
        drawn["threshold"] = 1.5 + 2 * threshold
    weights = initial_weights(rule.architecture, HEADS, key_dim, value_dim, generator)
    return drawn | {f"weights.{layer}": w.double() for layer, w in enumerate(weights)}


def split(leaves: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Separate what a sequence brings from the initial weights."""
    weights = [x for name, x in leaves.items() if name.startswith("weights")]
    return {name: x for name, x in leaves.items() if not name.startswith("weights")}, weights


def differentiated(leaves: dict[str, Tensor], y: Tensor, weights: list[Tensor]) -> dict[str, Tensor]:
    """Name outputs, final weights, and the gradients of a fixed random combination of them."""
    results = {"y": y} | {f"weights.{layer}": w for layer, w in enumerate(weights)}
    generator = torch.Generator().manual_seed(0)
    loss = torch.zeros((), dtype=torch.float64)
    for x in results.values():
        loss = loss + (x * torch.randn(x.shape, dtype=torch.float64, generator=generator)).sum()
    gradients = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
    found = results | {f"d {name}": g for name, g in zip(leaves, gradients, strict=True)}
    return {name: x.detach() for name, x in found.items()}


def heads_of(sequences: dict[str, Tensor]) -> list[list[Head]]:
    """Cut `[B, T, H, ...]` into the heads of every sequence; gates that are not there are empty."""
    none = sequences["q"].new_zeros(0)
    return [
        [
            Head(number=h, **{n: sequences[n][b, :, h] if n in sequences else none for n in ("q", "k", "v", *GATES)})
            for h in range(HEADS)
        ]
        for b in range(BATCH)
    ]


@functools.cache
def papers(name: str, chunk: int, length: int) -> dict[str, Tensor]:
    """Run the paper's model."""
    leaves = {n: x.clone().requires_grad_() for n, x in draw(name, length).items()}
    sequences, weights = split(leaves)
    ran = [
        [MODELS[name](head, [w[h] for w in weights], chunk) for h, head in enumerate(heads)]
        for heads in heads_of(sequences)
    ]
    y = torch.stack([torch.stack([y for y, _ in heads], 1) for heads in ran])
    after = [torch.stack([torch.stack([w[i] for _, w in heads]) for heads in ran]) for i in range(len(weights))]
    return differentiated(leaves, y, after)


def ours(name: str, chunk: int, length: int, backend: Backend) -> dict[str, Tensor]:
    """Run the preset."""
    rule = preset(name)
    leaves = {n: x.clone().requires_grad_() for n, x in draw(name, length).items()}
    sequences, weights = split(leaves)
    state = MemoryState.initial(rule.accumulated(weights))
    y, after = memory_scan(**sequences, state=state, rule=rule, chunk_size=chunk, backend=backend)  # type: ignore[arg-type]
    assert after is not None
    return differentiated(leaves, y, [rule.weights(layer, w) for layer, w in enumerate(after.weights)])


def compare(name: str, chunk: int, length: int, backend: Backend) -> None:
    """Assert that preset and paper agree; the papers of `EXACT` know no chunks."""
    mine, theirs = ours(name, chunk, length, backend), dict(papers(name, chunk, length))
    if name == "lact" and chunk == 1:
        # Orthogonalised, a single gradient has forgotten its step size: what is left of d lr are guards and rounding.
        assert max(mine.pop("d lr").abs().max(), theirs.pop("d lr").abs().max()) < 1e-5
    # A comparison of zeros would show nothing.
    assert all(x.abs().max() > 1e-3 for x in theirs.values())
    assert_all_close(mine, theirs)


@BACKENDS
@pytest.mark.parametrize("name", PRESETS)
def test_token_by_token_it_is_the_papers_recurrence(name: str, backend: Backend) -> None:
    compare(name, 1, 9, backend)


@BACKENDS
@pytest.mark.parametrize("chunk", [4, 16])
@pytest.mark.parametrize("name", EXACT)
def test_writes_that_never_look_are_exact_in_any_chunks(name: str, chunk: int, backend: Backend) -> None:
    compare(name, chunk, 21, backend)


@BACKENDS
@pytest.mark.parametrize("name", [name for name in PRESETS if name not in EXACT])
def test_in_chunks_gradients_are_taken_at_the_first_weights(name: str, backend: Backend) -> None:
    compare(name, 4, 9, backend)


@pytest.mark.parametrize("name", EXACT)
def test_the_parallel_form_of_attention_without_softmax(name: str) -> None:
    sequences, _ = split(draw(name, 21))
    rule = preset(name)
    shape = rule.architecture.shapes(*widths(rule))[0]
    empty = MemoryState.initial([torch.zeros(HEADS, *shape, dtype=torch.float64)])
    y, _ = memory_scan(**sequences, state=empty, rule=rule, chunk_size=8)  # type: ignore[arg-type]
    parallel = getattr(paper_models, f"{name}_parallel")
    assert_close(y, torch.stack([torch.stack([parallel(head) for head in heads], 1) for heads in heads_of(sequences)]))


def test_longhorns_step_solves_its_implicit_problem() -> None:
    sequences, weights = split(draw("longhorn", 9))
    _, after = memory_scan(**sequences, state=MemoryState.initial(weights), rule=preset("longhorn"), chunk_size=1)  # type: ignore[arg-type]
    assert after is not None
    for b, heads in enumerate(heads_of(sequences)):
        for h, head in enumerate(heads):
            (expected,) = paper_models.longhorn_implicit(head, [weights[0][h]])
            assert_close(after.weights[0][b, h], expected)


def test_lacts_rows_keep_the_lengths_they_were_born_with() -> None:
    start, found = draw("lact", 9), ours("lact", 4, 9, "chunked")
    for name in ("weights.0", "weights.1"):
        lengths = start[name].norm(dim=-1).expand(BATCH, -1, -1)
        assert not torch.equal(found[name], start[name].expand_as(found[name]))
        assert_close(found[name].norm(dim=-1), lengths)


def test_yaad_takes_both_branches() -> None:
    """The threshold matters where it is passed, and only there."""
    gradient = papers("yaad", 1, 9)["d threshold"]
    assert (gradient == 0).any()
    assert (gradient != 0).any()


def test_memoras_weights_are_positive_and_their_rows_sum_to_c() -> None:
    found = ours("memora", 1, 9, "chunked")
    for name in ("weights.0", "weights.1"):
        assert (found[name] > 0).all()
        assert_close(found[name].mean(-1), torch.ones_like(found[name][..., 0]))


def test_there_is_a_paper_for_every_preset() -> None:
    assert set(MODELS) == set(PRESETS)
    for known in PRESETS.values():
        assert known.equation
        assert known.paper.startswith("arXiv ")


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    names = ", ".join(PRESETS)
    with pytest.raises(ValueError, match=f"unknown memory 'nonsense': choose one of {names}"):
        preset("nonsense")


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_can_be_saved_and_be_a_key(name: str) -> None:
    rule = preset(name)
    assert from_dict(json.loads(json.dumps(to_dict(rule))), MemoryRule) == rule
    assert hash(from_dict(to_dict(rule), MemoryRule)) == hash(rule)


def test_no_two_presets_are_the_same_rule() -> None:
    assert len({known.rule for known in PRESETS.values()}) == len(PRESETS)
