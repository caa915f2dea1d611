"""What a model has read, to a file and back."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.conformance import tensors_of
from titans_seq.blocks import AttentionBlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.errors import UserError
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import PRESETS
from titans_seq.models import CausalLM, CausalLMConfig
from titans_seq.models.state_file import load_state, save_state

MEMORY = NeuralMemoryConfig(heads=2, chunk_size=8, persistent_tokens=2)
ATTENTION = AttentionConfig(heads=2, window=8, persistent_tokens=2)
LMM, MAC = LMMConfig(MEMORY), MACConfig(MEMORY, heads=2, segment=16, persistent_tokens=2)
MAG, MAL, WINDOW = MAGConfig(ATTENTION, MEMORY), MALConfig(MEMORY, ATTENTION), AttentionBlockConfig(ATTENTION)

VARIANTS = {
    "lmm": (LMM,),
    "mac": (MAC,),
    "mag": (MAG,),
    "mal": (MAL,),
    "window": (WINDOW,),
    "hybrid": (MAC, WINDOW, LMM),
}
BLOCKS = VARIANTS | {
    **{f"lmm {name}": (LMMConfig(replace(MEMORY, rule=preset.rule)),) for name, preset in PRESETS.items()},
    "mac atlas": (replace(MAC, memory=replace(MEMORY, rule=PRESETS["atlas"].rule)),),
    "mac moneta": (replace(MAC, memory=replace(MEMORY, rule=PRESETS["moneta"].rule)),),
}


def small(blocks: tuple, seed: int = 0) -> CausalLM:
    torch.manual_seed(seed)
    return CausalLM(CausalLMConfig(vocabulary=30, dim=16, blocks=blocks, depth=max(2, len(blocks)))).eval()


def ids(count: int) -> torch.Tensor:
    return torch.randint(30, (1, count), generator=torch.Generator().manual_seed(5))


def saved(model: CausalLM, count: int, path: Path):
    with torch.inference_mode():
        _, state = model(ids(count))
    assert state is not None
    save_state(state, path, model=model, notes={"tokens": count})
    return state


@pytest.mark.parametrize(
    ("name", "count"), [*((name, count) for name in VARIANTS for count in (1, 16)), *((name, 21) for name in BLOCKS)]
)
def test_a_state_comes_back_exactly_and_goes_on_bit_for_bit(name: str, count: int, tmp_path: Path) -> None:
    """Inside the first chunk, at a chunk's and segment's border, and inside a later chunk."""
    model = small(BLOCKS[name])
    state = saved(model, count, tmp_path / "a.safetensors")
    back = load_state(tmp_path / "a.safetensors", model)
    assert back.notes == {"tokens": count}
    before, after = tensors_of(state), tensors_of(back.state)
    assert before.keys() == after.keys()
    for key in before:
        assert before[key].dtype == after[key].dtype
        assert torch.equal(before[key], after[key]), key
        assert _steps(before[key]) == _steps(after[key]), key
    with torch.inference_mode():
        for more in (ids(1), ids(20)):
            assert torch.equal(model(more, state)[0], model(more, back.state)[0])


def _steps(tensor: torch.Tensor) -> list[int]:
    """The axes longer than one, from the largest steps in memory to the smallest."""
    return sorted((axis for axis in range(tensor.ndim) if tensor.shape[axis] > 1), key=lambda a: -tensor.stride(a))


def test_a_damaged_order_of_axes_is_told(tmp_path: Path) -> None:
    model, path = small(BLOCKS["lmm"]), tmp_path / "a.safetensors"
    saved(model, 5, path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    metadata["state"] = re.sub(r'"order": \[[^]]*\]', '"order": [0, 0]', metadata["state"])
    save_file(load_file(path), path, metadata)
    with pytest.raises(UserError, match=r"damaged, .*the order \[0, 0\] is not one of 4 axes"):
        load_state(path, model)


def test_rows_that_began_later_stay_so(tmp_path: Path) -> None:
    from titans_seq.training.carry import reset_rows

    model = small(BLOCKS["window"])
    _, state = model(ids(8).expand(2, -1))
    state = reset_rows(model, state, torch.tensor([True, False]))
    assert state is not None
    save_state(state, tmp_path / "a.safetensors", model=model)
    back = load_state(tmp_path / "a.safetensors", model).state
    more = ids(4).expand(2, -1)
    assert torch.equal(model(more, state)[0], model(more, back)[0])


def test_the_state_of_a_narrower_type_keeps_it(tmp_path: Path) -> None:
    model = small(BLOCKS["mac"]).to(torch.bfloat16)
    state = saved(model, 21, tmp_path / "a.safetensors")
    back = load_state(tmp_path / "a.safetensors", model).state
    with torch.inference_mode():
        assert torch.equal(model(ids(4), state)[0], model(ids(4), back)[0])


def test_tensors_stand_under_their_paths(tmp_path: Path) -> None:
    saved(small(BLOCKS["lmm"]), 5, tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert "blocks.1.memory.weights.0" in file.keys()  # noqa: SIM118


def test_a_state_of_another_model_is_refused_with_what_differs(tmp_path: Path) -> None:
    model, path = small(BLOCKS["lmm"]), tmp_path / "a.safetensors"
    saved(model, 5, path)
    wider = small((replace(LMM, memory=replace(MEMORY, chunk_size=4)),))
    with pytest.raises(UserError, match=r"another model: blocks\.0\.memory\.chunk_size was 8, is 4: give the model"):
        load_state(path, wider)
    with pytest.raises(UserError, match=r"another model: blocks\.0 was lmm, is mac"):
        load_state(path, small(BLOCKS["mac"]))
    with pytest.raises(UserError, match="same configuration with other weights"):
        load_state(path, small(BLOCKS["lmm"], seed=1))
    many = CausalLM(replace(model.config, vocabulary=4, dim=8, depth=1, tied=False, blocks=(replace(LMM, hidden=8),)))
    with pytest.raises(UserError, match="vocabulary was 30, is 4; dim was 16, is 8"):
        load_state(path, many)


def test_what_is_no_saved_state_is_refused(tmp_path: Path) -> None:
    model = small(BLOCKS["lmm"])
    with pytest.raises(UserError, match=r"no saved state at .*none\.safetensors: there is no such file"):
        load_state(tmp_path / "none.safetensors", model)
    (tmp_path / "text.safetensors").write_text("not a state")
    with pytest.raises(UserError, match=r"text\.safetensors: damaged"):
        load_state(tmp_path / "text.safetensors", model)
    save_file({"w": torch.ones(2)}, tmp_path / "other.safetensors")
    with pytest.raises(UserError, match=r"other\.safetensors: not the saved state of a model"):
        load_state(tmp_path / "other.safetensors", model)


def test_a_state_with_a_tensor_missing_or_of_another_version_is_refused(tmp_path: Path) -> None:
    model, path = small(BLOCKS["lmm"]), tmp_path / "a.safetensors"
    saved(model, 5, path)
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    name = next(iter(tensors))
    save_file({key: tensor for key, tensor in tensors.items() if key != name}, path, metadata)
    with pytest.raises(UserError, match=r"damaged, .* restore it or read the document again"):
        load_state(path, model)
    save_file(tensors, path, metadata | {"version": "7"})
    with pytest.raises(UserError, match="format version 7, expected 1"):
        load_state(path, model)


def test_a_failed_write_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = small(BLOCKS["lmm"]), tmp_path / "a.safetensors"
    state = saved(model, 5, path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_state(state, path, model=model)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    saved(small(BLOCKS["lmm"]), 5, tmp_path / "a.safetensors")
    (tmp_path / "other").write_text("")
    assert (tmp_path / "a.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
