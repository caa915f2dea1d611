"""`titans plan`: what the training of a model of any domain costs, before it starts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from titans_seq.commands import Command, CommandGroup
from titans_seq.errors import UserError, choose, require_at_least
from titans_seq.extras import needing

if TYPE_CHECKING:
    from torch import nn

    from titans_seq.planning import Assumptions, Device, Plan
    from titans_seq.planning.counting import Step
    from titans_seq.planning.report import Words

COMMANDS: dict[str, Command] = {
    "lm": Command(
        "language.cli.plan:PlanOptions",
        "language.cli.plan:plan",
        "the training of a language model; the word lm may be left out",
        (
            "--preset mac-340m",
            "--preset mag-760m --device h200 --devices 16 --rows 8 --tokens 30e9",
            "--preset lmm-170m --set model.blocks.0.memory.chunk_size=64 --length 4096",
            "--preset tiny-mag --device cpu-core --devices 1 --measure",
            "--config runs/y --devices 1",
            "--device list",
        ),
    ),
    "forecast": Command(
        "forecasting.cli.plan:PlanOptions",
        "forecasting.cli.plan:plan",
        "the training of a forecaster on a file",
        ("data.csv --horizon 96", "data.csv --horizon 96 --preset large --device a100", "--config runs/x --measure"),
    ),
    "dna": Command(
        "genomics.cli.plan:PlanOptions",
        "genomics.cli.plan:plan",
        "the training of a DNA classifier on labelled sequences",
        ("data/", "data/ --preset large --device rtx4090", "--config runs/z --measure"),
    ),
}
EXTRAS = {"lm": "language", "forecast": "forecasting", "dna": "genomics"}


@dataclass(frozen=True)
class DeviceOptions:
    """What to train on, and what is assumed of it."""

    device: str = "cpu-core"
    """What to train on, by the table of devices; `list` prints it."""
    devices: int = 1
    """How many of it."""
    efficiency: float = 0.4
    """Assumed share of the peak that large products reach."""
    memory_efficiency: float = 0.1
    """Assumed share of the peak that a memory's small products reach."""
    measure: bool = False
    """Train for four steps on this machine's CPU, too, of each batch that is counted, and say how long they took."""

    def __post_init__(self) -> None:
        require_at_least(self, devices=1)
        for name in ("efficiency", "memory_efficiency"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"{name} must be in (0, 1], got {getattr(self, name)}")

    def lists(self) -> bool:
        """Print the table of devices, if that was asked for, and say so."""
        if self.device != "list":
            return False
        from titans_seq.planning.report import device_table

        print(device_table())
        return True

    def described(self) -> "Device":
        """Return the device's data sheet.

        Raises:
            UserError: if the table has none.
        """
        from titans_seq.planning import DEVICES

        return DEVICES[choose(self.device, DEVICES, "device", hint="see titans plan --device list")]

    def assumptions(self) -> "Assumptions":
        """Return what is assumed."""
        from titans_seq.planning import Assumptions

        return Assumptions(self.efficiency, self.memory_efficiency)

    def say(
        self,
        made: "Plan",
        words: "Words",
        timed: "Callable[[], tuple[nn.Module, Sequence[tuple[Step, float]]]]",
        room: str = "",
    ) -> None:
        """Print a plan, and what a step takes here, if that was asked for.

        Args:
            made: the plan.
            words: what it is of.
            timed: returns the model, and what computes its losses, each with how many batches it stands for.
            room: what fits, where the batch does not.
        """
        from titans_seq.planning import time_steps
        from titans_seq.planning.report import measured, text

        print(text(made, words, self.described(), self.assumptions(), room))
        if self.measure:
            print("\n" + measured(time_steps(*timed(), made.batch.half), made, words))


def main(argv: Sequence[str], prog: str = "titans plan") -> int:
    """Run the command and return its exit code.

    Args:
        argv: the arguments after the command's name; without a domain they are of a language model.
        prog: the program name to show in the help.

    Raises:
        UserError: the input is wrong; the message says what to do.

    Example:
        >>> main(["--help"])  # doctest: +ELLIPSIS
        usage: titans plan ...
        0
    """
    bare = argv and argv[0].startswith("-") and argv[0] not in ("-h", "--help")
    arguments = ["lm", *argv] if bare else list(argv)
    extra = EXTRAS.get(arguments[0]) if arguments else None
    with needing(f"`{prog} {arguments[0] if arguments else ''}`", extra):
        return CommandGroup("What a training costs: parameters, FLOPs, memory, hours.", COMMANDS)(arguments, prog)
