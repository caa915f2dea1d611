import itertools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from language.data.shards import prepare
from language.data.stream import IGNORED, SegmentBatch, SegmentStream
from language.data.token_shards import TokenShards
from language.tokenizers import ByteTokenizer
from tests.language.making import write_lines
from titans_seq.errors import UserError

END = 0


def numbered(lengths: Iterable[int]) -> TokenShards:
    """Documents of the given lengths, in which every token occurs once in all of them: 1, 2, 3 ..."""
    documents, first = [], 1
    for length in lengths:
        documents.append(list(range(first, first + length)))
        first += length
    return TokenShards.from_documents(documents, END)


def targets_of(batches: Iterable[SegmentBatch]) -> list[int]:
    return [token for batch in batches for token in batch.targets.flatten().tolist() if token != IGNORED]


def same(left: SegmentBatch, right: SegmentBatch) -> bool:
    tensors = [[one for one in batch if one is not None] for batch in (left, right)]
    return all(torch.equal(*pair) for pair in zip(*tensors, strict=True))


LENGTHS = st.lists(st.integers(1, 20), min_size=1, max_size=12)
CASES = given(lengths=LENGTHS, batch_size=st.integers(1, 4), length=st.integers(1, 8), seed=st.integers(0, 3))


class TestCarry:
    @CASES
    def test_every_token_is_a_target_exactly_once_an_epoch(
        self, lengths: list[int], batch_size: int, length: int, seed: int
    ) -> None:
        shards = numbered(lengths)
        stream = SegmentStream(shards, batch_size, length, seed=seed)
        for _ in range(2):
            assert sorted(targets_of(stream)) == list(range(1, shards.tokens + 1))

    @CASES
    def test_a_row_reads_documents_from_their_start_on_without_a_gap(
        self, lengths: list[int], batch_size: int, length: int, seed: int
    ) -> None:
        """What a row reads and predicts follows from where it is fresh: that is all a model has to know."""
        shards = numbered(lengths)
        starts = {1 + int(before) for before in np.concatenate([[0], np.cumsum(shards.lengths)[:-1]])}
        stream = SegmentStream(shards, batch_size, length, seed=seed)
        batches = list(stream)
        for row in range(batch_size):
            before = None
            for number, batch in enumerate(batches):
                ids, targets = batch.ids[row].tolist(), batch.targets[row].tolist()
                real = [token for token in targets if token != IGNORED]
                assert targets == real + [IGNORED] * (length - len(real))
                assert real == list(range(real[0], real[0] + len(real))) if real else number == len(batches) - 1
                if not real:
                    assert ids == [END] * length
                    assert batch.fresh[row]
                    continue
                assert ids[0] == (END if real[0] in starts else real[0] - 1)
                assert ids[1 : len(real)] == real[:-1]
                assert ids[len(real) :] == [END] * (length - len(real))
                assert not starts & set(real[1:])
                assert batch.fresh[row] == (number == 0 or real[0] in starts)
                if not batch.fresh[row]:
                    assert before == real[0] - 1
                before = real[-1]

    def test_a_long_document_is_shared_out_among_the_rows(self) -> None:
        stream = SegmentStream(numbered([100]), batch_size=4, length=5)
        batches = list(stream)
        assert len(batches) == len(stream) == 5
        assert batches[0].targets[:, 0].tolist() == [1, 26, 51, 76]
        assert batches[0].ids[:, 0].tolist() == [END, 25, 50, 75]
        assert [batch.fresh.tolist() for batch in batches] == [[True] * 4] + [[False] * 4] * 4

    def test_one_token_documents(self) -> None:
        batches = list(SegmentStream(numbered([1] * 6), batch_size=2, length=3))
        assert sorted(targets_of(batches)) == [1, 2, 3, 4, 5, 6]
        assert all(batch.fresh.all() for batch in batches)
        assert all((batch.ids == END).all() for batch in batches)

    def test_the_order_is_another_each_epoch_and_with_each_seed(self) -> None:
        shards = numbered([3] * 50)
        orders = [targets_of(SegmentStream(shards, 1, 4, seed=seed)) for seed in (0, 0, 1)]
        assert orders[0] == orders[1] != orders[2]
        stream = SegmentStream(shards, 1, 4)
        assert targets_of(stream) == orders[0]
        assert targets_of(stream) not in (orders[0], orders[2])

    def test_without_shuffling_the_order_is_that_of_the_shards(self) -> None:
        stream = SegmentStream(numbered([3, 1, 7, 2]), 1, 4, shuffle=False)
        assert targets_of(stream) == targets_of(stream) == list(range(1, 14))

    @CASES
    def test_dropping_leaves_full_batches(self, lengths: list[int], batch_size: int, length: int, seed: int) -> None:
        shards = numbered(lengths)
        segments = sum(-(-one // length) for one in lengths)
        if segments < batch_size:
            with pytest.raises(UserError, match=f"^{segments} segments of {length} tokens do not fill one batch of"):
                SegmentStream(shards, batch_size, length, seed=seed, drop_last=True)
            return
        stream = SegmentStream(shards, batch_size, length, seed=seed, drop_last=True)
        batches = list(stream)
        assert len(batches) == segments // batch_size
        assert all((batch.targets[:, 0] != IGNORED).all() for batch in batches)
        assert max(Counter(targets_of(batches)).values()) == 1

    def test_documents_of_several_shards(self, tmp_path: Path) -> None:
        texts = [f"text {n} " * (n % 4 + 1) for n in range(20)]
        prepare([write_lines(tmp_path / "a.jsonl", texts)], ByteTokenizer(), tmp_path / "out", shard_tokens=50)
        shards = TokenShards.open(tmp_path / "out")
        assert len(list((tmp_path / "out").glob("*.bin"))) > 5
        stream = SegmentStream(shards, 3, 8, seed=1)
        expected = Counter(b for text in texts for b in text.encode()) + Counter({256: 20})
        assert Counter(targets_of(stream)) == expected
        assert targets_of(SegmentStream(shards, 1, 8, shuffle=False)) == [
            token for text in texts for token in [*text.encode(), 256]
        ]


class TestRandom:
    @CASES
    def test_segments_are_whole_pieces_of_documents(
        self, lengths: list[int], batch_size: int, length: int, seed: int
    ) -> None:
        shards = numbered(lengths)
        ends = np.cumsum(shards.lengths)
        stream = SegmentStream(shards, batch_size, length, seed=seed, mode="random")
        assert len(stream) == -(-shards.tokens // (batch_size * length))
        for batch in stream:
            assert batch.fresh.all()
            for ids, targets in zip(batch.ids.tolist(), batch.targets.tolist(), strict=True):
                real = [token for token in targets if token != IGNORED]
                document = int(np.searchsorted(ends, real[0]))
                first, last = int(ends[document] - shards.lengths[document]) + 1, int(ends[document])
                assert real == list(range(real[0], real[0] + min(length, last - first + 1)))
                assert real[-1] <= last
                assert ids[: len(real)] == [END if real[0] == first else real[0] - 1, *real[:-1]]

    def test_every_place_of_one_document_is_as_likely(self) -> None:
        stream = SegmentStream(numbered([14]), batch_size=2000, length=5, mode="random")
        counts = Counter(stream.batch_at(0, 0).targets[:, 0].tolist())
        assert sorted(counts) == list(range(1, 11))
        # Five standard deviations of a binomial count.
        assert all(abs(count - 200) < 5 * (2000 * 0.1 * 0.9) ** 0.5 for count in counts.values())

    @pytest.mark.parametrize("pack", [False, True])
    @pytest.mark.parametrize("length", [5, 20, 100])
    def test_each_document_gives_targets_in_proportion_to_its_tokens_as_carry_does(
        self, length: int, pack: bool
    ) -> None:
        lengths = [1, 4, 10, 25, 60]
        shards = TokenShards.from_documents([[number] * one for number, one in enumerate(lengths)], END)
        stream = SegmentStream(shards, 2000, length, mode="random", pack=pack)
        read = np.bincount(targets_of([stream.batch_at(0, 0)]))
        carried = np.bincount(targets_of(SegmentStream(shards, 1, length)))
        assert carried.tolist() == lengths
        assert read / read.sum() == pytest.approx(carried / carried.sum(), abs=0.03)

    def test_batches_differ(self) -> None:
        stream = SegmentStream(numbered([1000]), batch_size=8, length=5, mode="random")
        firsts = [tuple(stream.batch_at(epoch, step).targets[:, 0].tolist()) for epoch in (0, 1) for step in range(20)]
        assert len(set(firsts)) == 40


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("mode", ["carry", "random"])
class TestState:
    @pytest.fixture(autouse=True)
    def packed(self, pack: bool) -> None:
        self.pack = pack

    def stream(self, mode, **changes) -> SegmentStream:
        settings = {"batch_size": 2, "length": 4, "seed": 5, "mode": mode, "pack": self.pack, "cut": 2} | changes
        return SegmentStream(numbered([9, 1, 14, 3, 6]), **settings)

    def test_a_run_goes_on_from_any_batch(self, mode) -> None:
        stream = self.stream(mode)
        batches = [batch for _ in range(3) for batch in stream]
        epoch = len(stream)
        for done in range(2 * epoch + 1):
            stream = self.stream(mode)
            seen = 0
            while seen < done:
                for _ in stream:
                    seen += 1
                    if seen == done:
                        break
            state = stream.state_dict()
            resumed = self.stream(mode)
            resumed.load_state_dict(state)
            rest = [*resumed, *resumed][: len(batches) - done]
            assert all(same(*pair) for pair in zip(batches[done:], rest, strict=False))
            assert len(rest) >= epoch

    def test_the_state_survives_as_plain_values(self, mode, tmp_path: Path) -> None:
        stream = self.stream(mode)
        next(iter(stream))
        torch.save(stream.state_dict(), tmp_path / "state.pt")
        assert torch.serialization.load(tmp_path / "state.pt", weights_only=True) == stream.state_dict()

    def test_iterating_again_goes_on(self, mode) -> None:
        stream, whole = self.stream(mode), list(self.stream(mode))
        first = next(iter(stream))
        assert all(same(*pair) for pair in zip(whole, [first, *stream], strict=True))

    def test_looking_at_a_batch_moves_nothing(self, mode) -> None:
        stream = self.stream(mode)
        looked = stream.batch_at(0, 2)
        assert same(list(stream)[2], looked)
        assert (stream.epoch, stream.step) == (1, 0)

    @pytest.mark.parametrize(("epoch", "step"), [(0, -1), (0, 10_000), (-1, 0)])
    def test_a_batch_that_is_none_is_refused(self, mode, epoch: int, step: int) -> None:
        with pytest.raises(IndexError, match=f"batch {step} of epoch {epoch}: expected a batch in"):
            self.stream(mode).batch_at(epoch, step)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"length": 8}, "length was 4, is 8"),
            ({"seed": 6}, "seed was 5, is 6"),
            ({"batch_size": 3}, "rows was 2, is 3"),
            ({"shuffle": False}, "shuffle was True, is False"),
        ],
    )
    def test_other_settings_are_refused(self, mode, changes: dict, message: str) -> None:
        with pytest.raises(UserError, match=f"cannot be gone on with: {message}: set them back"):
            self.stream(mode, **changes).load_state_dict(self.stream(mode).state_dict())

    def test_other_tokens_are_refused(self, mode) -> None:
        other = SegmentStream(numbered([9]), 2, 4, seed=5, mode=mode, pack=self.pack)
        with pytest.raises(UserError, match="the run was trained on other token shards"):
            self.stream(mode).load_state_dict(other.state_dict())

    def test_ranks_see_together_what_one_process_sees(self, mode) -> None:
        alone = self.stream(mode, batch_size=6)
        ranks = [self.stream(mode, batch_size=2, rank=rank, world=3) for rank in range(3)]
        assert {len(stream) for stream in ranks} == {len(alone)}
        for batch, *parts in zip(alone, *ranks, strict=True):
            assert sorted(targets_of([batch])) == sorted(targets_of(parts))
            if not self.pack:
                for whole, pieces in zip(batch[:3], zip(*(part[:3] for part in parts), strict=True), strict=True):
                    assert torch.equal(torch.stack(pieces, dim=1).flatten(0, 1), whole)
        state = ranks[1].state_dict()
        assert state == ranks[0].state_dict() == alone.state_dict()
        alone.load_state_dict(state)

    def test_shapes_and_types(self, mode) -> None:
        batch = next(iter(self.stream(mode)))
        assert (batch.ids.dtype, batch.targets.dtype, batch.fresh.dtype) == (torch.int64, torch.int64, torch.bool)
        if not self.pack:
            assert (batch.ids.shape, batch.targets.shape, batch.fresh.shape) == ((2, 4), (2, 4), (2,))
            return
        assert batch.cu_seqlens is not None
        assert batch.goes_on is not None
        assert batch.ids.shape == batch.targets.shape == (1, batch.cu_seqlens[-1])
        assert batch.fresh.shape == batch.goes_on.shape == (len(batch.cu_seqlens) - 1,)

    def test_a_state_from_before_packing_is_one_without_it(self, mode) -> None:
        state = self.stream(mode).state_dict()
        del state["settings"]["pack"], state["settings"]["cut"]
        if self.pack:
            with pytest.raises(UserError, match="pack was False, is True"):
                self.stream(mode).load_state_dict(state)
        else:
            self.stream(mode).load_state_dict(state)


class TestPacked:
    @CASES
    @pytest.mark.parametrize(("cut", "begun"), [(1, 0), (3, 0), (4, 3)])
    def test_pieces_put_together_by_what_is_carried_are_the_documents(
        self, lengths: list[int], batch_size: int, length: int, seed: int, cut: int, begun: int
    ) -> None:
        length += cut - 1
        shards = numbered(lengths)
        starts = {1 + int(before) for before in np.concatenate([[0], np.cumsum(shards.lengths)[:-1]])}
        stream = SegmentStream(shards, batch_size, length, seed=seed, pack=True, cut=cut, begun=begun)
        batches = list(stream)
        carried: list[tuple[int, int]] = []  # of each document that goes on, its last token and tokens so far
        for number, batch in enumerate(batches):
            assert batch.cu_seqlens is not None
            assert batch.goes_on is not None
            borders, waiting, carried = batch.cu_seqlens.tolist(), iter(carried), []
            assert borders == sorted(set(borders))
            assert borders[-1] < batch_size * (length + cut)
            pieces = zip(itertools.pairwise(borders), batch.fresh.tolist(), batch.goes_on.tolist(), strict=True)
            for (begin, end), fresh, goes_on in pieces:
                ids, targets = (x[0, begin:end].tolist() for x in (batch.ids, batch.targets))
                if targets == [IGNORED]:
                    assert (len(borders), fresh, goes_on) == (2, True, False)
                    continue
                assert targets == list(range(targets[0], targets[-1] + 1))
                assert not starts & set(targets[1:])
                assert ids == [END if targets[0] in starts else targets[0] - 1, *targets[:-1]]
                before, read = (targets[0] - 1, begun) if fresh else next(waiting)
                assert before == targets[0] - 1
                assert not fresh or targets[0] in starts or number == 0
                if goes_on:
                    carried.append((targets[-1], read + len(targets)))
                    assert carried[-1][1] % cut == 0
            assert not list(waiting)
        assert not carried
        assert sorted(targets_of(batches)) == list(range(1, shards.tokens + 1))

    def test_there_is_no_padding(self) -> None:
        shards = numbered([140] * 100)
        stream = SegmentStream(shards, 4, 256, pack=True, cut=32)
        assert len(stream) == -(-14_000 // 4 // 256)
        batches = list(stream)
        assert all((batch.targets != IGNORED).all() for batch in batches)
        assert all(abs(batch.ids.numel() - 1024) < 4 * 32 for batch in batches[:-1])
        # Without packing 45% of the positions are padding.
        assert len(SegmentStream(shards, 4, 256)) == 25

    def test_random_rows_are_filled_with_documents(self) -> None:
        stream = SegmentStream(numbered([3, 5, 40]), 4, 16, mode="random", pack=True)
        batches = list(stream)
        assert all((batch.targets != IGNORED).all() and batch.ids.numel() == 64 for batch in batches)
        assert max(len(batch.fresh) for batch in batches) > 4
        assert not any(batch.goes_on.any() for batch in batches if batch.goes_on is not None)

    def test_dropping_leaves_rows_of_one_length(self) -> None:
        stream = SegmentStream(numbered([7] * 11), 2, 6, pack=True, drop_last=True)
        batches = list(stream)
        assert len(batches) == len(stream) == 77 // 12
        assert all((batch.targets != IGNORED).all() for batch in batches)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"length": 0}, "length must be at least 1, got 0"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"mode": "packed"}, "mode must be one of carry, random, got 'packed'"),
        ({"pack": True, "cut": 3}, "cut must be at most the length of a segment, 2, got 3"),
        ({"cut": 0}, "cut must be at least 1, got 0"),
        ({"rank": 2, "world": 2}, r"rank must be in \[0, 2\), the number of processes, got 2"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        SegmentStream(numbered([5]), **dict[str, Any](batch_size=1, length=2) | settings)


def test_shards_without_a_token_are_refused() -> None:
    with pytest.raises(UserError, match="the shards hold no token"):
        SegmentStream(TokenShards.from_documents([], END), 1, 2)
