from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from language.data.mixture import Mixture
from language.data.shards import prepare
from language.data.stream import IGNORED, SegmentStream
from language.data.token_shards import TokenShards
from language.tokenizers import ByteTokenizer, CharacterTokenizer
from titans_seq.errors import UserError

END = 0


def part(token: int, documents: int, length: int) -> TokenShards:
    """Documents that all hold one token, but for their last, which tells them apart."""
    return TokenShards.from_documents(
        [[token] * (length - 1) + [1000 + number] for number in range(documents)], end_of_document=END
    )


def mixture(weights: tuple[float, float] = (3, 1)) -> Mixture:
    return Mixture([part(1, 40, 10), part(2, 10, 25)], weights)


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_part_has_its_share_of_the_tokens_from_document_to_document(shuffle: bool) -> None:
    mixed = mixture()
    for epoch in range(3):
        order = mixed.order(0, epoch, shuffle)
        lengths = mixed.lengths[order]
        first = order < 40
        assert abs(lengths.sum() - 650) < 50
        shares = np.cumsum(lengths * first) / np.cumsum(lengths)
        assert (abs(shares[8:] - 0.75) < 25 / np.cumsum(lengths)[8:] + 0.02).all()


def test_a_part_goes_through_all_its_documents_before_it_begins_anew() -> None:
    mixed = mixture()
    read = np.concatenate([mixed.order(3, epoch, True) for epoch in range(16)])
    for documents in (read[read < 40], read[read >= 40]):
        counts = Counter(documents.tolist())
        assert max(counts.values()) - min(counts.values()) <= 1
        turns = documents[: len(documents) // len(counts) * len(counts)].reshape(-1, len(counts))
        assert all(len(set(turn)) == len(counts) for turn in turns.tolist())
        assert turns[0].tolist() != turns[1].tolist()


def test_equal_weights_of_one_part_are_that_part() -> None:
    alone = Mixture([part(1, 7, 5)], [2.0])
    assert sorted(alone.order(0, 4, True)) == list(range(7))
    assert alone.order(0, 4, False).tolist() == list(range(7))


@pytest.mark.parametrize("mode", ["carry", "random"])
@pytest.mark.parametrize("pack", [False, True])
def test_a_stream_reads_it_and_goes_on_from_any_batch(mode, pack: bool) -> None:
    def stream() -> SegmentStream:
        return SegmentStream(mixture(), 2, 8, seed=1, mode=mode, pack=pack)

    def told(batch) -> tuple:
        return tuple(None if x is None else x.tolist() for x in batch)

    whole = stream()
    batches = [told(batch) for _ in range(3) for batch in whole]
    assert whole.epoch == 3
    for done in range(0, len(batches), 29):
        before, after = stream(), stream()
        rest = (batch for _ in range(3) for batch in before)
        for _ in range(done):
            next(rest)
        after.load_state_dict(before.state_dict())
        again = [told(batch) for _ in range(3) for batch in after][: len(batches) - done]
        assert again == batches[done : done + len(again)]
        assert len(again) >= len(batches) - done - len(after)
    tokens = Counter(token for _, targets, *_ in batches for row in targets for token in row if token != IGNORED)
    assert tokens[1] * 10 / 9 / (tokens[1] * 10 / 9 + tokens[2] * 25 / 24) == pytest.approx(0.75, abs=0.05)


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("weights", [(1, 1), (9, 1)])
def test_random_segments_keep_the_shares_of_short_and_long_documents(weights: tuple[int, int], pack: bool) -> None:
    short = TokenShards.from_documents([[1] * 20] * 250, END)
    long = TokenShards.from_documents([[2] * 100] * 5 + [[2] * 3000], END)
    stream = SegmentStream(Mixture([short, long], weights), 600 if pack else 3000, 64, mode="random", pack=pack)
    targets = stream.batch_at(0, 0).targets
    counts = [int((targets == token).sum()) for token in (1, 2)]
    assert counts[0] / sum(counts) == pytest.approx(weights[0] / sum(weights), abs=0.03)


def test_other_weights_are_another_run() -> None:
    state = SegmentStream(mixture(), 2, 8).state_dict()
    with pytest.raises(UserError, match="was trained on other token shards"):
        SegmentStream(mixture((1, 1)), 2, 8).load_state_dict(state)
    SegmentStream(mixture((6, 2)), 2, 8).load_state_dict(state)


def test_documents_are_found_by_their_number() -> None:
    mixed = mixture()
    assert (mixed[39].tolist(), mixed[40].tolist()) == ([1] * 9 + [1039], [2] * 24 + [1000])
    with pytest.raises(IndexError, match="document 50 of 50"):
        mixed[50]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ((1,), "one weight for each of its shards, got 1 for 2"),
        ((1, 0), "weights of a mixture must be above 0, got 1, 0"),
        ((1, float("nan")), "must be above 0, got 1, nan"),
    ],
)
def test_wrong_weights_are_refused(weights: tuple[float, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Mixture([part(1, 2, 2), part(2, 2, 2)], weights)


def test_folders_are_opened_if_their_tokens_mean_the_same(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("abab")
    prepare([tmp_path / "a.txt"], ByteTokenizer(), tmp_path / "one")
    prepare([tmp_path / "a.txt"], ByteTokenizer(), tmp_path / "two")
    prepare([tmp_path / "a.txt"], CharacterTokenizer("ab"), tmp_path / "three")
    mixed = Mixture.open([tmp_path / "one", tmp_path / "two"], [1, 1])
    assert (len(mixed), mixed.tokens) == (2, 10)
    with pytest.raises(UserError, match="three were made with another tokenizer than those in"):
        Mixture.open([tmp_path / "one", tmp_path / "three"], [1, 1])
    with pytest.raises(UserError, match="holds no token"):
        Mixture([TokenShards.from_documents([], 9)], [1])
    with pytest.raises(UserError, match="different tokenizers"):
        Mixture([part(1, 1, 1), TokenShards.from_documents([[1]], 9)], [1, 1])
