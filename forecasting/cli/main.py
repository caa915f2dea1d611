"""`titans forecast`: a table of verbs, each handled by a function that is imported only when it runs."""

import difflib
import importlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from titans_seq.errors import UserError


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        options: name of its class in `options`; the first line of its docstring is its help.
        handler: where its function stands, as `module:function`, called with an instance of that class.
        examples: command lines for its help, after the program's name.
    """

    options: str
    handler: str
    help: str
    examples: tuple[str, ...]


VERBS: dict[str, Verb] = {
    "train": Verb(
        "Train",
        "train:train",
        "train a forecaster on a file",
        (
            "data.csv --horizon 96 --context 96 --out runs/x",
            "sales.csv --horizon 12 --known price --missing-value -9999 --out runs/sales",
            "--resume --out runs/x",
            "--config runs/x --seed 1 --out runs/y",
        ),
    ),
    "evaluate": Verb(
        "Evaluate",
        "verbs:evaluate",
        "score every window of the test part, beside the baselines",
        ("runs/x", "runs/x --part validation"),
    ),
    "backtest": Verb(
        "BacktestOptions",
        "verbs:backtest",
        "forecast from several past cutoffs, and score the forecasts",
        ("runs/x", "runs/x --windows 10 --step 24"),
    ),
    "predict": Verb(
        "Predict",
        "verbs:predict",
        "forecast the future, with dates and quantiles",
        ("runs/x", "runs/x --out forecast.csv --levels 0.05 0.5 0.95", "runs/x new.csv --out forecast.csv"),
    ),
    "plot": Verb(
        "Plot",
        "verbs:plot",
        "draw the forecast, the training curve and the error over the horizon",
        ("runs/x", "runs/x --series north --out north.png"),
    ),
    "benchmark": Verb(
        "Benchmark",
        "benchmark:benchmark",
        "one run of the long-horizon benchmark",
        (
            "ETTh1 --data-dir ../shared/data/forecasting --horizon 96",
            "ETTm1 --horizon 336 --mixer identity --seed 1 --out results/",
        ),
    ),
    "info": Verb("Info", "verbs:info", "say what a run folder or a data file holds", ("runs/x", "data.csv")),
}


def main(argv: Sequence[str], prog: str = "titans forecast") -> int:
    """Run one command line of the group and return its exit code.

    Args:
        argv: the arguments after the group's name.
        prog: the program name to show in the help.

    Raises:
        UserError: the input is wrong; the message says what to do.

    Example:
        >>> main(["train", "--help"])  # doctest: +ELLIPSIS
        usage: titans forecast train ...
        0
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(_help(prog))
        return 0 if argv else 2
    name, rest = argv[0], argv[1:]
    if name not in VERBS:
        close = difflib.get_close_matches(name, VERBS, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"see {prog} --help"
        raise UserError(f"unknown verb '{name}': expected one of {', '.join(VERBS)}; {hint}")
    verb = VERBS[name]
    try:
        options = _parse(verb, rest, f"{prog} {name}")
    except SystemExit as end:  # help was asked for, or the parser has said what is wrong
        return end.code if isinstance(end.code, int) else 2
    module, function = verb.handler.split(":")
    getattr(importlib.import_module(f".{module}", __package__), function)(options)
    return 0


def _parse(verb: Verb, arguments: Sequence[str], prog: str) -> Any:
    import tyro

    from . import options

    cls = getattr(options, verb.options)
    examples = "\n".join(f"  {prog} {example}" for example in verb.examples)
    return tyro.cli(
        cls,
        prog=prog,
        args=arguments,
        description=f"{inspect.getdoc(cls)}\n\nexamples:\n{examples}",
        config=(tyro.conf.DisallowNone, tyro.conf.FlagCreatePairsOff),
    )


def _help(prog: str) -> str:
    width = max(map(len, VERBS)) + 2
    rows = "\n".join(f"  {name:<{width}}{verb.help}" for name, verb in VERBS.items())
    firsts = "\n".join(f"  {prog} {name} {verb.examples[0]}" for name, verb in VERBS.items())
    return (
        f"usage: {prog} VERB ...\n\n"
        "Train, evaluate and use a forecaster on your own series.\n\n"
        f"verbs:\n{rows}\n\n"
        "options:\n"
        f"  -h, --help   show this help; `{prog} VERB --help` shows a verb's\n\n"
        f"examples:\n{firsts}"
    )
