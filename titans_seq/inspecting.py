"""`titans inspect`: what the memories of a run of any domain do over an input."""

import importlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from titans_seq.commands import Command, Maybe
from titans_seq.errors import UserError, require_at_least
from titans_seq.extras import check_packages, needing

if TYPE_CHECKING:
    from titans_seq.inspection import Inspection
    from titans_seq.inspection.opened import Opened, Request

PRETRAINED = Path("pretrained")
"""Names the forecaster that comes with the package."""


@dataclass(frozen=True)
class Domain:
    """What opens the runs of one domain.

    Attributes:
        opener: a function of a `Request`, as `module:function`; it returns an `Opened`.
        extra: of the distribution that installs what it needs.
    """

    opener: str
    extra: str


FORECASTING = Domain("forecasting.inspecting:open_input", "forecasting")

# By a key of a saved model's configuration, and for forecasters by the start of their format.
DOMAINS = {
    "language_model": Domain("language.inspecting:open_input", "language"),
    "dna_classifier": Domain("genomics.inspecting:open_input", "genomics"),
    "titans-forecaster": FORECASTING,
    "titans-zero-shot": FORECASTING,
}


@dataclass(frozen=True)
class Inspect:
    """Show what every memory of a trained model does over an input, and whether it is used at all.

    Of each layer and head: how far the gates stand open, how much each token surprises (the norm of the inner loss's
    gradient), how the memory's weights grow, how many directions its keys take up (their effective rank), and which
    tokens' writes later queries find. The model then reads the input again, without what a memory was read for, and
    with the memory frozen at its first weights: what changes of the output is what the memory is for.

    Written are overview.png, a picture for each memory, summary.tsv (a row a head), and every number in memories.npz.
    """

    run: Positional[Path]
    """Folder of a run of titans lm, forecast or dna; or the word pretrained, for the forecaster of the package."""
    input: Positional[Path]
    """What it reads: a text file, a file of series, or sequences."""
    out: Path
    """Folder for what is written."""
    tokens: int = 512
    """Characters, bases, or other tokens that are read, at most: a text's first, a series' last."""
    part: Maybe[str] = None
    """Name of the record, or of the series; the first if not given."""
    horizon: Maybe[int] = None
    """Steps to forecast; those of the run if not given."""
    queries: int = 32
    """Tokens whose reads are traced back to what was written, evenly spread."""
    format: Literal["png", "svg", "pdf"] = "png"
    """Of the pictures."""
    overwrite: bool = False
    """Write over what an earlier inspection left in --out."""
    device: Annotated[Literal["auto", "cpu", "cuda"], arg(help_behavior_hint="")] = "auto"
    """What to compute on; auto takes a GPU if there is one."""

    def __post_init__(self) -> None:
        require_at_least(self, tokens=2, queries=1)


COMMAND = Command(
    "titans_seq.inspecting:Inspect",
    "titans_seq.inspecting:inspect",
    "see whether the memories of a run are used, and how",
    (
        "runs/y book.txt --out seen/",
        "runs/y book.txt --tokens 2048 --out seen/",
        "runs/z new.fa --part enhancer7 --out seen/",
        "runs/x data.csv --part north --out seen/",
        "pretrained data.csv --horizon 24 --out seen/",
    ),
)


def inspect(options: Inspect) -> None:
    """Open, look, say what was seen, and write it.

    Raises:
        UserError: if a path is wrong, or there is nothing to inspect.
    """
    from titans_seq.inspection import inspect_memories, verdict, verdict_of_all
    from titans_seq.inspection.opened import Request

    _check_out(options)
    if not options.input.exists():
        raise UserError(f"{options.input}: no such file: check the path")
    request = Request(options.run, options.input, options.tokens, options.part, options.horizon, options.device)
    opened = _opened(request)
    try:
        seen = inspect_memories(opened.model, opened.read, loss=opened.loss, queries=options.queries, row=opened.row)
    except ValueError as error:
        raise UserError(
            f"{options.run}: there is nothing to inspect: {error}; take a run with a memory in it, and one input"
        ) from error
    for note in opened.notes:
        print(f"note: {note}")
    print(f"{opened.title}: {len(opened.labels):,} tokens, {len(seen.memories)} memories")
    for memory in seen.memories:
        print(f"{memory.name}: {verdict(memory)}")
    if len(seen.memories) > 1:
        print(verdict_of_all(seen.together, len(seen.memories)))
    print("changes of the output are over its own deviation from its mean" + _unit(opened))
    for path in _write(seen, opened, options):
        print(f"written: {path}")


def _unit(opened: "Opened") -> str:
    return f"; losses are in {opened.loss_unit}, more is worse" if opened.loss is not None else ""


def _check_out(options: Inspect) -> None:
    out = options.out
    if out.exists() and not out.is_dir():
        raise UserError(f"--out {out} is a file: give the name of a folder")
    if out.is_dir() and any(out.iterdir()):
        from titans_seq.inspection.writing import TABLE

        if not (out / TABLE).is_file():
            raise UserError(f"--out {out} holds other files: give the name of a new or empty folder")
        if not options.overwrite:
            raise UserError(f"--out {out} holds an earlier inspection: give another folder, or add --overwrite")


def _opened(request: "Request") -> "Opened":
    domain = FORECASTING if request.run == PRETRAINED and not request.run.exists() else _domain(request.run)
    module, name = domain.opener.split(":")
    what = "`titans inspect` of this run"
    check_packages(what, {"matplotlib": domain.extra})
    with needing(what, domain.extra):
        opener: Callable[[Request], Opened] = getattr(importlib.import_module(module), name)
        return opener(request)


def _domain(run: Path) -> Domain:
    from titans_seq.checkpoint import CONFIG
    from titans_seq.config import read_yaml
    from titans_seq.models.saving import MODEL

    if not run.is_dir():
        what = "a file" if run.exists() else "not there"
        raise UserError(f"{run} is {what}: give the folder of a run, or the word {PRETRAINED} to forecast without one")
    path = next((path for path in (run / MODEL / CONFIG, run / CONFIG) if path.is_file()), None)
    if path is None:
        raise UserError(f"{run} is no run: it has no {CONFIG}: check the path")
    saved = read_yaml(path)
    kinds = [*saved, str(saved.get("format"))]
    found = next((DOMAINS[key] for key in DOMAINS for kind in kinds if kind.startswith(key)), None)
    if found is None:
        raise UserError(
            f"{run} holds no finished language model, DNA classifier or forecaster: finish its training with --resume, "
            "or give another run"
        )
    return found


def _write(seen: "Inspection", opened: "Opened", options: Inspect) -> list[Path]:
    """Write all files aside, and let them take the place of an earlier inspection's once they are whole."""
    from titans_seq.inspection.pictures import draw_memory, draw_overview
    from titans_seq.inspection.writing import write_numbers

    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=out) as aside:
        written = write_numbers(seen, opened.labels, Path(aside))
        written.append(Path(aside, f"overview.{options.format}"))
        draw_overview(seen, written[-1], opened.title)
        for number, memory in enumerate(seen.memories):
            turned = any(memory.name.startswith(f"{name}.") for name in opened.turned)
            labels = list(opened.labels)[::-1] if turned else opened.labels
            written.append(Path(aside, f"memory-{number}.{options.format}"))
            draw_memory(memory, written[-1], opened.title + (", read from the end" if turned else ""), labels)
        for old in (*out.glob("overview.*"), *out.glob("memory-*.*")):
            old.unlink()
        return [path.replace(out / path.name) for path in written]
