"""Made-up series: what a seed gives, every family and effect by itself, and refusals."""

from dataclasses import asdict

import numpy as np
import pytest

from forecasting.synthetic.components import RISING, mostly_up, seasons, standardise
from forecasting.synthetic.generator import EFFECTS, FAMILIES, generate
from forecasting.synthetic.settings import Effects, Families, GeneratorConfig
from titans_seq.errors import UserError

PINNED = [20.285, 20.961, 20.581, 20.006, 19.878, 17.956]
NOTHING = Effects(**dict.fromkeys(asdict(Effects()), 0.0))


def only(family: str) -> Families:
    return Families(**(dict.fromkeys(FAMILIES, 0.0) | {family: 1.0}))


def test_the_names_of_families_and_effects_are_those_of_their_weights() -> None:
    assert list(asdict(Families())) == list(FAMILIES)
    assert list(asdict(Effects())) == [name for name, _ in EFFECTS]


def test_a_seed_gives_the_same_series_again() -> None:
    batches = [generate(np.random.default_rng(7), 12, 64) for _ in range(2)]
    np.testing.assert_array_equal(batches[0].values, batches[1].values)
    np.testing.assert_array_equal(batches[0].observed, batches[1].observed)
    assert batches[0].families == batches[1].families
    other = generate(np.random.default_rng(8), 12, 64)
    assert not np.array_equal(batches[0].values, other.values)


def test_what_a_seed_gives_is_pinned() -> None:
    batch = generate(np.random.default_rng(0), 6, 24)
    digest = np.abs(np.sort(standardise(batch.values), axis=1)).sum(1).round(3)
    np.testing.assert_allclose(digest, PINNED, atol=2e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("length", [4, 12, 300])
def test_every_family_is_finite_and_moves(family: str, length: int) -> None:
    config = GeneratorConfig(only(family), NOTHING, gaps=0.0)
    batch = generate(np.random.default_rng(1), 20, length, config)
    assert batch.values.shape == (20, length)
    assert np.isfinite(batch.values).all()
    assert np.abs(batch.values).max() < 1e4
    assert (batch.values.std(1) > 0).mean() > 0.9
    assert batch.observed.all()
    assert set(batch.families) == {family}


@pytest.mark.parametrize("effect", [name for name, _ in EFFECTS])
def test_every_effect_changes_a_series_and_leaves_it_finite(effect: str) -> None:
    effects = Effects(**(asdict(NOTHING) | {effect: 1.0}))
    plain, changed = (
        generate(np.random.default_rng(3), 10, 60, GeneratorConfig(only("structural"), used, 0.0)).values
        for used in (NOTHING, effects)
    )
    assert np.isfinite(changed).all()
    assert not np.allclose(plain, changed)


def test_counts_are_whole_and_gaps_are_marked() -> None:
    counts = GeneratorConfig(effects=Effects(**(asdict(NOTHING) | {"counts": 1.0})), gaps=1.0)
    batch = generate(np.random.default_rng(4), 10, 60, counts)
    np.testing.assert_array_equal(batch.values, np.floor(batch.values))
    assert (batch.values >= 0).all()
    assert not batch.observed.all(1).any()


def test_a_season_repeats_where_nothing_drifts() -> None:
    pattern = seasons(np.random.default_rng(0), np.full(200, 6.0), 36)
    repeats = np.isclose(pattern[:, :-6], pattern[:, 6:]).all(1)
    assert 0.4 < repeats.mean() < 0.95  # a part of them changes strength, phase or shape


def test_periods_are_at_most_two_thirds_of_the_length() -> None:
    periods = generate(np.random.default_rng(5), 300, 30).periods
    assert periods.min() == 1
    assert periods.max() <= 20


def test_more_trends_lead_up_than_down() -> None:
    signs = mostly_up(np.random.default_rng(0), 4000)
    assert abs((signs > 0).mean() - RISING) < 0.03


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Families(structural=-1.0), "at least 0"),
        (lambda: Families(**dict.fromkeys(FAMILIES, 0.0)), "above 0"),
        (lambda: Effects(counts=1.5), r"probabilities, in \[0, 1\]"),
        (lambda: GeneratorConfig(gaps=-0.1), "gaps is a probability"),
    ],
)
def test_shares_out_of_range_are_refused(make, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()


def test_too_few_rows_or_steps_are_refused() -> None:
    with pytest.raises(ValueError, match="rows must be at least 1 and length at least 4"):
        generate(np.random.default_rng(0), 0, 10)
