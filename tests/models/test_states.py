"""States are values that PyTorch knows: moved, copied, saved, exported; and a foreign one is refused in a sentence."""

import copy
import io
from pathlib import Path

import pytest
import torch
from torch.utils import _pytree as pytree

from tests.conformance import tensors_of
from titans_seq.blocks import AttentionBlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.layers import AttentionConfig, NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule
from titans_seq.models import BackboneState, CausalLM, CausalLMConfig, load_state, save_state

MEMORY = NeuralMemoryConfig(heads=2, chunk_size=4, rule=MemoryRule(LinearMemory()))
ATTENTION = AttentionConfig(heads=2, window=5)
BLOCKS = (
    LMMConfig(MEMORY),
    MAGConfig(ATTENTION, MEMORY),
    MALConfig(MEMORY, ATTENTION),
    MACConfig(MEMORY, heads=2, segment=6),
    AttentionBlockConfig(ATTENTION),
)


def model(*blocks: object) -> CausalLM:
    torch.manual_seed(0)
    used = blocks or BLOCKS
    return CausalLM(CausalLMConfig(11, 8, used, len(used)))  # type: ignore[arg-type]


IDS = torch.randint(11, (2, 9), generator=torch.Generator().manual_seed(1))
NEXT = torch.randint(11, (2, 3), generator=torch.Generator().manual_seed(2))


def after(lm: CausalLM, *, ragged: bool = False) -> BackboneState:
    mask = torch.ones_like(IDS)
    mask[1, :2] = 0
    _, state = lm(IDS, attention_mask=mask if ragged else None)
    assert state is not None
    return state


@pytest.mark.parametrize("ragged", [False, True])
def test_a_state_is_a_tree_of_tensors_and_goes_on_after_a_copy_or_a_file(tmp_path: Path, ragged: bool) -> None:
    lm = model()
    state = after(lm, ragged=ragged)
    leaves, spec = pytree.tree_flatten(state)
    assert len(leaves) >= len(tensors_of(state))
    assert all(isinstance(leaf, torch.Tensor) for leaf in leaves if leaf is not None)
    expected, _ = lm(NEXT, state)
    buffer = io.BytesIO()
    torch.save(state.detach(), buffer)
    buffer.seek(0)
    save_state(state, tmp_path / "state.safetensors", model=lm)
    for again in (
        pytree.tree_unflatten(leaves, spec),
        copy.deepcopy(state),
        state.to("cpu"),
        state.to(torch.float64).to("cpu", torch.float32),
        torch.load(buffer, weights_only=True),  # noqa: TID251 - what a user may do
        load_state(tmp_path / "state.safetensors", lm).state,
    ):
        assert torch.equal(lm(NEXT, again)[0], expected)


def test_a_copy_keeps_its_gradients_and_detach_cuts_them() -> None:
    lm = model()
    state = after(lm)
    assert any(tensor.requires_grad for tensor in tensors_of(copy.deepcopy(state)).values())
    assert not any(tensor.requires_grad for tensor in tensors_of(state.detach()).values())


@pytest.mark.parametrize("ragged", [False, True])
def test_a_detached_state_stays_as_it_is_when_an_optimiser_changes_the_model(ragged: bool) -> None:
    lm = model().double()
    ids = IDS[:, :5]  # MAC's first segment is not full
    mask = torch.tensor([[1] * 5, [0] * 2 + [1] * 3]) if ragged else None
    state = lm(ids, attention_mask=mask)[1].detach()
    kept = copy.deepcopy(state)
    with torch.no_grad():
        for parameter in lm.parameters():
            parameter.mul_(1.5)
    assert torch.equal(lm(NEXT, state)[0], lm(NEXT, kept)[0])


def test_a_memory_stays_in_float32_when_its_state_is_moved_to_half_precision() -> None:
    lm = model().bfloat16()
    state = after(lm)
    moved = tensors_of(after(model()).to(torch.bfloat16))
    assert {name: tensor.dtype for name, tensor in moved.items()} == {
        name: tensor.dtype for name, tensor in tensors_of(state).items()
    }


@pytest.mark.parametrize(("strict", "carried"), [(True, True), (False, False)])
def test_a_layer_with_its_state_is_exported(strict: bool, carried: bool) -> None:
    torch.manual_seed(0)
    layer, x = NeuralMemory(MEMORY, 8).eval(), torch.randn(2, 6, 8)
    _, state = layer(x)
    state = state.detach()
    arguments = (x, state) if carried else (x,)
    exported = torch.export.export(layer, arguments, strict=strict).module()
    y, new = exported(*arguments)
    expected, expected_state = layer(*arguments)
    torch.testing.assert_close(y, expected)
    assert new.memory.position == expected_state.memory.position


@pytest.mark.parametrize(
    ("block", "other", "message"),
    [
        (BLOCKS[0], BLOCKS[3], "expected the MACState of this layer, got a NeuralMemoryState of another model"),
        (BLOCKS[1], BLOCKS[0], "expected the NeuralMemoryState of this layer, got a tuple of another model"),
        (BLOCKS[0], BLOCKS[1], "expected the pair of states of MAG, got a NeuralMemoryState of another model"),
        (BLOCKS[0], BLOCKS[2], "expected the pair of states of MAL, got a NeuralMemoryState of another model"),
        (BLOCKS[1], BLOCKS[2], "expected the NeuralMemoryState of this layer, got a AttentionState of another model"),
        (
            BLOCKS[4],
            AttentionBlockConfig(AttentionConfig(heads=4)),
            r"keys is \(2, 2, 4, 4\), expected \(2, 4, None, 2\)",
        ),
    ],
)
def test_the_state_of_another_model_is_refused(block: object, other: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        model(other)(NEXT, after(model(block)))


@pytest.mark.parametrize("block", BLOCKS)
def test_a_state_of_another_batch_or_dtype_is_refused(block: object) -> None:
    lm = model(block)
    state = after(lm)
    with pytest.raises(ValueError, match="the state is of 2 rows and the input of 1: pick rows with state.rows"):
        lm(NEXT[:1], state)
    with pytest.raises(ValueError, match=r"the state is torch.float32 and the input torch.bfloat16: convert it"):
        lm.bfloat16()(NEXT, state)
    assert lm(NEXT, state.to(torch.bfloat16))[0].dtype == torch.bfloat16


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(ValueError, match="expected the BackboneState of this model, got a tuple"):
        model()(NEXT, after(model()).blocks)  # type: ignore[arg-type]
