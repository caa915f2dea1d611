import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from language.data.shards import prepare
from language.data.token_shards import TokenShards
from language.evaluation.perplexity import evaluate_texts
from language.evaluation.recency import attention_window, count_pairs, losses_by_recency, pair_distances, pair_keys
from language.inference.text import TextTokens
from language.tokenizers import ByteTokenizer
from tests.language.small_models import small
from titans_seq.errors import UserError
from titans_seq.models import language_model

END = 9
DOCUMENTS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=40), min_size=1, max_size=3)


def slow_distances(tokens: list[int]) -> list[int]:
    """The definition, pair by pair."""
    pairs = list(pairwise([END, *tokens]))
    return [
        next((back for back in range(1, place + 1) if pairs[place - back] == pair), 0)
        for place, pair in enumerate(pairs)
    ]


def slow_place(distance: int, window: int) -> int:
    ranges = [0, window, 2 * window, 8 * window, 64 * window, math.inf]
    return next(place for place, end in enumerate(ranges) if distance <= end)


@given(DOCUMENTS, DOCUMENTS, st.integers(1, 3), st.integers(1, 4))
def test_it_is_what_the_definition_says(
    documents: list[list[int]], trained_on: list[list[int]], window: int, rare: int
) -> None:
    random = np.random.default_rng(0)
    losses = [random.random((2, len(document))) for document in documents]
    shards = TokenShards.from_documents([[*document, END] for document in trained_on], END)
    seen = [pair for document in trained_on for pair in pairwise([END, *document, END])]
    parts = losses_by_recency(
        [(np.array(document), *loss) for document, loss in zip(documents, losses, strict=True)],
        END,
        window,
        shards,
        rare,
    )
    assert [part.rare for part in parts] == [None] * 6 + [True] * 6 + [False] * 6
    expected: dict[tuple[object, int], list[np.ndarray]] = {}
    for document, loss in zip(documents, losses, strict=True):
        pairs = list(pairwise([END, *document]))
        for place, distance in enumerate(slow_distances(document)):
            for group in (None, seen.count(pairs[place]) < rare):
                expected.setdefault((group, slow_place(distance, window)), []).append(loss[:, place])
    for number, part in enumerate(parts):
        wanted = expected.get((part.rare, number % 6), [])
        assert part.tokens == len(wanted)
        if wanted:
            assert [part.carried, part.cut] == pytest.approx(np.mean(wanted, axis=0))
        else:
            assert math.isnan(part.carried)
    assert [(part.first, part.last) for part in parts[:6]] == [
        (0, 0), (1, window), (window + 1, 2 * window), (2 * window + 1, 8 * window), (8 * window + 1, 64 * window),
        (64 * window + 1, None),
    ]  # fmt: skip


def test_large_ids_and_far_pairs() -> None:
    tokens = np.concatenate([[2**31 - 1, 5], np.arange(10, 5000), [2**31 - 1, 5]]).astype(np.int64)
    distances = pair_distances(pair_keys(tokens, END))
    assert distances.tolist() == [0] * (len(tokens) - 1) + [4992]


def test_pairs_are_counted_over_blocks_and_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("abab\n-\nab\n-\nba")
    prepare([tmp_path / "a.txt"], ByteTokenizer(), tmp_path / "out", separator="-", shard_tokens=4)
    shards = TokenShards.open(tmp_path / "out")
    keys = pair_keys(np.frombuffer(b"ab", np.uint8), 256)
    for block in (1, 2, 3, 1000):
        monkeypatch.setattr("language.evaluation.recency._BLOCK", block)
        assert count_pairs(shards, keys).tolist() == [2, 3]
    unended = TokenShards.from_documents([[1, 2], [2, 3]], END)
    assert count_pairs(unended, pair_keys(np.array([2, 2]), END)).tolist() == [1, 0]


@pytest.mark.parametrize("piece", [16, 64])
def test_an_evaluation_splits_its_losses(tmp_path: Path, piece: int) -> None:
    trained = small("lmm")
    (tmp_path / "a.txt").write_text("to be or not to be, that is to be")
    texts = [TextTokens(tmp_path / "a.txt", trained.tokenizer)] * 2
    result = evaluate_texts(trained, texts, 16, window=4, piece=piece)
    assert (result.window, len(result.by_recency)) == (4, 6)
    assert sum(part.tokens for part in result.by_recency) == result.tokens
    total = sum(part.tokens * part.carried for part in result.by_recency if part.tokens)
    assert total / result.tokens == pytest.approx(result.carried)
    with pytest.raises(UserError, match="the window must be at least 1 token, got 0"):
        evaluate_texts(trained, texts, 16, window=0)


def test_what_attention_sees() -> None:
    assert [attention_window(language_model(f"tiny-{name}")) for name in ("mac", "mal", "window", "transformer")] == [
        64, 64, 64, None,
    ]  # fmt: skip
