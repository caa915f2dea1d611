import pytest
import torch

from language.tasks import IGNORE, Copy, SelectiveCopying, VectorCopy
from titans_seq.errors import UserError


def solve_selective(ids: list[int]) -> dict[int, int]:
    marker = max(ids)
    begin = ids.index(marker)
    assert set(ids[begin:]) == {marker}
    data = [token for token in ids[:begin] if token != 0]
    return dict(zip(range(begin, len(ids)), data, strict=True))


def solve_copy(ids: list[int]) -> dict[int, int]:
    """Answers of whole strings; letters are below 5, 5 starts, 6 separates, 7 ends."""
    answers: dict[int, int] = {}
    begin = 0
    while begin < len(ids):
        assert ids[begin] == 5
        if 6 not in ids[begin:]:
            break
        separator = ids.index(6, begin)
        string = ids[begin + 1 : separator]
        end = separator + len(string) + 1
        if end > len(ids):
            break
        assert ids[separator + 1 : end] == string
        answers |= dict(zip(range(separator, end), [*string, 7], strict=True))
        begin = end + 1
    return answers


def solve_vectors(ids: list[int]) -> dict[int, int]:
    """Vectors are below 16, 16 delimits, 17 is blank, 18 pads."""
    delimiter = ids.index(16)
    blanks = ids.count(17)
    assert ids[delimiter + 1 :] == [17] * blanks + [18] * (len(ids) - delimiter - 1 - blanks)
    return dict(zip(range(delimiter + 1, delimiter + 1 + blanks), ids[:delimiter], strict=True))


def test_selective_copying_asks_for_the_data_in_order(check_solved):
    check_solved(SelectiveCopying(copied=4, size=6), solve_selective, (8, 9, 33, 64))
    check_solved(SelectiveCopying(), solve_selective, (4_096,), batch_size=3)


def test_selective_copying_spreads_the_data_evenly():
    ids, targets = SelectiveCopying(copied=2, size=5).batch(20_000, 8, torch.Generator().manual_seed(0))
    assert ((ids[:, :6] != 0).float().mean(dim=0) - 1 / 3).abs().max() < 0.02
    shares = torch.bincount(targets[:, -2:].flatten(), minlength=4) / 40_000
    assert shares[0] == 0
    assert (shares[1:] - 1 / 3).abs().max() < 0.02


def test_copy_asks_for_the_string_and_its_end(check_solved):
    check_solved(Copy(symbols=5), solve_copy, (4, 6, 30, 602))


def test_copy_of_a_single_string_fills_the_length():
    ids, targets = Copy(symbols=5).batch(3, 12, torch.Generator().manual_seed(0))
    assert (ids[:, 6] == 6).all()
    assert (targets[:, 6:] != IGNORE).all()
    assert (targets[:, -1] == 7).all()


@pytest.mark.parametrize("packed", [(1, 1), (1, 4), (3, 5), (6, 6)])
def test_packed_strings_ask_for_all_but_a_cut_copy(check_solved, packed):
    check_solved(Copy(symbols=5, packed=packed), solve_copy, (15, 40, 41, 200))


def test_packed_strings_have_all_lengths():
    ids, _ = Copy(symbols=3, packed=(2, 4)).batch(2_000, 100, torch.Generator().manual_seed(0))
    first = (ids == 4).int().argmax(dim=1) - 1
    shares = torch.bincount(first, minlength=5) / 2_000
    assert shares[:2].sum() == 0
    assert (shares[2:] - 1 / 3).abs().max() < 0.05


@pytest.mark.parametrize("shortest", [None, 1, 2])
def test_vectors_are_asked_for_in_order(check_solved, shortest):
    check_solved(VectorCopy(bits=4, shortest=shortest), solve_vectors, (5, 41, 241))


def test_the_number_of_vectors_varies_only_if_asked():
    varying = VectorCopy(shortest=1).batch(200, 41, torch.Generator().manual_seed(0)).targets
    assert set((varying != IGNORE).sum(dim=1).tolist()) == set(range(1, 21))
    fixed = VectorCopy().batch(20, 41, torch.Generator().manual_seed(0)).targets
    assert ((fixed != IGNORE).sum(dim=1) == 20).all()


def test_what_cannot_be_drawn_is_refused():
    chance = torch.Generator()
    with pytest.raises(
        UserError, match=r"selective copying: length must be at least 32 \(data tokens 16, markers 16\)"
    ):
        SelectiveCopying().batch(1, 31, chance)
    with pytest.raises(UserError, match="copy: length must be even, because tokens come in pairs, got 7: give 8"):
        Copy().batch(1, 7, chance)
    with pytest.raises(UserError, match=r"copy: length must be at least 602 \(start 1, string 300, separator 1, its"):
        Copy(packed=(1, 300)).batch(1, 601, chance)
    with pytest.raises(UserError, match=r"vector copy: length must be odd .* got 6: give 7"):
        VectorCopy().batch(1, 6, chance)
    with pytest.raises(UserError, match=r"vector copy: length must be at least 5 \(vectors 2, delimiter 1, blanks 2\)"):
        VectorCopy(shortest=2).batch(1, 4, chance)
    VectorCopy(shortest=2).batch(1, 6, chance)
    with pytest.raises(ValueError, match=r"packed must be \(shortest, longest\) .* got \(3, 2\)"):
        Copy(packed=(3, 2))
    with pytest.raises(ValueError, match="bits must be from 1 to 16, got 17"):
        VectorCopy(bits=17)
    with pytest.raises(ValueError, match="shortest must be at least 1, got 0"):
        VectorCopy(shortest=0)
    with pytest.raises(ValueError, match="symbols must be at least 1, got 0"):
        Copy(symbols=0)
    with pytest.raises(ValueError, match="size must be at least 3, got 2"):
        SelectiveCopying(size=2)
    with pytest.raises(ValueError, match="copied must be at least 1, got 0"):
        SelectiveCopying(copied=0)
