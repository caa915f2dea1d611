"""What flash-linear-attention asks of its layers, asked of ours in its signature."""

from typing import Any

import pytest
import torch
from torch import nn

from tests.tolerances import assert_close
from titans_seq.blocks import FlaLayer, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule

MEMORY = NeuralMemoryConfig(heads=2, chunk_size=4, rule=MemoryRule(LinearMemory()))
ATTENTION = AttentionConfig(heads=2, window=5)
BLOCKS = {
    "lmm": LMMConfig(MEMORY),
    "mac": MACConfig(MEMORY, heads=2, segment=6),
    "mag": MAGConfig(ATTENTION, MEMORY),
    "mal": MALConfig(MEMORY, ATTENTION),
}


class Stack(nn.Module):
    """Two layers, as a model of theirs calls them."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(FlaLayer(8, block, layer_idx=i) for i in range(2))

    def forward(self, x: torch.Tensor, **options: Any) -> tuple[torch.Tensor, Any]:
        cache = options.pop("past_key_values", None)
        for layer in self.layers:
            mixed, nothing, cache = layer(hidden_states=x, past_key_values=cache, **options)
            assert nothing is None
            x = x + mixed
        return x, cache


@pytest.fixture(params=BLOCKS)
def stack(request: pytest.FixtureRequest) -> Stack:
    return Stack(BLOCKS[request.param]).double()


def test_a_fixed_batch_is_the_same_packed(stack: Stack) -> None:
    x = torch.randn(3, 13, 8, dtype=torch.float64, requires_grad=True)
    fixed, cache = stack(x)
    assert cache is None
    packed, _ = stack(x.reshape(1, 39, 8), cu_seqlens=torch.arange(0, 40, 13, dtype=torch.int32))
    assert_close(packed.view(3, 13, 8), fixed, 1e-10)
    weight = torch.randn_like(fixed)
    expected = torch.autograd.grad((fixed * weight).sum(), [x, *stack.parameters()])
    found = torch.autograd.grad((packed.view(3, 13, 8) * weight).sum(), [x, *stack.parameters()])
    for ours, theirs in zip(found, expected, strict=True):
        assert_close(ours, theirs, 1e-9)


@torch.no_grad()
def test_prefill_and_token_by_token_under_left_padding_is_one_pass(stack: Stack) -> None:
    batch, chunks, size = 3, 4, 6
    x = torch.randn(batch, chunks * size, 8, dtype=torch.float64)
    starts = torch.tensor([1, 4, 2])
    mask = torch.arange(chunks * size) >= starts[:, None]
    expected = torch.cat([stack(x[i : i + 1, start:])[0] for i, start in enumerate(starts)], 1)
    y, cache = stack(x[:, :size], attention_mask=mask[:, :size], use_cache=True)
    outputs = [y]
    for t in range(size, chunks * size):
        y, cache = stack(x[:, t : t + 1], attention_mask=mask[:, : t + 1], use_cache=True, past_key_values=cache)
        outputs.append(y)
    assert cache.get_seq_length() == chunks * size
    found = torch.cat(outputs, 1)
    assert_close(torch.cat([found[i : i + 1, start:] for i, start in enumerate(starts)], 1), expected, 1e-10)


def test_a_cache_needs_a_place() -> None:
    with pytest.raises(ValueError, match="needs its place in it: give layer_idx"):
        FlaLayer(8, BLOCKS["lmm"])(torch.zeros(1, 2, 8), use_cache=True)
