"""Packed documents and padded rows are what each is alone: every layer and block, outputs, gradients and states."""

import itertools
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.tolerances import assert_close
from titans_seq.blocks import LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.layers import AttentionConfig, CausalAttention, NeuralMemory, NeuralMemoryConfig
from titans_seq.layers.row_state import Ragged
from titans_seq.memory import LinearMemory, MemoryRule, preset
from titans_seq.models import Backbone

DIM = 8
MEMORY = NeuralMemoryConfig(heads=2, chunk_size=4, rule=MemoryRule(LinearMemory()), persistent_tokens=3)
ATLAS = NeuralMemoryConfig(
    heads=2,
    chunk_size=4,
    rule=replace(preset("atlas"), architecture=LinearMemory()),
    values_ahead=True,
    convolves="context",
    slow_weights=True,
)
WINDOW = AttentionConfig(heads=2, window=5, persistent_tokens=2)
AHEAD = replace(MEMORY, persistent_tokens=0, values_ahead=True, convolves="context", slow_weights=True)
MAC = MACConfig(AHEAD, heads=2, segment=6, persistent_tokens=2)
BLOCKS = (LMMConfig(MEMORY), MAGConfig(WINDOW, MEMORY), MALConfig(MEMORY, WINDOW), MAC)
MODULES: dict[str, Callable[[], nn.Module]] = {
    "memory": lambda: NeuralMemory(ATLAS, DIM),  # with a window of tokens that are written again
    "attention": lambda: CausalAttention(AttentionConfig(heads=2, window=None), DIM),
    "backbone": lambda: Backbone([config.build(DIM) for config in BLOCKS], DIM),
}
LENGTHS = (1, 4, 13, 6, 13, 2, 8)
BORDERS = torch.tensor([0, *itertools.accumulate(LENGTHS)])


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return MODULES[request.param]().double()


def documents(seed: int = 1, lengths: tuple[int, ...] = LENGTHS) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, length, DIM, dtype=torch.float64, generator=generator) for length in lengths]


def gradients(module: nn.Module, outputs: Tensor) -> list[Tensor]:
    weight = torch.randn(outputs.shape, dtype=outputs.dtype, generator=torch.Generator().manual_seed(2))
    loss = (outputs * weight).sum()
    return list(torch.autograd.grad(loss, list(module.parameters()), allow_unused=True, materialize_grads=True))


def test_packed_documents_are_each_document_alone(module: nn.Module) -> None:
    parts = documents()
    alone = [module(x) for x in parts]
    expected = torch.cat([y for y, _ in alone], 1)
    theirs = gradients(module, expected)
    everything: list[int] = list(range(len(parts)))
    wants: tuple[tuple[Any, list[int]], ...] = ((False, []), (True, everything), ([6, 0, 2], [6, 0, 2]))
    for wanted, asked in wants:
        packed, after = module(torch.cat(parts, 1), cu_seqlens=BORDERS, return_state=wanted)
        assert_close(packed, expected, 1e-10)
        for one, other in zip(gradients(module, packed), theirs, strict=True):
            assert_close(one, other, 1e-9)
        if not asked:
            assert after is None
            continue
        # They go on, each by itself or all at once.
        more = documents(3, (5,) * len(asked))
        further = [module(x, alone[document][1])[0] for x, document in zip(more, asked, strict=True)]
        y, again = module(torch.cat(more), after)
        assert_close(y, torch.cat(further), 1e-10)
        y, _ = module(torch.cat(more)[:, :1], again)
        assert y.isfinite().all()


@pytest.mark.parametrize("side", ["left", "holes"])
@torch.no_grad()
def test_a_padded_batch_is_each_row_alone(module: nn.Module, side: str) -> None:
    parts = documents()
    generator, longest = torch.Generator().manual_seed(4), max(LENGTHS)
    mask = torch.zeros(len(parts), longest, dtype=torch.long)
    for row, length in zip(mask, LENGTHS, strict=True):
        places = torch.randperm(longest, generator=generator) if side == "holes" else torch.arange(longest)
        row[places[-length:]] = 1
    x = 9 * torch.randn(*mask.shape, DIM, dtype=torch.float64, generator=generator)
    x[mask.bool()] = torch.cat(parts, 1)[0]
    alone = [module(part) for part in parts]
    y, state = module(x, attention_mask=mask)
    assert_close(y[mask.bool()], torch.cat([y for y, _ in alone], 1)[0], 1e-10)
    assert not y[~mask.bool()].any()
    # Decoding, and a second piece that is padded in another way.
    new = torch.cat(documents(5, (2,) * len(parts)))
    mask = torch.tensor([[1, 1], [0, 1], [1, 0], [0, 0], [1, 1], [0, 1], [1, 1]])
    states = [before for _, before in alone]
    for step, seen in ((new[:, :1], None), (new, mask), (new[:, 1:], None)):
        y, state = module(step, state, attention_mask=seen)
        for row, before in enumerate(states):
            some = step[row : row + 1] if seen is None else step[row, seen[row].bool()][None]
            if some.shape[1]:
                expected, states[row] = module(some, before)
                kept = slice(None) if seen is None else seen[row].bool()
                assert_close(y[row, kept][None], expected, 1e-10)


def test_rows_of_a_state_are_beams_and_new_rows(module: nn.Module) -> None:
    parts = documents()
    _, state = module(torch.cat(parts, 1), cu_seqlens=BORDERS)
    new = torch.cat(documents(6, (3,) * 4))
    y, _ = module(new, state.rows([2, 2, -1, 5]))
    for row, before in enumerate((2, 2, None, 5)):
        start = None if before is None else module(parts[before])[1]
        assert_close(y[row : row + 1], module(new[row : row + 1], start)[0], 1e-10)
    in_step, _ = module(new, state.rows([2, 4, 4, 2]))
    assert_close(in_step[:1], module(new[:1], module(parts[2])[1])[0], 1e-10)
    copied = state.rows([0, 0]).rows([1])
    assert not [part for part in copied_groups(copied) if isinstance(part, Ragged)]


def test_a_document_goes_on_beside_new_ones(module: nn.Module) -> None:
    parts = documents()
    # Cut where chunks and segments begin, so that the rest may run in one batch with those.
    _, state = module(parts[2][:, :12])
    alone = [module(parts[2][:, 12:], state)[0], *(module(part)[0] for part in parts[3:])]
    rest = torch.cat([parts[2][:, 12:], *parts[3:]], 1)
    borders = torch.tensor([0, *itertools.accumulate([LENGTHS[2] - 12, *LENGTHS[3:]])])
    y, _ = module(rest, state.rows([0, *[-1] * len(parts[3:])]), cu_seqlens=borders)
    assert_close(y, torch.cat(alone, 1), 1e-10)


def copied_groups(state: Any) -> list[Any]:
    parts = state if isinstance(state, tuple) else getattr(state, "blocks", (state,))
    return [leaf for part in parts for leaf in (part if isinstance(part, tuple) else (part,))]


def test_rows_in_step_are_one_batch_again() -> None:
    torch.manual_seed(0)
    layer = NeuralMemory(MEMORY, DIM).double()
    _, state = layer(torch.cat(documents(), 1), cu_seqlens=BORDERS)
    assert isinstance(state, Ragged)
    # 3 persistent tokens and a chunk of 4: places 0, 3, 0, 1, 0, 1, 3.
    assert sorted(state.members) == [(0, 2, 4), (1, 6), (3, 5)]
    assert state.batch == 7


def test_documents_without_tokens() -> None:
    torch.manual_seed(0)
    layer = NeuralMemory(MEMORY, DIM).double()
    (x,) = documents(1, (5,))
    y, state = layer(x, cu_seqlens=torch.tensor([0, 0, 5, 5]))
    assert_close(y, layer(x)[0], 1e-12)
    more = torch.cat(documents(2, (4, 4, 4)))
    y, _ = layer(more, state)
    assert_close(y[:1], layer(more[:1])[0], 1e-12)
    assert_close(y[1:2], layer(more[1:2], layer(x)[1])[0], 1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"cu_seqlens": torch.tensor([0, 3])},
            "cu_seqlens must be [documents + 1] and rise from 0 to the 5 tokens, got [0, 3]",
        ),
        (
            {"cu_seqlens": torch.tensor([0, 4, 3, 5])},
            "cu_seqlens must be [documents + 1] and rise from 0 to the 5 tokens",
        ),
        ({"cu_seqlens": torch.tensor([0, 5]), "return_state": [1]}, "return_state must name documents of 0 .. 0"),
        ({"attention_mask": torch.ones(1, 4)}, "attention_mask must be (1, 5) as the tokens, got (1, 4)"),
        ({"attention_mask": torch.zeros(1, 5)}, "attention_mask shows no token at all"),
        ({"attention_mask": torch.tensor([[0, 1, 1, 2, 2]])}, "attention_mask must be 1 at tokens and 0 at padding"),
        ({"attention_mask": torch.tensor([[-torch.inf, 0, 0, 0, 0]])}, "attention_mask must be 1 at tokens"),
        ({"cu_seqlens": torch.tensor([0.0, 5.0])}, "cu_seqlens must be whole numbers, got torch.float32"),
        ({"attention_mask": torch.ones(1, 5), "cu_seqlens": torch.tensor([0, 5])}, "not both"),
    ],
)
def test_messages(arguments: dict[str, Any], message: str) -> None:
    for layer in (NeuralMemory(MEMORY, DIM), MALConfig(MEMORY, WINDOW).build(DIM)):
        with pytest.raises(ValueError, match=re.escape(message)):
            layer(torch.zeros(1, 5, DIM), **arguments)


def test_more_messages() -> None:
    layer = NeuralMemory(MEMORY, DIM)
    with pytest.raises(ValueError, match="lie behind each other in one row"):
        layer(torch.zeros(2, 5, DIM), cu_seqlens=torch.tensor([0, 5]))
    _, state = layer(torch.zeros(2, 5, DIM))
    with pytest.raises(ValueError, match="the state is of 2 rows, got 3 documents"):
        layer(torch.zeros(1, 5, DIM), state, cu_seqlens=torch.tensor([0, 1, 2, 5]))
    with pytest.raises(ValueError, match=re.escape("rows must be of 0 .. 1, or -1 for a new one, got [2]")):
        state.rows([2])


def test_states_that_are_wanted_are_those_of_a_mask_without_padding_too() -> None:
    layer = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4), 8).double()
    x = torch.randn(2, 5, 8, dtype=torch.float64)
    _, after = layer(x, attention_mask=torch.ones(2, 5), return_state=[1])
    _, alone = layer(x[1:])
    assert after.batch == 1
    assert_close(after.memory.weights[-1], alone.memory.weights[-1])


def test_one_graph_is_refused_where_documents_are_packed() -> None:
    layer = CausalAttention(WINDOW, DIM)
    torch.compiler.reset()
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    with pytest.raises(Exception, match="depends on their borders: leave fullgraph out"):
        compiled(torch.randn(1, 10, DIM), cu_seqlens=torch.tensor([0, 3, 10]))
