"""Every shipped configuration compiles for sm_90, fits a multiprocessor and spills little. Needs no GPU."""

import importlib.util
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.ops.triton.compiled import compile_launch
from titans_seq.ops.triton import tiles
from titans_seq.ops.triton.buffers import Inputs, Network
from titans_seq.ops.triton.support import (
    DEEP_HIDDEN,
    DEEP_LONGEST_CHUNK,
    DEEP_WIDTHS,
    LONGEST_CHUNK,
    SHARED_MEMORY,
    SHORTEST_CHUNK,
    WIDTHS,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("triton") is None, reason="needs triton: pip install 'titans-seq[kernels]'"
    ),
    pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="an interpreted kernel is not compiled"),
]

CHUNKS = [size for size in (16, 32, 64, 128) if SHORTEST_CHUNK <= size <= LONGEST_CHUNK]

# Bytes of a thread that live in local memory. Products of float32 operands hold each of them in two parts, so that the
# sequential kernels of wide memories spill: float32 is there to be exact, not to be fast.
SPILLED = {torch.bfloat16: 96, torch.float16: 96, torch.float32: 4096}

# Two layers with momentum, by hidden width: 128 units are half of a multiprocessor's registers before anything is
# computed.
SPILLED_DEEP = {
    64: {torch.bfloat16: 192, torch.float16: 192, torch.float32: 4096},
    128: {torch.bfloat16: 1024, torch.float16: 1024, torch.float32: 5120},
}


BARE, TITANS = Network("none", False, False), Network("gelu", True, True)


def call(
    widths: Sequence[int],
    chunk_size: int,
    dtype: torch.dtype,
    *,
    momentum: bool = True,
    opened: bool = False,
    network: Network = BARE,
    saves: bool = True,
    heads: int = 66,  # enough that each is one program, or two
) -> Inputs:
    """Tensors without memory, of a call that also leaves a chunk open; `widths` are the keys', the layers'."""
    batch, length = 2, 3 * chunk_size + 1

    def empty(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(*shape, dtype=dtype, device="meta")

    q, k = (empty(batch, length, heads, widths[0], dtype=dtype) for _ in range(2))
    v = empty(batch, length, heads, widths[-1], dtype=dtype)
    lr, fade, keep = (empty(batch, length, heads) for _ in range(3))
    slots = [empty(batch * heads, *shape) for shape in itertools.pairwise(widths)]
    past, anchor = slots if momentum else [], slots if opened else []
    given = fade if momentum else None
    return Inputs(q, k, v, lr, given, keep, slots, past, anchor, network, chunk_size, 5 if opened else 0, saves)


def assert_fits(inputs: Inputs, folder: Path) -> None:
    spilled = SPILLED if inputs.depth == 1 else SPILLED_DEEP[inputs.weights[0].shape[2]]
    for launch in launches(inputs):
        needs = compile_launch(launch, folder)
        where = f"{launch.kernel.__name__}: {needs}"
        assert needs.shared <= SHARED_MEMORY, where
        assert needs.spilled <= spilled[inputs.q.dtype], where
        if "PRECISION" in launch.arguments:
            assert needs.products, f"{where}: no products in tensor cores"


def launches(inputs: Inputs) -> Iterator[Any]:
    from titans_seq.ops.triton.kernels import plan_backward, plan_forward

    forward, results, saved = plan_forward(inputs)
    yield from forward
    if inputs.saves:
        yield from plan_backward(inputs, saved, results)[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("chunk_size", CHUNKS)
@pytest.mark.parametrize("width", WIDTHS)
def test_width_and_chunk(width: int, chunk_size: int, dtype: torch.dtype, tmp_path: Path) -> None:
    assert_fits(call([width, width], chunk_size, dtype), tmp_path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("width", WIDTHS)
def test_few_heads_in_narrow_slices(width: int, dtype: torch.dtype, tmp_path: Path) -> None:
    assert_fits(call([width, width], 64, dtype, heads=1), tmp_path)


@pytest.mark.parametrize(
    ("width", "value_dim", "momentum", "opened", "dtype"),
    [
        (64, 64, True, True, torch.bfloat16),
        (64, 64, False, False, torch.bfloat16),
        (64, 64, False, True, torch.float32),
        (256, 32, True, False, torch.bfloat16),
        (32, 256, True, False, torch.bfloat16),
        (64, 64, True, False, torch.float16),
        (256, 256, True, True, torch.float16),
    ],
)
def test_other_choices(
    width: int, value_dim: int, momentum: bool, opened: bool, dtype: torch.dtype, tmp_path: Path
) -> None:
    assert_fits(call([width, value_dim], 64, dtype, momentum=momentum, opened=opened), tmp_path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bfloat16", "float32"])
@pytest.mark.parametrize("chunk_size", [size for size in CHUNKS if size <= DEEP_LONGEST_CHUNK])
@pytest.mark.parametrize("hidden", DEEP_HIDDEN)
@pytest.mark.parametrize("width", DEEP_WIDTHS)
def test_two_layers(width: int, hidden: int, chunk_size: int, dtype: torch.dtype, tmp_path: Path) -> None:
    assert_fits(call([width, hidden, width], chunk_size, dtype, network=TITANS), tmp_path)


@pytest.mark.parametrize("hidden", DEEP_HIDDEN)
def test_two_layers_without_a_backward_pass(hidden: int, tmp_path: Path) -> None:
    assert_fits(call([64, hidden, 64], 64, torch.bfloat16, network=TITANS, saves=False), tmp_path)


@pytest.mark.parametrize("width", DEEP_WIDTHS)
def test_two_layers_as_an_older_triton_has_them(width: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "_pipelines_long_chunks", lambda: False)
    monkeypatch.setitem(SPILLED_DEEP[64], torch.bfloat16, 320)
    assert_fits(call([width, 64, width], 64, torch.bfloat16, network=TITANS), tmp_path)


@pytest.mark.parametrize(
    ("widths", "momentum", "opened", "network", "dtype"),
    [
        ([64, 64, 64], True, True, TITANS, torch.bfloat16),
        ([64, 128, 64], True, True, TITANS, torch.float16),
        ([64, 64, 64], False, True, TITANS, torch.bfloat16),
        ([64, 64, 64], True, False, Network("silu", False, False), torch.bfloat16),
        ([64, 64, 64], False, False, Network("relu", False, True), torch.float16),
        ([32, 64, 64], True, False, Network("gelu", False, True), torch.bfloat16),
    ],
)
def test_other_choices_of_two_layers(
    widths: list[int], momentum: bool, opened: bool, network: Network, dtype: torch.dtype, tmp_path: Path
) -> None:
    assert_fits(call(widths, 64, dtype, momentum=momentum, opened=opened, network=network), tmp_path)
