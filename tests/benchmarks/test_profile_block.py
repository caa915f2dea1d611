"""The profile of a block at toy sizes."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import profile_block
from benchmarks.profile_block import PARTS, REST, Size

TINY = Size(dim=8, heads=2, chunk_size=4, window=4, persistent_tokens=1, length=12)


def event(
    name: str,
    parent: SimpleNamespace | None = None,
    number: int = -1,
    spent: float = 0.0,
    kind: str = "CPU",
) -> SimpleNamespace:
    return SimpleNamespace(
        name=name,
        cpu_parent=parent,
        sequence_nr=number,
        self_cpu_time_total=spent,
        self_device_time_total=spent,
        device_type=SimpleNamespace(name=kind),
        time_range=SimpleNamespace(start=0),
    )


def test_time_goes_to_the_innermost_part_and_a_nodes_to_the_part_that_made_it() -> None:
    outer, node = event("part: attention", spent=1e3), "autograd::engine::evaluate_function: MmBackward0"
    inner = event("part: projections", outer, spent=2e3)
    backward = event(node, number=7, spent=16e3)
    events = [
        outer,
        inner,
        event("aten::mm", inner, number=5, spent=4e3),
        event("aten::add", outer, number=8, spent=8e3),
        backward,  # made by the product: numbers 5 to 7 are its
        event("aten::mm", backward, spent=32e3),
        event(node, number=8, spent=64e3),
        event(node, number=2**62, spent=128e3),  # the adding up of gradients
    ]
    found = profile_block.times(events, "cpu")
    assert found["projections"] == {"forward": 6, "backward": 48}
    assert found["attention"] == {"forward": 9, "backward": 64}
    assert found[REST] == {"forward": 0, "backward": 128}


def test_a_kernel_counts_once() -> None:
    scope = event("part: projections")
    kernel = event("gemm", spent=100.0, kind="CUDA")  # also what its operator has as time on the device
    annotation = event("part: projections", spent=100.0, kind="CUDA")
    found = profile_block.times([scope, event("aten::mm", scope, spent=100.0), kernel, annotation], "cuda")
    assert found["projections"] == {"forward": 0.1, "backward": 0}
    assert found[REST] == {"forward": 0, "backward": 0}


def test_every_part_of_a_mag_block_is_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "profile.json"
    profile_block.main(TINY, rounds=1, out=out)
    lmm, mag = json.loads(out.read_text())["rows"]
    assert set(PARTS) - set(lmm["parts"]) == {"attention"}
    assert all(spent["forward"] > 0 and spent["backward"] > 0 for spent in mag["parts"].values())
    assert list(mag["parts"]) == list(PARTS)
    text = profile_block.table([lmm, mag])
    assert "| attention | - | - |" in text
    assert "1 x 12 tokens" in capsys.readouterr().out


def test_scopes_leave_a_block_as_it_was() -> None:
    block = profile_block.build("mag", TINY)
    x = torch.randn(1, 12, 8)
    before, _ = block(x)
    with profile_block.scopes(block):
        inside, _ = block(x)
    assert torch.equal(inside, before)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in block.modules())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="device 'cuda' needs a GPU, and torch finds none"):
        profile_block.main(TINY, device="cuda", out=tmp_path / "profile.json")
