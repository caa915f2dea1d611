import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from titans_seq import __version__
from titans_seq.checkpoint import save_folder
from titans_seq.errors import UserError
from titans_seq.models import CausalLM, language_model
from titans_seq.models.packing import pack_state, unpack_state
from titans_seq.models.saving import load_model, save_model

VARIANTS = ("lmm", "mac", "mag", "mal", "transformer")


@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_a_saved_model_and_a_packed_state_go_on_as_before(tmp_path, variant):
    model = CausalLM(language_model(f"tiny-{variant}", vocabulary=12))
    save_model(tmp_path / "run" / "model", model, "# A model")
    ids = torch.randint(12, (2, 90))
    _, state = model(ids[:, :70])
    path = tmp_path / "state.pt"
    torch.save(pack_state(state), path)
    packed = torch.load(path, weights_only=True)  # noqa: TID251 - plain values and tensors, as a checkpoint holds them
    for folder in ("run", "run/model"):
        y, _ = load_model(tmp_path / folder)(ids[:, 70:], unpack_state(packed))
        assert torch.equal(y, model(ids[:, 70:], state)[0])


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_a_model_keeps_its_dtype(tmp_path, dtype):
    model = CausalLM(language_model("tiny-mac", vocabulary=12)).to(dtype)
    save_model(tmp_path / "model", model, "# A model")
    again = load_model(tmp_path / "model").state_dict()
    for name, tensor in model.state_dict().items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor)


def test_what_is_no_language_model_is_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        load_model(tmp_path / "nowhere")
    save_folder(tmp_path / "other", {"forecast": {}}, {"w": torch.ones(1)}, "# Another")
    with pytest.raises(UserError, match="not of a language model"):
        load_model(tmp_path / "other")


def test_damage_is_named_by_file(tmp_path):
    folder = tmp_path / "model"
    save_model(folder, CausalLM(language_model("tiny-lmm", vocabulary=12)), "# A model")
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("depth: 4", "depth: 3"))
    with pytest.raises(UserError, match="weights.safetensors: not the weights of the model"):
        load_model(folder)
    (folder / "config.yaml").write_text(text.replace("depth: 4", "depth: many"))
    with pytest.raises(UserError, match="config.yaml: depth: expected a whole number"):
        load_model(folder)


def test_a_value_of_another_class_is_no_state():
    with pytest.raises(TypeError, match="PosixPath"):
        pack_state(Path())
    with pytest.raises(ValueError, match="'Rogue'"):
        unpack_state({"class": "Rogue"})


def test_weights_of_another_chunk_size_or_segment_are_refused():
    config = language_model("tiny-mac", vocabulary=12)
    model = CausalLM(config)
    block: Any = config.blocks[0]
    other = CausalLM(replace(config, blocks=(replace(block, memory=replace(block.memory, chunk_size=16), segment=32),)))
    with pytest.raises(RuntimeError, match="(?s)chunk_size was 16, is 32: build the layer.*segment was 32, is 64"):
        model.load_state_dict(copy.deepcopy(other.state_dict()), strict=False)
    model.load_state_dict(dict(other.state_dict()))
    # Where gates start has no meaning to weights that have learned, nor who computes them.
    gates = replace(block.memory.gates, lr_bias=1.0)
    same = replace(config, blocks=(replace(block, memory=replace(block.memory, gates=gates, backend="reference")),))
    model.load_state_dict(CausalLM(same).state_dict())


def test_a_folder_says_which_version_wrote_it(tmp_path):
    folder = tmp_path / "model"
    save_model(folder, CausalLM(language_model("tiny-lmm", vocabulary=12)), "# A model")
    text = (folder / "config.yaml").read_text()
    assert text.startswith(f"titans_seq: {__version__}\n")
    # An older folder has none, and loads.
    older = text.partition("\n")[2]
    (folder / "config.yaml").write_text(older)
    load_model(folder)
    (folder / "config.yaml").write_text("titans_seq: 0.0.9\n" + older.replace("slow_weights: true", ""))
    with pytest.raises(UserError, match=rf"written by titans-seq 0.0.9, read by {__version__}: restore"):
        load_model(folder)
    (folder / "config.yaml").write_text(f"titans_seq: 9.0.0\n{older}  speed: 0.1\n")
    with pytest.raises(UserError, match=r"speed: unknown field.*written by titans-seq 9.0.0"):
        load_model(folder)
