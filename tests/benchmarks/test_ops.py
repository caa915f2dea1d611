"""The operator benchmark at toy sizes."""

import dataclasses
import json
import math

import pytest

from benchmarks import contenders, correctness, measure, memory_use, ops, streaming, suites, targets
from benchmarks.contenders import Contender
from benchmarks.measure import Limits, Unmeasurable, Worker
from titans_seq.layers import NeuralMemory

TINY = Contender("ours", dim=8, chunk=4, expansion=1.0)


def test_correctness_passes_and_covers_each_distinct_memory_once():
    rows = correctness.check([TINY, TINY, dataclasses.replace(TINY, depth=1)])
    assert [row["depth"] for row in rows] == [1, 2]
    assert all(row["error"] < correctness.TOLERANCE for row in rows)


def test_our_side_is_of_the_size_that_its_row_names() -> None:
    layer = contenders._ours(TINY)
    assert isinstance(layer, NeuralMemory)
    assert (layer.config.heads, layer.config.chunk_size, layer.config.head_dim) == (TINY.heads, TINY.chunk, None)
    assert (layer.config.backend, layer.config.rule) == ("chunked", contenders.rule_of(TINY))


def test_nothing_is_timed_when_the_operator_is_wrong(monkeypatch, tmp_path):
    monkeypatch.setattr(correctness, "TOLERANCE", 0.0)
    monkeypatch.setattr(suites, "PEER_CELLS", ((TINY, 16),))
    with pytest.raises(SystemExit, match="chunked and reference differ by .*; nothing was timed"):
        ops.main(suite="growth", out=tmp_path / "ops.json")
    assert not list(tmp_path.iterdir())


class Here:
    """Measures in this process, as a process of its own takes its time to begin."""

    def __init__(self, contender: Contender, limits: Limits) -> None:
        self.contender, self.layer = contender, contenders.build(contender)

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *_) -> None: ...

    def measure(self, which: measure.Pass, length: int) -> measure.Sample:
        return measure._sample(self.layer, which, self.contender, length)


def test_a_suite_writes_its_results_and_keeps_the_others(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(suites, "Worker", Here)
    monkeypatch.setattr(memory_use, "mark", lambda: 0)
    monkeypatch.setattr(suites, "PEER_CELLS", ((TINY, 16),))
    monkeypatch.setattr(suites, "GROWTH_CELLS", (TINY,))
    monkeypatch.setattr(suites, "GROWTH_LENGTHS", (8, 16))
    out = tmp_path / "ops.json"
    out.write_text('{"peer": {"results": []}}')
    ops.main(suite="growth", out=out)
    results = json.loads(out.read_text())
    assert list(results) == ["peer", "growth"]
    rows = results["growth"]["results"]
    assert [(row["size"]["length"], row["pass"]) for row in rows] == [
        (8, "forward"),
        (16, "forward"),
        (8, "training"),
        (16, "training"),
    ]
    assert all(row["tokens_per_cpu_s"] > 0 and len(row["cpu_s"]) == 5 for row in rows)
    assert rows[0]["relative_time_per_token"] == 1
    assert {"commit", "cpu", "date", "packages"} <= rows[0]["measured"].keys()
    assert "largest time per token" in capsys.readouterr().out


@pytest.mark.slow
def test_both_modes_of_the_peer_are_measured_beside_ours():
    pytest.importorskip("titans_pytorch", reason="needs the peer: pip install -e '.[bench]'")
    forward, training = suites.peer(TINY, 16, Limits())
    assert (forward["pass"], training["pass"]) == ("forward", "training")
    for side in ("exact", "coarse"):
        ratio = forward["ours"]["tokens_per_cpu_s"] / forward[side]["tokens_per_cpu_s"]
        assert forward[side]["ours_times_tokens_per_cpu_s"] == pytest.approx(ratio)


@pytest.mark.slow
def test_the_operator_alone_is_measured_by_hand_and_by_autograd() -> None:
    alone = dataclasses.replace(TINY, dim=64, chunk=16, alone=True)
    rows = suites.recompute(alone, 512, Limits(), options=(None, 0))
    (pair,) = targets.autograd_pairs(rows)
    assert [row["recompute_every"] for row in pair] == [None, 0]
    assert pair[0]["extra_mb"] < 0.7 * pair[1]["extra_mb"]
    speed, memory = targets.evaluate("autograd", rows)
    assert speed["value"] == pytest.approx(pair[0]["tokens_per_cpu_s"] / pair[1]["tokens_per_cpu_s"])
    assert memory["value"] == pytest.approx(pair[0]["extra_mb"] / pair[1]["extra_mb"])


def test_calls_over_a_limit_say_which():
    with Worker(TINY, Limits(seconds=1e6, bytes=10_000_000)) as worker:
        with pytest.raises(Unmeasurable, match="needs more than 0.01 GB"):
            worker.measure("forward", 60_000)
        assert worker.measure("forward", 16).cpu_s > 0
        worker.limits = Limits(seconds=1e-6)
        with pytest.raises(Unmeasurable, match="CPU seconds if linear from 8 tokens"):
            worker.measure("forward", 64)


def test_streaming_reports_memory_speed_and_steps():
    pieces = streaming.pieces(total=100, piece=4, dim=8, chunk=4)
    assert [row["position"] for row in pieces["tenths"]] == list(range(10, 101, 10))
    steps = streaming.decoding([0, 10], steps=3, dim=8, chunk=4)
    assert steps[0]["relative"] == 1
    judged = targets.evaluate("streaming", [{"pieces": pieces, "decoding": steps}])
    assert len(judged) == 2


def test_sizes_measured_again_replace_their_rows_only(tmp_path):
    out = tmp_path / "ops.json"
    old, other, new = ({"size": {"dim": dim}, "pass": "forward", "v": v} for dim, v in ((1, 1), (2, 2), (1, 3)))
    ops._merge(out, "recompute", {"results": [old, other]})
    assert ops._merge(out, "recompute", {"results": [new]})["results"] == [new, other]


def test_a_target_without_a_value_does_not_hold():
    size = {"dim": 384, "depth": 2, "expansion": 2.0, "chunk": 64, "length": 512}
    row = {"size": size, "pass": "forward", "exact": {"skipped": "over 8 GB"}}
    row["coarse"] = {"ours_times_tokens_per_cpu_s": math.pi}
    missing, fast = targets.evaluate("peer", [row])
    assert not missing["holds"]
    assert fast["holds"]
