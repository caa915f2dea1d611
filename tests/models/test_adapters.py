"""Adapters, hooks and quantised layers in the place of linear maps: a model with them is the model they stand for."""

import copy
import warnings
from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune

from tests.tolerances import assert_close
from titans_seq.blocks import AttentionBlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.layers import AttentionConfig, GateConfig, NeuralMemory, NeuralMemoryConfig
from titans_seq.memory import ChannelDecay, LinearMemory, MemoryRule, preset
from titans_seq.models import CausalLM, CausalLMConfig

PLAIN = NeuralMemoryConfig(heads=2, chunk_size=4, rule=MemoryRule(LinearMemory()), persistent_tokens=2)
WIDE = NeuralMemoryConfig(
    heads=2,
    chunk_size=4,
    rule=MemoryRule(LinearMemory(), retention=ChannelDecay()),
    gates=GateConfig(source="convolved"),
)
ROBUST = NeuralMemoryConfig(heads=2, chunk_size=4, rule=preset("yaad"), slow_weights=True)
ATTENTION = AttentionConfig(heads=2, window=5, persistent_tokens=2)
BLOCKS = {
    "mac": MACConfig(PLAIN, heads=2, segment=6, persistent_tokens=2),
    "mag": MAGConfig(ATTENTION, WIDE),
    "mal": MALConfig(ROBUST, ATTENTION),
    "lmm": LMMConfig(PLAIN),
    "attention": AttentionBlockConfig(ATTENTION),
}
IDS = torch.randint(11, (2, 15), generator=torch.Generator().manual_seed(1))


class LoRA(nn.Module):
    """As peft has it: it stands where the layer was, and shows the layer's own weight."""

    def __init__(self, base: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Parameter(torch.randn(2, base.in_features, dtype=base.weight.dtype))
        self.up = nn.Parameter(0.3 * torch.randn(base.out_features, 2, dtype=base.weight.dtype))

    @property
    def weight(self) -> Tensor:
        return self.base.weight

    @property
    def bias(self) -> Tensor | None:
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + x @ self.down.T @ self.up.T


@pytest.fixture(params=BLOCKS)
def model(request: pytest.FixtureRequest) -> CausalLM:
    torch.manual_seed(0)
    return CausalLM(CausalLMConfig(11, 8, (BLOCKS[request.param],), 2, tied=False)).double().eval()


def linears(model: nn.Module) -> list[tuple[nn.Module, str, nn.Linear]]:
    return [
        (parent, name, child)
        for parent in model.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]


def merged(model: CausalLM, changes: dict[str, Tensor]) -> CausalLM:
    plain = copy.deepcopy(model)
    with torch.no_grad():
        for name, change in changes.items():
            plain.get_parameter(f"{name}.weight").add_(change)
    return plain


def changes_of(model: CausalLM) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return {
        name: 0.3 * torch.randn(module.weight.shape, dtype=module.weight.dtype, generator=generator)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
    }


def test_lora_on_every_linear_map_is_the_merged_model_and_learns(model: CausalLM) -> None:
    names = {id(module): name for name, module in model.named_modules()}
    adapted = copy.deepcopy(model)
    changes = {}
    for (parent, name, child), (_, _, original) in zip(linears(adapted), linears(model), strict=True):
        adapter = LoRA(child)
        setattr(parent, name, adapter)
        changes[names[id(original)]] = (adapter.up @ adapter.down).detach()
    y, state = adapted(IDS)
    plain = merged(model, changes)
    expected, plain_state = plain(IDS)
    assert_close(y, expected, 1e-9)
    assert_close(adapted(IDS[:, :3], state)[0], plain(IDS[:, :3], plain_state)[0], 1e-9)
    y.square().sum().backward()
    idle = [name for name, p in adapted.named_parameters() if ".down" in name and (p.grad is None or not p.grad.any())]
    assert not idle


def test_forward_hooks_on_every_linear_map_take_part(model: CausalLM) -> None:
    changes, hooked = changes_of(model), copy.deepcopy(model)
    for name, change in changes.items():

        def add(module: nn.Module, inputs: tuple[Tensor], output: Tensor, change: Tensor = change) -> Tensor:
            return output + inputs[0] @ change.T

        hooked.get_submodule(name).register_forward_hook(add)
    assert_close(hooked(IDS)[0], merged(model, changes)(IDS)[0], 1e-9)


def test_backward_hooks_see_every_call_of_a_linear_map(model: CausalLM) -> None:
    found = []
    for register in ("register_forward_hook", "register_full_backward_hook"):
        watched, calls = copy.deepcopy(model), Counter[str]()
        for _, name, child in linears(watched):
            getattr(child, register)(lambda *_, name=name, calls=calls: calls.update([name]))
        watched(IDS)[0].sum().backward()
        found.append(calls)
    assert found[0] == found[1]


def test_pruned_and_reparametrised_maps_are_what_they_stand_for(model: CausalLM) -> None:
    changed = copy.deepcopy(model)
    for number, (_, _, child) in enumerate(linears(changed)):
        if number % 2:
            prune.l1_unstructured(child, "weight", amount=0.4)
            child.get_parameter("weight_orig").data.mul_(1.5)  # the weight itself follows when the layer is called
        else:
            parametrizations.weight_norm(child)
            child.get_parameter("parametrizations.weight.original0").data.mul_(1.5)
    y = changed(IDS)[0]
    for number, (_, _, child) in enumerate(linears(changed)):
        if number % 2:
            prune.remove(child, "weight")
        else:
            parametrize.remove_parametrizations(child, "weight")
    assert_close(changed(IDS)[0], y, 1e-9)
    assert (model(IDS)[0] - y).abs().max() > 1e-2


def test_a_quantised_model_runs_close_to_its_own(model: CausalLM) -> None:
    plain = model.float()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that torchao will take this over
        small = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear}, dtype=torch.qint8)
    assert not linears(small)
    with torch.no_grad():
        assert_close(small(IDS)[0], plain(IDS)[0], 0.2)


def test_half_precision_gates_are_computed_in_full_with_an_adapter_too() -> None:
    torch.manual_seed(0)
    layer = NeuralMemory(PLAIN, 8).bfloat16()
    x = torch.randn(1, 6, 8).bfloat16()
    before = layer.gates(x)["lr"]
    assert before.dtype == torch.float32
    adapter = LoRA(layer.gates.project)
    with torch.no_grad():
        adapter.up.zero_()
    layer.gates.project = adapter  # type: ignore[assignment]
    assert torch.equal(layer.gates(x)["lr"], before)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning")  # peft asks transformers for it
@pytest.mark.parametrize("tied", [True, False])
def test_peft_adapts_all_and_merges(tied: bool) -> None:
    peft = pytest.importorskip("peft", reason="needs peft: pip install 'titans-seq[test]'")
    hf = pytest.importorskip("titans_seq.hf", reason="needs transformers: pip install 'titans-seq[hf]'")
    torch.manual_seed(0)
    lm = CausalLM(CausalLMConfig(11, 8, tuple(BLOCKS.values()), len(BLOCKS), tied=tied)).double().eval()
    names = ["project", "output", "output_gate", "gate_and_input", "narrow", "widen", *([] if tied else ["head"])]
    wrapped = hf.TitansForCausalLM.of(lm, pad_token_id=0)
    options = peft.LoraConfig(r=2, target_modules=names, init_lora_weights=False, task_type="CAUSAL_LM")
    adapted: Any = peft.get_peft_model(wrapped, options, autocast_adapter_dtype=False).eval()
    with torch.no_grad():
        y = adapted(IDS).logits
        out = adapted.generate(input_ids=IDS, max_new_tokens=3, do_sample=False)
        plain = adapted.merge_and_unload()
        assert_close(y, plain(IDS).logits, 1e-9)
        assert torch.equal(out, plain.generate(input_ids=IDS, max_new_tokens=3, do_sample=False))


def test_an_adapted_embedding_is_the_tied_head_too() -> None:
    torch.manual_seed(0)
    model = CausalLM(CausalLMConfig(11, 8, (LMMConfig(PLAIN),), 1, vocabulary_multiple=4)).double().eval()
    change = torch.randn(12, 8, dtype=torch.float64)
    plain = copy.deepcopy(model)
    with torch.no_grad():
        plain.embedding.weight.add_(change)

    class Adapted(nn.Module):
        def __init__(self, base: nn.Embedding) -> None:
            super().__init__()
            self.base = base

        def forward(self, ids: Tensor) -> Tensor:
            return self.base(ids) + change[ids]

    model.embedding = Adapted(model.embedding)  # type: ignore[assignment]
    assert_close(model(IDS)[0], plain(IDS)[0], 1e-12)
