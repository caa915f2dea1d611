from collections import Counter

import pytest
import torch

from language.tasks import IGNORE, MQAR
from titans_seq.errors import UserError


def solve(ids: list[int], pairs: int) -> dict[int, int]:
    values = dict(zip(ids[: 2 * pairs : 2], ids[1 : 2 * pairs : 2], strict=True))
    assert len(values) == pairs
    return {t: values[ids[t]] for t in range(2 * pairs, len(ids)) if ids[t] in values}


@pytest.mark.parametrize(("pairs", "lengths"), [(1, (4, 6)), (4, (16, 64)), (8, (128,)), (16, (256,)), (64, (512,))])
def test_every_key_is_asked_once_for_its_value(check_solved, pairs, lengths):
    check_solved(MQAR(pairs), lambda ids: solve(ids, pairs), lengths)


@pytest.mark.parametrize(("length", "pairs"), [(16, 1), (64, 4), (130, 8), (256, 16), (1_024, 16)])
def test_short_sequences_hold_fewer_pairs(check_solved, length, pairs):
    check_solved(MQAR(16, tokens_a_pair=16), lambda ids: solve(ids, pairs), (length,))


def test_tokens_come_from_their_own_halves():
    ids, targets = MQAR(pairs=5, size=13).batch(400, 40, torch.Generator().manual_seed(0))
    keys, values = ids[:, 0:10:2], ids[:, 1:10:2]
    assert set(keys.unique().tolist()) == {1, 2, 3, 4, 5}
    assert set(values.unique().tolist()) == {6, 7, 8, 9, 10, 11, 12}
    assert all(len(set(row)) == 5 for row in values.tolist())
    asked = targets != IGNORE
    assert (asked.sum(dim=1) == 5).all()
    assert not asked[:, 11::2].any()
    assert (ids[:, 10:][~asked[:, 10:]] == 0).all()


def test_gaps_follow_the_power_law_without_replacement():
    # The chances of drawing gaps one after the other without replacement, by enumeration.
    weights = [g**-0.5 for g in range(1, 5)]
    first = [w / sum(weights) for w in weights]
    second = [sum(first[a] * weights[b] / (sum(weights) - weights[a]) for a in range(4) if a != b) for b in range(4)]
    ids, _ = MQAR(pairs=2, size=64, power=0.5).batch(40_000, 12, torch.Generator().manual_seed(0))
    queries = ids[:, 4::2]
    for key, chances in ((0, first), (2, second)):
        places = (queries == ids[:, key : key + 1]).float().argmax(dim=1)
        shares = torch.bincount(places, minlength=4) / 40_000
        torch.testing.assert_close(shares, torch.tensor(chances), atol=0.01, rtol=0)


def test_random_filler_leaves_the_questions_alone():
    plain, filled = (
        MQAR(4, random_filler=filler).batch(20, 64, torch.Generator().manual_seed(0)) for filler in (False, True)
    )
    assert torch.equal(plain.targets, filled.targets)
    assert torch.equal(plain.ids, filled.ids.where(plain.ids != 0, 0))
    counts = Counter(filled.ids[plain.ids == 0].tolist())
    assert len(counts) > 900
    assert max(counts) > 4_096 > min(counts)


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UserError, match=r"MQAR: length must be at least 32 \(8 pairs 16, queries two tokens apart 16"):
        MQAR(8).batch(1, 31, torch.Generator())
    with pytest.raises(UserError, match="length must be even, because tokens come in pairs, got 33: give 34"):
        MQAR(8).batch(1, 33, torch.Generator())
    with pytest.raises(ValueError, match="size must be at least 18, so that half of it has 8 different keys besides 0"):
        MQAR(8, size=17)
    MQAR(8, size=18).batch(1, 32, torch.Generator())
    with pytest.raises(ValueError, match="pairs must be at least 1, got 0"):
        MQAR(0)
    with pytest.raises(ValueError, match="power must be above 0, got 0"):
        MQAR(power=0)
    with pytest.raises(ValueError, match="tokens_a_pair must be at least 4, got 3"):
        MQAR(tokens_a_pair=3)
