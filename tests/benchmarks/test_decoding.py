"""The decoding benchmark at toy sizes."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks import decoding
from benchmarks.decoding import CachedAttention, Size, cache_bytes
from tests.tolerances import assert_close
from titans_seq.layers import AttentionConfig, CausalAttention

TINY = Size(dim=8, heads=2, chunk_size=4)


def test_attention_into_a_cache_is_attention() -> None:
    torch.manual_seed(0)
    layer, x = CausalAttention(AttentionConfig(2, None), 8), torch.randn(3, 6, 8)
    cached = CachedAttention(8, 2, batch=3, position=5)
    cached.heads.load_state_dict(layer.heads.state_dict())
    _, k, v = layer.heads(x)
    cached.keys[:, :, :5], cached.values[:, :, :5] = decoding.rotated(k[:, :, :5], 0, 1e4), v[:, :, :5]
    assert_close(cached(x[:, 5:])[0], layer(x)[0][:, 5:], 1e-6)


def test_rows_and_their_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "decoding.json"
    limit = cache_bytes(TINY, 2, 30) / 1e9
    decoding.main(TINY, batches=(1, 2), positions=(30, 60), steps=2, memory_limit=limit, out=out)
    content = json.loads(out.read_text())
    rows = {(row["model"], row["batch"], row["position"]): row for row in content["rows"]}
    assert len(rows) == 6
    assert rows["attention", 2, 60]["skipped"] == "its cache takes 7.81e-06 GB, over the limit of 3.97e-06"
    assert all(row["ms"] > 0 for row in rows.values() if "skipped" not in row)
    assert rows["memory", 2, None]["mb"] > rows["memory", 1, None]["mb"]
    assert rows["attention", 2, 30]["mb"] == pytest.approx(2 * 4 * 2 * 31 * 8 / 1e6)
    text = decoding.table(content)
    assert text.splitlines()[0] == "| batch | memory, any position | attention at 30 | attention at 60 |"
    assert text.splitlines()[3].endswith("|  |")  # an empty cell, and why
    assert "Not measured: 2 x 60: its cache takes" in text
    assert "attention, batch 2, position 60" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="device 'cuda' needs a GPU, and torch finds none"):
        decoding.main(TINY, device="cuda", out=tmp_path / "decoding.json")
