import pytest

from forecasting.benchmark.datasets import BENCHMARKS
from forecasting.network.mixers import GRUMixer, IdentityMixer, MemoryMixer
from forecasting.settings.presets import (
    BENCHMARK_RECIPES,
    CONTROLS,
    HORIZON_RECIPES,
    MIXERS,
    PRESETS,
    Recipe,
    benchmark_recipe,
    find_preset,
    with_mixer,
)
from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.experiment.overrides import override

ALL = [*PRESETS.values(), *BENCHMARK_RECIPES.values(), *HORIZON_RECIPES.values()]


def test_every_table_is_of_known_sets_and_of_memory_recipes():
    assert set(BENCHMARK_RECIPES) <= set(BENCHMARKS)
    assert {name for name, _ in HORIZON_RECIPES} <= set(BENCHMARKS)
    assert all(isinstance(recipe.network.mixer, MemoryMixer) for recipe in ALL)
    assert MIXERS == ("memory", *CONTROLS)


@pytest.mark.parametrize("recipe", ALL)
def test_a_recipe_survives_being_written_and_read(recipe: Recipe):
    assert from_dict(to_dict(recipe), Recipe) == recipe


def test_benchmark_recipe_prefers_the_horizon_then_the_set_then_the_default(monkeypatch: pytest.MonkeyPatch):
    special = override(BENCHMARK_RECIPES["ETTh1"], {"batch_size": 7})
    monkeypatch.setitem(HORIZON_RECIPES, ("ETTh1", 720), special)
    assert benchmark_recipe("ETTh1", 720) is special
    assert benchmark_recipe("ETTh1", 96) is not special
    assert benchmark_recipe("ILI", 24).network.cycle.periods == ()


def test_with_mixer_changes_the_mixer_alone():
    recipe = benchmark_recipe("ETTh1", 96)
    assert with_mixer(recipe, "memory") == recipe
    control = with_mixer(recipe, "identity")
    assert control.network.mixer == IdentityMixer()
    assert override(control, {"network.width": 8}).network.width == 8
    assert isinstance(with_mixer(control, "memory").network.mixer, MemoryMixer)
    assert with_mixer(recipe, "gru").network.mixer == GRUMixer()
    assert control.optimiser == recipe.optimiser


def test_override_reaches_nested_fields_and_keeps_the_original():
    recipe = Recipe()
    changed = override(recipe, {"optimiser.lr": 1, "network.cycle.periods": [24], "batches_per_epoch": 5})
    assert (changed.optimiser.lr, changed.network.cycle.periods, changed.batches_per_epoch) == (1.0, (24,), 5)
    assert type(changed.optimiser.lr) is float
    assert recipe == Recipe()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimiser.rate": 1}, r"optimiser.rate: unknown field, expected one of lr, schedule"),
        ({"batch_size.x": 1}, r"batch_size is 64, which has no fields: set batch_size itself"),
        ({"optimiser.lr": "fast"}, r"optimiser.lr: expected a number, got 'fast'"),
        ({"optimiser.lr": -1.0}, r"optimiser: lr must be above 0, got -1.0"),
    ],
)
def test_override_names_what_is_wrong(changes: dict, message: str):
    with pytest.raises(UserError, match=message):
        override(Recipe(), changes)


def test_unknown_names_are_answered_with_the_known_ones():
    with pytest.raises(UserError, match=r"unknown preset 'smalll': expected one of small, .*did you mean 'small'"):
        find_preset("smalll")
    with pytest.raises(UserError, match=r"unknown mixer 'mamba': expected one of memory, identity"):
        with_mixer(Recipe(), "mamba")
