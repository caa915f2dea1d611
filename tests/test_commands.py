"""How a command line becomes options: what is given wins over a preset, and that over the plain defaults."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from tyro.conf import OmitArgPrefixes, Positional

from titans_seq.commands import Command, CommandGroup, RunOptions, Several, changes, short
from titans_seq.errors import UserError
from titans_seq.experiment.settings import OptimiserConfig

SEEN: list[Any] = []


@dataclass(frozen=True)
class Options:
    """Train."""

    name: str
    """Of the run."""
    preset: str = "none"
    """Which settings to begin with."""
    overwrite: bool = False
    """Replace it."""
    set: Several = ()
    """Changes."""
    layers: int | None = short("network.layers")
    """Blocks."""
    optimiser: OmitArgPrefixes[OptimiserConfig] = field(default_factory=OptimiserConfig)

    def defaults(self) -> Mapping[str, Any]:
        return {} if self.preset == "none" else {"optimiser": OptimiserConfig(lr=0.5, clip=0.25)}


def handle(options: Any) -> None:
    """Note what came."""
    SEEN.append(options)


def parsed(*arguments: str) -> Options:
    commands = {"train": Command(f"{__name__}:Options", f"{__name__}:handle", "train", ("--name x",))}
    assert CommandGroup("A demo.", commands)(["train", "--name", "x", *arguments], "titans demo") == 0
    return SEEN.pop()


def test_the_command_line_wins_over_the_preset_even_with_the_plain_default() -> None:
    assert parsed().optimiser == OptimiserConfig()
    assert parsed("--preset", "fast").optimiser == OptimiserConfig(lr=0.5, clip=0.25)
    assert parsed("--preset", "fast", "--lr", "1e-3").optimiser == OptimiserConfig(lr=1e-3, clip=0.25)


@dataclass(frozen=True)
class Resumable:
    """Train."""

    run: OmitArgPrefixes[RunOptions]
    files: Positional[tuple[str, ...]] = ()
    """Read."""
    steps: int = 5
    """Made."""
    optimiser: OmitArgPrefixes[OptimiserConfig] = field(default_factory=OptimiserConfig)

    def resumable(self) -> tuple[str, ...]:
        return ("steps",)


def resumed(*arguments: str) -> Resumable:
    assert Command(f"{__name__}:Resumable", f"{__name__}:handle", "train", ("",))(["--out", "x", *arguments], "t") == 0
    return SEEN.pop()


@pytest.mark.parametrize(
    ("arguments", "unread"),
    [
        (("--lr", "0.001"), "--lr"),
        (("--lr=0.001", "--weight_decay", "0.1", "--steps", "5"), "--lr, --weight-decay"),
        (("a", "b"), "a, b"),
        (("--overwrite", "--dry-run", "a"), "--overwrite, --dry-run, a"),
    ],
)
def test_what_a_resumed_run_would_not_read_is_refused_whatever_its_value(
    arguments: tuple[str, ...], unread: str
) -> None:
    with pytest.raises(
        UserError, match=f"and would not read {unread}: leave out all options but --out, --steps, --acc"
    ):
        resumed("--resume", *arguments)
    assert resumed(*arguments).run.resume is False
    assert resumed("--resume", "--steps", "5", "--progress", "none", "--logger=x").steps == 5


def test_flags_and_lists_mean_the_same_with_a_preset() -> None:
    given = ("--overwrite", "--set", "a=1", "--set", "b=2", "--layers", "3")
    for options in (parsed(*given), parsed(*given, "--preset", "fast")):
        assert (options.overwrite, options.set) == (True, ("a=1", "b=2"))
        assert changes(options) == {"network.layers": 3}
    assert changes(parsed()) == {}


def test_what_settings_refuse_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="^lr must be above 0, got -1.0$"):
        parsed("--lr", "-1")
    with pytest.raises(UserError, match="unknown command 'trian': expected one of train; did you mean 'train'"):
        CommandGroup("", {"train": Command("", "", "", ("",))})(["trian"], "titans demo")
    assert capsys.readouterr() == ("", "")
