"""The table of presets says what the presets are."""

from dataclasses import fields

import pytest

from benchmarks.presets_table import constructor, presets_table
from titans_seq import memory
from titans_seq.memory import (
    PRESETS,
    ChannelDecay,
    ConstantDecay,
    GradientDescent,
    Huber,
    LqNormalisation,
    MemoryRule,
    MLPMemory,
    Muon,
    Preset,
    SlidingWindow,
)


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (LqNormalisation(), "LqNormalisation()"),
        (LqNormalisation(ChannelDecay(), over="row"), "LqNormalisation(ChannelDecay(), over='row')"),
        (SlidingWindow(Muon()), "SlidingWindow(Muon())"),
        (MLPMemory(depth=1), "MLPMemory(depth=1)"),
        (Huber("norm", 0.5), "Huber(form='norm', delta=0.5)"),
        (ConstantDecay((0.5, 1.0)), "ConstantDecay(keeps=(0.5, 1.0))"),
        (MemoryRule(algorithm=GradientDescent()), "MemoryRule(algorithm=GradientDescent())"),
    ],
    ids=str,
)
def test_a_choice_is_written_with_what_is_not_the_default(choice: object, written: str) -> None:
    assert constructor(choice) == written


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_written_makes_the_choice_again(name: str) -> None:
    rule = PRESETS[name].rule
    assert eval(constructor(rule), dict(vars(memory))) == rule


def test_every_preset_has_two_whole_lines() -> None:
    lines = presets_table(PRESETS).splitlines()
    for name, known in PRESETS.items():
        choices, source = [line for line in lines if line.startswith(f"| `{name}` |")]
        cells = [cell.strip().strip("`") for cell in choices.strip("| ").split(" | ")]
        axes = [getattr(known.rule, field.name) for field in fields(MemoryRule)]
        assert cells == [name, *map(constructor, axes[:4]), axes[4]]
        assert source.replace(r"\|", "").count("|") == 5


def test_pipes_and_papers() -> None:
    known = Preset(MemoryRule(), "W / |W|", "arXiv 2501.00663, 2504.13173", "|r| is a length")
    line = presets_table({"one": known}).splitlines()[-1]
    assert line == (
        r"| `one` | `W / \|W\|` | arXiv [2501.00663](https://arxiv.org/abs/2501.00663), "
        r"[2504.13173](https://arxiv.org/abs/2504.13173) | \|r\| is a length |"
    )
