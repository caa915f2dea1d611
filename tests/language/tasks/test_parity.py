import pytest
import torch

from language.tasks import IGNORE, Parity
from titans_seq.errors import UserError


def solve(ids: list[int]) -> dict[int, int]:
    end = ids.index(2)
    assert set(ids[:end]) <= {0, 1}
    assert set(ids[end + 1 :]) <= {3}
    return {end: ids[:end].count(1) % 2}


@pytest.mark.parametrize("shortest", [None, 1, 3])
def test_the_answer_is_the_parity_of_the_bits(check_solved, shortest):
    check_solved(Parity(shortest), solve, (4, 5, 41, 257))


def test_all_numbers_of_bits_are_equally_likely_or_there_is_one():
    ids, targets = Parity(shortest=2).batch(20_000, 6, torch.Generator().manual_seed(0))
    shares = torch.bincount((ids == 2).int().argmax(dim=1), minlength=6) / 20_000
    assert (shares[2:] - 1 / 4).abs().max() < 0.02
    assert (ids[ids < 2].float().mean() - 0.5).abs() < 0.01
    assert (targets[targets != IGNORE].float().mean() - 0.5).abs() < 0.02
    assert (Parity().batch(20, 6, torch.Generator()).ids[:, -1] == 2).all()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(UserError, match=r"parity: length must be at least 4 \(bits 3, equals sign 1\), got 3"):
        Parity(shortest=3).batch(1, 3, torch.Generator())
    with pytest.raises(ValueError, match="shortest must be at least 1, got 0"):
        Parity(shortest=0)
