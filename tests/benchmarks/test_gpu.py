"""The GPU suite without a GPU: its formulas, its gate, its timing with a clock of our own, its tables."""

import importlib.util
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu, gpu_tables
from benchmarks import gpu_contenders as contenders
from benchmarks.gpu_contenders import Call, Cell
from benchmarks.roofline import Ceilings, Shape, bound, work

H200 = Ceilings(flops=790e12, bytes=4.3e12)
TINY = Cell(Shape(8, 4), batch=1, heads=2, length=10, device="cpu", dtype=torch.float32)


def ticking(call: Call, rounds: int) -> list[float]:
    """A clock by which every call takes half a second."""
    call()
    return [0.5] * rounds


@pytest.mark.parametrize(
    ("shape", "millions"),
    [
        (Shape(64, 16), 1231),
        (Shape(64, 64), 2198),
        (Shape(64, 256), 893),
        (Shape(128, 64), 878),
        (Shape(256, 64), 310),
        (Shape(64, 16, 1), 776),
        (Shape(64, 64, 1), 1692),
        (Shape(64, 64, 2), 936),
        (Shape(128, 64, 4), 140),
        (Shape(256, 256, 4), 31),
    ],
    ids=str,
)
def test_bounds_are_those_of_the_table_in_kernels_md(shape: Shape, millions: int) -> None:
    assert round(bound(work(shape), H200) / 1e6) == millions


@pytest.mark.parametrize("expansion", [None, 1])
def test_the_gate_opens_for_the_right_operator_only(monkeypatch: pytest.MonkeyPatch, expansion: int | None) -> None:
    shape = Shape(16, 16, expansion)  # in narrower ones a norm over four numbers makes float32 err by chance
    row = gpu.gate(shape, torch.float32, "chunked", "cpu")
    assert 0 < row["error"] < 1e-5
    assert "refused" not in row
    monkeypatch.setattr(gpu, "ALLOWED", {torch.float32: 1e-12})
    monkeypatch.setattr(gpu, "ALLOWED_OF_DECAY", {torch.float32: 1e-12})
    assert re.match(r"chunked and float64 differ by .* in .*; allowed is 1e-12", gate_reason(shape))


def gate_reason(shape: Shape) -> str:
    return gpu.gate(shape, torch.float32, "chunked", "cpu")["refused"]


def test_a_difference_that_is_no_number_closes_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "_difference", lambda *_: float("nan"))
    assert "differ by nan" in gate_reason(Shape(4, 4))


def test_a_wrong_gradient_of_one_input_closes_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    right = contenders.scanned

    def wrong(cell: Cell, *rest: Any) -> dict[str, torch.Tensor]:
        found = right(cell, *rest)
        return found | ({"d decay": 1.1 * found["d decay"]} if found["y"].dtype == torch.float32 else {})

    monkeypatch.setattr(contenders, "scanned", wrong)
    assert "in d decay" in gate_reason(Shape(4, 4))
    assert "in d decay" in gate_reason(Shape(4, 4, 1))


def test_rates_follow_from_the_clock() -> None:
    row = gpu.operator_row("chunked", TINY, H200, ticking, rounds=3)
    assert row["tokens_per_s"] == 20
    assert row["token_heads_per_s"] == 40
    assert row["us_per_chunk"] == pytest.approx(0.2e6)
    assert row["flops_per_s"] == 40 * work(TINY.shape).flops
    assert row["share_of_bound"] == pytest.approx(40 / bound(work(TINY.shape), H200))
    assert "share_of_bound" not in gpu.operator_row("attention", TINY, H200, ticking, rounds=1)


def test_ceilings_follow_from_the_clock() -> None:
    found = gpu.ceilings(ticking, "cpu", numbers=100, side=10)
    assert found == Ceilings(flops=2 * 10**3 / 0.5, bytes=800 / 0.5)


def test_what_cannot_run_is_an_empty_cell_with_its_reason() -> None:
    refused = gpu.operator_row("fused", TINY, H200, ticking, rounds=1)
    assert "backend 'triton' cannot run this call" in refused["skipped"]
    long = replace(TINY, length=20_000)
    assert gpu.operator_row("chunked", long, H200, ticking, 1)["skipped"] == "only up to 16,384 tokens"
    if importlib.util.find_spec("fla") is None:
        row = gpu.operator_row("gated delta rule", TINY, H200, ticking, rounds=1)
        assert row["skipped"].startswith("flash-linear-attention is not importable")


@pytest.mark.parametrize("kind", ["memory", "attention", "our layer"])
def test_blocks_run(kind: str) -> None:
    row = gpu.block_row(kind, replace(TINY, shape=Shape(8, 4, 1)), ticking, rounds=1)
    assert row["tokens_per_s"] == 20


SIDES = ("fused", "chunked", "chunked, tf32", "attention")


@pytest.fixture
def content(monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.setattr(gpu, "gate", lambda shape, dtype, *_: {"shape": asdict(shape), "dtype": str(dtype), "error": 0})
    monkeypatch.setattr(gpu, "SHAPES", (Shape(8, 4), Shape(8, 4, 1)))
    monkeypatch.setattr(gpu, "SIDES", SIDES)
    monkeypatch.setattr(gpu, "BATCH", 1)
    monkeypatch.setattr(gpu, "HEADS", 2)
    monkeypatch.setattr(gpu, "BLOCK_TOKENS", 8)
    found: dict = {"ceilings": asdict(H200), "measured": {"card": "none", "date": "2026-01-01T00:00:00"}}

    def keep(section: gpu.Section, row: dict) -> None:
        nonlocal found
        found = gpu.merged(found, section, row)

    for _ in range(2):  # a second run replaces the first one's rows
        gpu.measure("cpu", ticking, (8,), 1, keep, H200)
    return found


def test_a_whole_run_and_its_tables(content: dict) -> None:
    assert [row["side"] for row in content["operators"]] == [*SIDES] * 2
    assert [row["kind"] for row in content["blocks"]][:3] == ["attention", "memory", "memory"]
    text = gpu_tables.table(content)
    assert "| linear, 8, 4 | 8 | attention | 16 | 0.0 |" in text
    assert "| linear, 8, 4 | 8 | fused |  |  |" in text
    assert "fused, linear, 8, 4, T 8: ValueError: backend 'triton' cannot run this call" in text
    assert "* missing: linear, T 8: million token-heads/s  (>= 549.5)" in text
    assert "linear, 8, 4, torch.bfloat16: 0.0e+00" in text


def test_kernels_that_are_wrong_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[dict] = []
    monkeypatch.setattr(gpu, "gate", lambda shape, dtype, *_: {"shape": asdict(shape), "refused": "wrong"})
    monkeypatch.setattr(gpu, "SHAPES", (Shape(8, 4),))
    monkeypatch.setattr(gpu, "operator_row", lambda side, *_: {"side": side})
    monkeypatch.setattr(gpu, "block_row", lambda kind, *_: {"kind": kind})
    gpu.measure("cpu", ticking, (8,), 1, lambda section, row: rows.append(row), H200)
    skipped = {row.get("side") or row["kind"] for row in rows if row.get("skipped") == "wrong"}
    assert skipped == {"fused", "fused, graph", "memory", "our layer"}


def test_targets_hold_miss_or_are_missing() -> None:
    shape = {"width": 64, "chunk": 64, "expansion": None}
    fused = {"shape": shape, "side": "fused", "length": 8192, "seconds": 1.0, "token_heads_per_s": 600e6}
    slow, other = fused | {"side": "chunked", "seconds": 9.0}, fused | {"side": "gated delta rule", "seconds": 0.5}
    block = {"kind": "memory", "shape": shape, "length": 16_384, "seconds": 1.0}
    blocks = [block, block | {"kind": "attention", "seconds": 3.0}]
    found = gpu_tables.targets({"operators": [fused, slow, other], "blocks": blocks})
    values = {row["target"]: (row["value"], row["holds"]) for row in found}
    assert values["linear, T 8,192: million token-heads/s"] == (600, True)
    assert values["linear, T 8,192: times the PyTorch path's speed"] == (9, False)
    assert values["linear, T 8,192: times the gated delta rule's time"] == (2, False)
    assert values["two layers, T 8,192: million token-heads/s"] == (None, False)
    assert values["block, linear, T 16,384: times attention's speed"] == (3, True)


def test_the_tf32_side_leaves_the_precision_as_it_was() -> None:
    seen = []
    before = torch.get_float32_matmul_precision()
    contenders.in_tf32(lambda: seen.append(torch.get_float32_matmul_precision()))()
    assert (seen, torch.get_float32_matmul_precision()) == (["high"], before)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="needs an NVIDIA GPU, and torch finds none: nothing was measured"):
        gpu.main(out=tmp_path / "gpu.json")
    assert not list(tmp_path.iterdir())
