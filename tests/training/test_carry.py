from dataclasses import replace

import pytest
import torch
from torch import Tensor

from titans_seq.blocks import AttentionBlockConfig, BlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.errors import UserError
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import PRESETS, MemoryRule, MLPMemory, preset
from titans_seq.models import CausalLM, CausalLMConfig, map_state
from titans_seq.training.carry import check_length, common_length, reset_rows

LENGTH, VOCABULARY = 16, 11
MEMORY = NeuralMemoryConfig(heads=2, chunk_size=8)
PERSISTENT = replace(MEMORY, persistent_tokens=3)
BLOCKS: dict[str, tuple[BlockConfig, ...]] = {
    "lmm": (LMMConfig(MEMORY),),
    "lmm, persistent tokens": (LMMConfig(PERSISTENT),),
    "lmm, more persistent tokens than a chunk": (LMMConfig(replace(MEMORY, persistent_tokens=13)),),
    "lmm, slow weights": (LMMConfig(replace(PERSISTENT, slow_weights=True)),),
    "lmm, values ahead": (
        LMMConfig(replace(PERSISTENT, values_ahead=True, convolves="context", slow_weights=True)),
        LMMConfig(replace(MEMORY, values_ahead=True, convolution=0)),
    ),
    "lmm, no convolution": (LMMConfig(replace(MEMORY, convolution=0)),),
    "mac": (MACConfig(MEMORY, 2, segment=8, persistent_tokens=2),),
    "mac, persistent tokens in the memory": (MACConfig(PERSISTENT, 2, segment=8),),
    "mag, window above the length": (MAGConfig(AttentionConfig(2, 40, 2), PERSISTENT),),
    "mag, window below the length": (MAGConfig(AttentionConfig(2, 5, 2), PERSISTENT),),
    "mal": (MALConfig(PERSISTENT, AttentionConfig(2, 23, 2)),),
    "window": (AttentionBlockConfig(AttentionConfig(2, 24, 2)),),
    "attention to everything": (AttentionBlockConfig(AttentionConfig(2, None)),),
    "hybrid": (MACConfig(MEMORY, 2, segment=16), AttentionBlockConfig(AttentionConfig(2, 20)), LMMConfig(PERSISTENT)),
}


def model_of(blocks: tuple[BlockConfig, ...]) -> CausalLM:
    torch.manual_seed(0)
    model = CausalLM(CausalLMConfig(VOCABULARY, 16, blocks, len(blocks)))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "fusion" in name or "initial" in name:
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def alone(model: CausalLM, document: Tensor) -> Tensor:
    return model(document.unsqueeze(0), return_state=False)[0][0]


def packed(model: CausalLM, rows: list[list[Tensor]]) -> list[list[Tensor]]:
    """Outputs of documents read one after the other in rows; each takes a whole number of pieces."""
    ids = torch.stack([torch.cat(documents) for documents in rows])
    starts = [torch.tensor([len(d) for d in documents]).cumsum(0) for documents in rows]
    state, outputs = None, []
    for begin in range(0, ids.shape[1], LENGTH):
        fresh = torch.tensor([begin == 0 or begin in ends.tolist() for ends in starts])
        logits, state = model(ids[:, begin : begin + LENGTH], reset_rows(model, state, fresh))
        state = map_state(state, Tensor.detach)
        outputs.append(logits)
    whole = torch.cat(outputs, 1)
    return [list(y.split([len(d) for d in documents])) for y, documents in zip(whole, rows, strict=True)]


@pytest.mark.parametrize("name", BLOCKS)
def test_packing_leaks_nothing(name):
    assert_packing_leaks_nothing(model_of(BLOCKS[name]), 1e-5)


@pytest.mark.parametrize("name", PRESETS)
def test_packing_leaks_nothing_whatever_the_memory(name):
    # In double precision, for Newton-Schulz and norms of narrow layers amplify rounding.
    model = model_of((LMMConfig(replace(PERSISTENT, rule=preset(name))),))
    assert_packing_leaks_nothing(model.double(), 1e-9)


@torch.no_grad()
def assert_packing_leaks_nothing(model: CausalLM, tolerance: float) -> None:
    lengths = [[3, 1, 2], [1, 1, 4], [6]]
    rows = [[torch.randint(VOCABULARY, (n * LENGTH,)) for n in row] for row in lengths]
    for documents, outputs in zip(rows, packed(model, rows), strict=True):
        for document, output in zip(documents, outputs, strict=True):
            torch.testing.assert_close(output, alone(model, document), atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("name", ["lmm, persistent tokens", "mac", "mag, window below the length", "mal", "features"])
def test_after_a_padded_batch_rows_are_reset_anywhere(name):
    features = LMMConfig(replace(MEMORY, rule=MemoryRule(MLPMemory(learns="last"))))
    model = model_of((BLOCKS | {"features": (features,)})[name]).double()
    first, second = torch.randint(VOCABULARY, (2, 3, LENGTH))
    mask = torch.ones(3, LENGTH).tril(10)  # 11, 12 and 13 tokens
    _, state = model(first, attention_mask=mask)
    state = map_state(state, Tensor.detach)
    logits, _ = model(second, reset_rows(model, state, torch.tensor([False, True, False])))
    torch.testing.assert_close(logits[1], alone(model, second[1]), atol=1e-9, rtol=1e-9)
    for row in (0, 2):
        whole = alone(model, torch.cat([first[row, mask[row].bool()], second[row]]))
        torch.testing.assert_close(logits[row], whole[-LENGTH:], atol=1e-9, rtol=1e-9)
    if name == "features":  # a layer that does not learn while reading is the model's, for old rows too
        fixed = dict(model.named_parameters())["backbone.blocks.0.mixer.initial.0"]
        assert torch.autograd.grad(logits[0].sum(), fixed, retain_graph=True)[0].abs().max() > 0
    logits.sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    everyone, _ = model(second, reset_rows(model, state, torch.ones(3, dtype=torch.bool)))
    torch.testing.assert_close(everyone, model(second)[0], atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("name", ["lmm, persistent tokens", "mac", "mag, window above the length", "mal"])
def test_a_reset_row_gives_the_gradients_of_a_new_sequence(name):
    model = model_of(BLOCKS[name]).double()
    first, second = torch.randint(VOCABULARY, (2, 2, LENGTH))
    _, state = model(first)
    state = map_state(state, Tensor.detach)
    logits, _ = model(second, reset_rows(model, state, torch.tensor([True, False])), return_state=False)
    names, parameters = zip(*model.named_parameters(), strict=True)
    weight = torch.randn_like(logits[0])
    got = torch.autograd.grad((logits[0] * weight).sum(), parameters, allow_unused=True)
    expected = torch.autograd.grad((alone(model, second[0]) * weight).sum(), parameters, allow_unused=True)
    for name, a, b in zip(names, got, expected, strict=True):
        assert (a is None) == (b is None) or b is None, name
        if b is not None:
            torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9, msg=name)


@pytest.mark.parametrize("name", ["mac", "mag, window above the length", "lmm, more persistent tokens than a chunk"])
def test_every_parameter_has_a_gradient_whether_or_not_a_row_is_fresh(name):
    # Otherwise DistributedDataParallel waits for gradients that never come.
    model = model_of(BLOCKS[name])
    _, state = model(torch.randint(VOCABULARY, (2, LENGTH)))
    plain = map_state(state, Tensor.detach)
    for carried in (plain, reset_rows(model, plain, torch.zeros(2, dtype=torch.bool))):
        model.zero_grad()
        model(torch.randint(VOCABULARY, (2, LENGTH)), carried)[0].sum().backward()
        assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_no_state_stays_no_state():
    model = model_of(BLOCKS["mac"])
    assert reset_rows(model, None, torch.tensor([True])) is None


@pytest.mark.parametrize(("name", "read"), [("lmm", 5), ("mac", 5)])
def test_inside_a_chunk_or_segment_rows_cannot_be_reset(name, read):
    model = model_of(BLOCKS[name])
    _, state = model(torch.randint(VOCABULARY, (1, read)))
    with pytest.raises(ValueError, match="rows can be reset only .* use pieces of whole"):
        reset_rows(model, state, torch.tensor([True]))


def test_a_mixer_without_a_rule_is_named():
    class Unknown(torch.nn.Module):
        pass

    model = model_of(BLOCKS["lmm"])
    _, state = model(torch.randint(VOCABULARY, (1, LENGTH)))
    model.backbone.blocks[0].mixer = Unknown()
    with pytest.raises(TypeError, match="Unknown: register"):
        reset_rows(model, state, torch.tensor([True]))


def test_the_training_length_must_end_chunks_and_segments():
    model = model_of((MACConfig(MEMORY, 2, segment=12), LMMConfig(replace(MEMORY, chunk_size=16))))
    assert common_length(model) == 48
    check_length(model, 96)
    for length, near in ((50, "48 or 96"), (10, "48"), (0, "48"), (-5, "48")):
        with pytest.raises(UserError, match=f"the training length {length} is not .* take {near}"):
            check_length(model, length)
