import numpy as np
import pytest
import torch

from genomics.batching import buckets, in_order, pad


def test_padding_is_on_the_right():
    batch = pad([np.array([1]), np.array([2, 3, 4])], pad=9)
    assert batch.ids.tolist() == [[1, 9, 9], [2, 3, 4]]
    assert batch.lengths.tolist() == [1, 3]
    assert batch.to("cpu").ids.dtype == torch.int64


@pytest.mark.parametrize(("rows", "tokens"), [(1, 1), (4, 100), (100, 64), (7, 10_000)])
def test_every_sequence_is_in_one_batch_and_limits_hold(rows: int, tokens: int):
    lengths = np.random.default_rng(0).integers(1, 50, 101)
    batches = buckets(lengths, rows, tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(101))
    for numbers in batches:
        assert len(numbers) <= rows
        assert len(numbers) == 1 or len(numbers) * lengths[numbers].max() <= tokens


def test_sequences_of_like_lengths_share_a_batch():
    assert [sorted(numbers.tolist()) for numbers in buckets([100, 1, 101, 2], 2, 1000)] == [[1, 3], [0, 2]]


def test_no_sequence_gives_no_batch():
    assert buckets([], 4, 100) == []
    assert list(in_order([], len, lambda batch: batch, rows=2, tokens=10)) == []


def test_results_come_in_the_order_of_the_items():
    items = ["x" * length for length in np.random.default_rng(1).integers(1, 30, 500)]
    seen: list[int] = []

    def run(batch: list[str]) -> list[str]:
        seen.append(len(batch))
        return batch

    assert list(in_order(items, len, run, rows=4, tokens=60)) == items
    assert max(seen) == 4


def test_a_stream_is_never_held_whole():
    pulled = 0

    def endless():
        nonlocal pulled
        while True:
            pulled += 1
            yield "xx"

    stream = in_order(endless(), len, lambda batch: batch, rows=2, tokens=10)
    assert [next(stream) for _ in range(3)] == ["xx"] * 3
    assert pulled < 100
