import pytest
import torch

from language.tasks import InductionHeads
from titans_seq.errors import UserError


def solve(ids: list[int]) -> dict[int, int]:
    special = max(ids)
    assert ids.count(special) == 2
    assert ids[-1] == special
    return {len(ids) - 1: ids[ids.index(special) + 1]}


def test_the_answer_follows_the_special_token(check_solved):
    check_solved(InductionHeads(symbols=5), solve, (3, 4, 17, 256))


def test_the_recipe_has_sixteen_symbols_and_one_more():
    assert InductionHeads().vocabulary == 17
    assert InductionHeads().batch(1, 3, torch.Generator()).ids[0, -1] == 16


def test_places_and_answers_are_uniform():
    ids, targets = InductionHeads(symbols=4).batch(20_000, 6, torch.Generator().manual_seed(0))
    places = (ids[:, :-1] == 4).float().mean(dim=0)
    assert (places[:4] - 1 / 4).abs().max() < 0.02
    assert places[4] == 0
    answers = torch.bincount(targets[:, -1], minlength=4) / 20_000
    assert (answers - 1 / 4).abs().max() < 0.02


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UserError, match=r"length must be at least 3 \(special token 1, its follower 1, special"):
        InductionHeads().batch(1, 2, torch.Generator())
    with pytest.raises(ValueError, match="symbols must be at least 1, got 0"):
        InductionHeads(symbols=0)
