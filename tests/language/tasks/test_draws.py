import torch

from language.tasks import draws
from language.tasks.draws import draw_distinct, draw_lengths, first_occurrence, numpy_generator


def test_distinct_numbers_are_uniform_in_every_place():
    drawn = draw_distinct(30_000, 3, 5, torch.Generator().manual_seed(0))
    assert drawn.shape == (30_000, 3)
    assert all(len(set(row)) == 3 for row in drawn[:200].tolist())
    shares = torch.nn.functional.one_hot(drawn, 5).float().mean(dim=0)
    assert (shares - 0.2).abs().max() < 0.01


def test_distinct_numbers_of_many_rows_are_drawn_in_parts(monkeypatch):
    monkeypatch.setattr(draws, "_MOST_NUMBERS_AT_ONCE", 50)
    drawn = draw_distinct(11, 4, 10, torch.Generator().manual_seed(0))
    assert drawn.shape == (11, 4)
    assert all(len(set(row)) == 4 for row in drawn.tolist())


def test_lengths_are_uniform_or_the_longest():
    assert draw_lengths(4, None, 7, torch.Generator()).tolist() == [[7]] * 4
    lengths = draw_lengths(30_000, 2, 4, torch.Generator().manual_seed(0))
    assert lengths.shape == (30_000, 1)
    shares = torch.bincount(lengths.flatten(), minlength=5) / 30_000
    assert shares[:2].tolist() == [0, 0]
    assert (shares[2:] - 1 / 3).abs().max() < 0.01


def test_first_occurrence_equals_a_search():
    codes = torch.randint(6, (5, 40), generator=torch.Generator().manual_seed(0))
    expected = [[row.index(code) for code in row] for row in codes.tolist()]
    assert first_occurrence(codes).tolist() == expected


def test_the_numpy_generator_depends_on_the_state_alone():
    first, second = (torch.Generator().manual_seed(3) for _ in range(2))
    a, b = numpy_generator(first), numpy_generator(second)
    assert a.integers(1 << 60) == b.integers(1 << 60)
    # Each call moves the state on, so that two batches differ.
    assert numpy_generator(first).integers(1 << 60) != numpy_generator(first).integers(1 << 60)
