from dataclasses import dataclass, field

import pytest

from titans_seq.blocks import LMMConfig
from titans_seq.errors import UserError
from titans_seq.experiment.overrides import override, parse_changes
from titans_seq.experiment.settings import OptimiserConfig
from titans_seq.layers import NeuralMemoryConfig
from titans_seq.memory import LinearMemory, MemoryRule, MLPMemory, Muon
from titans_seq.models import language_model


@dataclass(frozen=True)
class Config:
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    shares: tuple[float, ...] = (0.1, 0.2)
    head: OptimiserConfig | None = None


def test_a_path_changes_one_value_and_leaves_the_rest():
    changed = override(Config(), parse_changes(("optimiser.lr=3e-3", "shares=[0.5]", "head.clip=2")))
    assert changed == Config(OptimiserConfig(lr=3e-3), (0.5,), OptimiserConfig(clip=2.0))


def test_places_in_lists_and_other_kinds():
    model = language_model("tiny-lmm", vocabulary=10)
    changes = ("blocks.0.memory.chunk_size=8", "blocks.0.memory.rule.algorithm.kind=muon")
    (block,) = override(model, parse_changes(changes)).blocks
    assert isinstance(block, LMMConfig)
    assert block.memory.chunk_size == 8
    assert isinstance(block.memory.rule.algorithm, Muon)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("optimizer.lr=1", "optimizer: unknown field, expected one of .*; did you mean 'optimiser'"),
        ("optimiser.lr.x=1", "optimiser.lr is 0.001, which has no fields: set optimiser.lr itself"),
        ("optimiser.lr=fast", "optimiser.lr: expected a number, got 'fast'"),
        ("optimiser.lr=-1", "optimiser: lr must be above 0, got -1.0"),
        ("shares.7=1", "'7' is no place in a list of 2: expected 0 to 1"),
        ("optimiser", "expected path=value, such as"),
        ("optimiser.lr=[1", "--set optimiser.lr=.*: not valid YAML"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    with pytest.raises(UserError, match=message):
        override(Config(), parse_changes((change,)))


@pytest.mark.parametrize("kind_first", [True, False])
def test_a_kind_takes_away_no_field_that_is_set_beside_it(kind_first: bool) -> None:
    changes = {"rule.architecture.kind": "mlp", "rule.architecture.depth": 3}
    ordered = dict(list(changes.items())[:: 1 if kind_first else -1])
    changed = override(NeuralMemoryConfig(rule=MemoryRule(LinearMemory())), ordered)
    assert changed.rule.architecture == MLPMemory(depth=3)
