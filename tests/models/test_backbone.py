import pytest
import torch

from titans_seq.blocks import LMMConfig
from titans_seq.layers import NeuralMemoryConfig
from titans_seq.models import Backbone, BackboneState

CONFIG = LMMConfig(NeuralMemoryConfig(heads=2, chunk_size=4))


def test_messages() -> None:
    with pytest.raises(ValueError, match="at least one block, got none"):
        Backbone([], 8)
    backbone = Backbone([CONFIG.build(8)], 8)
    _, state = backbone(torch.randn(1, 3, 8))
    with pytest.raises(ValueError, match="the state is of 2 blocks, this backbone has 1"):
        backbone(torch.randn(1, 3, 8), BackboneState(state.blocks * 2))


def test_blocks_run_in_order_and_their_states_are_kept() -> None:
    torch.manual_seed(0)
    blocks = [CONFIG.build(8) for _ in range(2)]
    backbone, x = Backbone(blocks, 8), torch.randn(2, 6, 8)
    y, state = backbone(x)
    first, first_state = blocks[0](x)
    second, second_state = blocks[1](first)
    assert torch.equal(y, backbone.norm(second))
    pairs = zip(state.blocks, (first_state, second_state), strict=True)
    assert all(torch.equal(a.memory.weights[1], b.memory.weights[1]) for a, b in pairs)
    assert backbone(x, return_state=False)[1] is None
