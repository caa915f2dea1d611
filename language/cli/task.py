"""`titans lm task`: small models on a task that asks for memory, trained, tested at many lengths, compared."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from titans_seq.commands import Maybe, SeedOptions, Several, changes, short
from titans_seq.errors import UserError
from titans_seq.files import write_text
from titans_seq.progress import Progress, usual

if TYPE_CHECKING:
    from ..trials import TrialSettings

STANDARD_MODELS = ("lmm", "transformer", "window")


@dataclass(frozen=True)
class TrainingOptions:
    """What is not given is the task's own setting."""

    steps: Maybe[int] = short("training.steps")
    """Most training steps; training stops early when validation is good enough."""
    batch: Maybe[int] = short("training.batch")
    """Sequences of a step."""
    lr: Annotated[tuple[float, ...] | None, arg(help_behavior_hint="")] = short("training.lr")
    """Learning rate; of several, validation chooses one for each model."""
    schedule: Maybe[Literal["cosine", "constant"]] = short("training.schedule")
    """How the learning rate goes after its warm-up."""
    stop_at: Maybe[float] = short("validation.stop_at")
    """Validation score at which training stops."""
    tests: Maybe[int] = short("testing.tests")
    """Sequences of a test; fewer where they are very long."""


@dataclass(frozen=True)
class ModelOptions:
    """What is not given is the task's own setting."""

    memory_rule: Maybe[str] = short("model.memory_rule")
    """A preset of the memory: titans, titans_linear, deltanet, ..."""
    chunk_size: Maybe[int] = short("model.chunk_size")
    """Tokens of a memory's chunk."""
    window: Maybe[int] = short("model.window")
    """Tokens that window attention sees, and of a segment of MAC."""
    dim: Maybe[int] = short("model.dim")
    """Width."""
    depth: Maybe[int] = short("model.depth")
    """Blocks."""
    heads: Maybe[int] = short("model.heads")
    """Heads of attention and memory."""


@dataclass(frozen=True)
class TaskTrial:
    """Train small models of equal size on a task, and test them at many times the length.

    Models: mac, mag, mal and lmm; transformer (attention over everything) and window (over the last tokens), the
    controls; mac-no-memory and so on, the same models with a memory that never learns; mac-recall and so on, with one
    that looks up what followed tokens like the present one. Finished runs are not run again when the same command is
    given again.
    """

    name: Positional[Maybe[str]] = None
    """The task; --list shows all."""
    list_tasks: Annotated[bool, arg(name="list")] = False
    """Show the tasks, and do nothing else."""
    model: Several = ()
    """A model, once for each; lmm, transformer and window if left out."""
    out: Path = Path("runs/tasks")
    """Folder of results: trials.jsonl, and for each task a table (.md) and a picture (.png)."""
    data: Maybe[Path] = None
    """Folder with babi, books and scan in it, for tasks that are made from files."""
    set: Annotated[Several, arg(metavar="PATH=VALUE")] = ()
    """Change any other setting of the trial, such as model.convolution=0; give it once for each."""
    longest: Maybe[int] = None
    """No test is longer; attention over everything takes time with the square of it."""
    progress: Progress = field(default_factory=usual)
    """What to show meanwhile; in a file, lines if not given."""
    seeds: OmitArgPrefixes[SeedOptions] = field(default_factory=SeedOptions)
    training: OmitArgPrefixes[TrainingOptions] = field(default_factory=TrainingOptions)
    models: OmitArgPrefixes[ModelOptions] = field(default_factory=ModelOptions)

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it comes to late, each with its extra."""
        return {} if self.list_tasks else {"matplotlib": "language"}


def task(options: TaskTrial) -> None:
    """Run what is not there yet, then show and write the table and the picture."""
    from ..tasks import TASKS

    if options.list_tasks:
        width = max(map(len, TASKS)) + 2
        print("\n".join(f"{name:<{width}}{recipe.summary} ({recipe.source})" for name, recipe in TASKS.items()))
        return
    if options.name is None:
        raise UserError("no task given: titans lm task --list shows all")
    from ..trials import Plan, run_trials
    from ..trials.progress import shown
    from ..trials.rows import ROWS

    if options.data is not None and options.name in TASKS and not TASKS[options.name].needs_data:
        raise UserError(f"--data is for tasks that are made from files, and {options.name} is made up: leave it out")
    plan = Plan(
        options.name,
        options.model or STANDARD_MODELS,
        options.seeds.numbers(),
        settings(options),
        options.data,
        options.longest,
    )
    options.out.mkdir(parents=True, exist_ok=True)
    with shown(options.progress) as progress:
        run_trials(plan, options.out / ROWS, progress)
    report(options.out, options.name)


def settings(options: TaskTrial) -> "TrialSettings":
    """Return the task's own settings, with the changes of a command line."""
    from titans_seq.experiment.overrides import override, parse_changes

    from ..trials import default_settings

    assert options.name is not None
    short = changes(options.training) | changes(options.models)
    return override(default_settings(options.name), short | parse_changes(options.set))


def report(out: Path, name: str) -> None:
    """Print a task's table, and write it and the picture from all rows in a folder.

    Args:
        out: folder of results.
        name: of the task.

    Raises:
        UserError: if the folder has no row of the task.
    """
    from rich.console import Console

    from ..optional import load_optional
    from ..tasks import TASKS
    from ..trials import markdown, summarise, tables, trial_rows
    from ..trials.rows import ROWS

    summaries = summarise(row for row in trial_rows(out / ROWS) if row["task"] == name)
    if not summaries:
        raise UserError(f"{out / ROWS}: no finished trial of {name}: run one first")
    for table in tables(summaries):
        # A table cut to a narrow window would lose its numbers.
        width = Console(width=1_000).measure(table).maximum
        console = Console(width=max(width, Console().width))
        with console.capture() as shown:
            console.print(table)
        print(shown.get(), end="")
    document, picture = out / f"{name}.md", out / f"{name}.png"
    write_text(document, markdown(summaries))
    load_optional("matplotlib", "drawing the picture")
    from ..trials.picture import draw

    draw(summaries, TASKS[name].train_length, picture)
    print(f"written: {out / ROWS}, {document}, {picture}")
