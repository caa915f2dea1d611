import itertools

import numpy as np
import pytest
import torch

from language.tasks import (
    IGNORE,
    Compression,
    FuzzyRecall,
    InContextRecall,
    MADSelectiveCopying,
    Memorization,
    class_accuracy,
)
from titans_seq.errors import UserError


def solve_recall(ids: list[int], keys: range) -> dict[int, int]:
    """The value of every key seen before, at the key."""
    known: dict[int, int] = {}
    answers: dict[int, int] = {}
    for t in range(0, len(ids), 2):
        key, value = ids[t : t + 2]
        if key in keys:
            if key in known:
                answers[t] = known[key]
            assert known.setdefault(key, value) == value
    return answers


def solve_fuzzy(ids: list[int], size: int) -> dict[int, int]:
    """All tokens of every value whose key motif was seen before; runs of keys and of values tell motifs apart."""

    def kind(token: int) -> str:
        return "padding" if token == size - 1 else "key" if token < (size - 1) // 2 else "value"

    runs = [(name, list(run)) for name, run in itertools.groupby(enumerate(ids), lambda item: kind(item[1]))]
    assert [name for name, _ in runs[1:]] == ["key", "value"] * ((len(runs) - 1) // 2) + ["key"] * (len(runs) % 2 == 0)
    known: dict[tuple[int, ...], tuple[int, ...]] = {}
    answers: dict[int, int] = {}
    motifs = [(run[0][0], tuple(token for _, token in run)) for _, run in runs[1:]]
    for index in range(0, len(motifs), 2):
        start, key = motifs[index]
        value = motifs[index + 1][1] if index + 1 < len(motifs) else ()
        assert len(set(key)) == len(key)
        if key in known:
            assert value == known[key][: len(value)]
            answers |= dict(zip(itertools.count(start + len(key) - 1), known[key], strict=False))
        else:
            known[key] = value
    return answers


def test_recall_asks_for_values_of_keys_seen_before(check_solved):
    check_solved(InContextRecall(), lambda ids: solve_recall(ids, range(8)), (4, 6, 128, 1_024))
    check_solved(InContextRecall(size=128), lambda ids: solve_recall(ids, range(64)), (128,))


@pytest.mark.parametrize("noise", [0.2, 0.8])
def test_noisy_recall_asks_nothing_of_noise(check_solved, noise):
    task = InContextRecall(32, noise_tokens=16, noise=noise)
    check_solved(task, lambda ids: solve_recall(ids, range(8)), (4, 128))
    ids, targets = task.batch(500, 128, torch.Generator().manual_seed(0))
    pairs = ids.view(500, 64, 2)
    noisy = (pairs >= 16).all(dim=2)
    assert torch.equal(noisy, (pairs >= 16).any(dim=2))
    assert not noisy[:, -1].any()
    assert noisy[:, :-1].float().mean() == pytest.approx(noise, abs=0.03)
    assert (targets[:, -2] != IGNORE).all()
    values = ids[:, 1::2][~noisy]
    assert values.min() == 8
    assert values.max() == 15


def test_the_last_key_is_one_of_those_shown_whatever_its_count():
    # Two keys, shown three times and once: each is asked last in half of the sequences.
    ids, _ = InContextRecall(size=4).batch(40_000, 10, torch.Generator().manual_seed(0))
    keys = ids[:, 0::2]
    uneven = keys[:, :4].sum(dim=1) == 1
    assert keys[uneven, 4].float().mean() == pytest.approx(0.5, abs=0.02)


def test_training_asks_for_every_next_token():
    for task in (InContextRecall(training=True), FuzzyRecall(training=True)):
        ids, targets = task.batch(5, 64, torch.Generator().manual_seed(0))
        assert torch.equal(targets[:, :-1], ids[:, 1:])
    ids = FuzzyRecall(training=True).batch(50, 64, torch.Generator().manual_seed(0)).ids
    assert all(solve_fuzzy(row, 16) for row in ids.tolist())
    assert (InContextRecall(training=True).batch(5, 64, torch.Generator()).targets[:, -1] == IGNORE).all()


@pytest.mark.parametrize(("size", "motif"), [(16, 3), (9, 2), (15, 3), (64, 3), (5, 1)])
def test_fuzzy_recall_asks_for_values_of_keys_seen_before(check_solved, size, motif):
    task = FuzzyRecall(size, motif)

    def solve(ids: list[int]) -> dict[int, int]:
        answers = solve_fuzzy(ids, size)
        return {t: answer for t, answer in answers.items() if t < len(ids)}

    # The final value is cut off from the ids, so nothing but its repetition can tell where it ends.
    for length in (6 * motif, 6 * motif + 1, 128, 513):
        ids, targets = task.batch(30, length, torch.Generator().manual_seed(length))
        for row, asked in zip(ids.tolist(), targets.tolist(), strict=True):
            answers = solve(row)
            assert asked == [answers.get(t, IGNORE) for t in range(length)]
            assert asked[-1] != IGNORE


def test_fuzzy_recall_draws_motif_sizes_as_the_source_does():
    for training, sizes in ((False, [0, 0, 1]), (True, [1 / 3, 1 / 3, 1 / 3])):
        ids, _ = FuzzyRecall(training=training).batch(2_000, 128, torch.Generator().manual_seed(0))
        # The first key of every sequence: no choice has been made yet that depends on sizes.
        first = [
            next(list(run) for is_key, run in itertools.groupby(row, lambda i: i < 7) if is_key) for row in ids.tolist()
        ]
        shares = np.bincount([len(key) for key in first], minlength=4)[1:] / 2_000
        np.testing.assert_allclose(shares, sizes, atol=0.04)
        tokens = np.bincount([token for key in first for token in key], minlength=7)
        np.testing.assert_allclose(tokens / tokens.sum(), 1 / 7, atol=0.02)


def test_fuzzy_recall_pads_in_front_by_less_than_two_pairs():
    ids, _ = FuzzyRecall().batch(500, 128, torch.Generator().manual_seed(0))
    padding = (ids == 15).sum(dim=1)
    assert ((ids == 15) == (torch.arange(128) < padding.unsqueeze(1))).all()
    assert padding.min() >= 1
    assert padding.max() <= 7


def solve_selective(ids: list[int]) -> dict[int, int]:
    """Data below 14, 14 is blank, 15 the copy token."""
    copy = ids.index(15)
    assert set(ids[copy + 1 :]) == {14}
    assert ids[copy - 1] != 14
    data = [token for token in ids[:copy] if token != 14]
    return dict(zip(range(copy + 1, len(ids)), data, strict=True))


def test_selective_copying_asks_for_the_data_in_order(check_solved):
    check_solved(MADSelectiveCopying(), solve_selective, (33, 34, 256, 1_024))


def test_every_blank_chooses_the_data_token_it_stands_before():
    ids, _ = MADSelectiveCopying(copied=2, size=5).batch(20_000, 8, torch.Generator().manual_seed(0))
    before_first = (ids != 3).int().argmax(dim=1)
    shares = torch.bincount(before_first, minlength=4) / 20_000
    torch.testing.assert_close(shares, torch.tensor([1, 3, 3, 1]) / 8, atol=0.02, rtol=0)


def test_compression_asks_for_its_input_from_the_last_output():
    task = Compression()
    ids, targets = task.batch(50, 32, torch.Generator().manual_seed(0))
    assert task.readout == "last"
    assert torch.equal(ids, targets)
    assert (ids[:, -1] == 15).all()
    assert set(ids[:, :-1].unique().tolist()) == set(range(15))
    # Chance: always saying the same token, and the compression token for free.
    guess = torch.zeros_like(ids)
    guess[:, -1] = 15
    assert class_accuracy(guess, targets) == pytest.approx(2 / 16)


def test_memorization_has_the_map_of_the_source(check_solved):
    # The source shuffles lists of one-token tuples and zips them, the longer one cut.
    chance = np.random.default_rng(12345)
    keys, values = [(i,) for i in range(127)], [(i,) for i in range(127, 255)]
    chance.shuffle(keys)
    chance.shuffle(values)
    known = {key: value for (key,), (value,) in zip(keys, values, strict=False)}

    def solve(ids: list[int]) -> dict[int, int]:
        assert set(ids[1::2]) == {255}
        return {t + 1: known[ids[t]] for t in range(0, len(ids), 2)}

    check_solved(Memorization(), solve, (2, 32, 100))


def test_memorization_keeps_its_map():
    assert torch.equal(Memorization(seed=1).values, Memorization(seed=1).values)
    assert not torch.equal(Memorization(seed=1).values, Memorization(seed=2).values)


def test_what_cannot_be_drawn_is_refused():
    chance = torch.Generator()
    with pytest.raises(UserError, match=r"in-context recall: length must be at least 4 \(a pair 2, the same again 2\)"):
        InContextRecall().batch(1, 3, chance)
    with pytest.raises(UserError, match="in-context recall: length must be even"):
        InContextRecall().batch(1, 5, chance)
    with pytest.raises(
        UserError, match=r"fuzzy recall: length must be at least 18 \(three pairs of the largest motifs"
    ):
        FuzzyRecall().batch(1, 17, chance)
    with pytest.raises(
        UserError, match=r"MAD selective copying: length must be at least 33 \(data 16, copy token 1, an"
    ):
        MADSelectiveCopying().batch(1, 32, chance)
    with pytest.raises(UserError, match="compression: length must be at least 2"):
        Compression().batch(1, 1, chance)
    with pytest.raises(UserError, match="memorization: length must be even"):
        Memorization().batch(1, 31, chance)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: InContextRecall(size=17, noise_tokens=16), "size must be at least 18, got 17"),
        (lambda: InContextRecall(noise=1.0, noise_tokens=2), r"noise must be in \[0, 1\), got 1.0"),
        (lambda: InContextRecall(noise=0.5), "noise_tokens must be at least 1 where noise is above 0, got noise 0.5"),
        (lambda: InContextRecall(noise_tokens=-1), "noise_tokens must be at least 0, got -1"),
        (lambda: FuzzyRecall(size=6), "size must be at least 7, got 6"),
        (lambda: FuzzyRecall(motif=0), "motif must be at least 1, got 0"),
        (lambda: MADSelectiveCopying(size=2), "size must be at least 3, got 2"),
        (lambda: MADSelectiveCopying(copied=0), "copied must be at least 1, got 0"),
        (lambda: Compression(size=1), "size must be at least 2, got 1"),
        (lambda: Memorization(size=2), "size must be at least 3, got 2"),
    ],
)
def test_settings_without_meaning_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
