"""What a domain owes to an inspection: a model, and how it reads the input."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn


@dataclass(frozen=True)
class Request:
    """What is to be inspected.

    Attributes:
        run: folder of a run, or what else names a model.
        input: file to read.
        tokens: of the input that the model reads, at most; at least 1.
        part: name of the record or series to read; None for the first.
        horizon: steps to forecast; None for those of the run.
        device: "auto", "cpu" or "cuda".
    """

    run: Path
    input: Path
    tokens: int
    part: str | None = None
    horizon: int | None = None
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class Opened:
    """A model before an input.

    Attributes:
        model: in evaluation mode.
        read: reads the input with it, and returns the output.
        title: what is read.
        labels: a few characters for each token that the memories read.
        loss: of an output, in `loss_unit`; None where no answer is known.
        loss_unit: in words.
        row: of what the memories read, the one that pictures show.
        turned: names of modules whose memories read from the end.
        notes: what was decided, one sentence each.
    """

    model: nn.Module
    read: Callable[[], Tensor]
    title: str
    labels: Sequence[str]
    loss: Callable[[Tensor], float] | None = None
    loss_unit: str = ""
    row: int = 0
    turned: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
