"""Evaluations as `train` and `evaluate` show and write them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from titans_seq.progress import Progress

from ..baselines import SmallCNN
from ..evaluation import BootstrapOptions, Evaluation, Model, class_table, table
from ..evaluation.writing import PREDICTIONS, write_evaluations, write_predictions
from ..runs.comparison import Comparison, chosen_baselines, compare
from ..runs.decision import UNDECIDED, Decision
from ..sequences.values import LabelledSequences, Splits
from .options import ComparisonOptions
from .progress import note

_SHOWN = 41
_FOLD_SCORES = ("accuracy", "mcc", "auroc", "r2", "pearson", "spearman")


@dataclass(frozen=True)
class Request:
    """What is asked of an evaluation.

    Args:
        comparison: with what, and how many draws.
        seed: of draws and baselines.
        network: how the network among the baselines is trained.
        progress: what to show meanwhile.
    """

    comparison: ComparisonOptions
    seed: int
    network: SmallCNN
    progress: Progress


def compare_and_show(
    runs: Sequence[tuple[Model, Splits, LabelledSequences]],
    request: Request,
    tested: str,
    out: Path | None,
    warnings: Sequence[str] = (),
    decision: Decision = UNDECIDED,
) -> Comparison:
    """Score models beside the baselines, print the table, write it, and return the comparison.

    Args:
        runs: see `compare`.
        request: what is asked.
        tested: the data, in words.
        out: folder for table, numbers and pictures; None writes nothing.
        warnings: what a reader of the scores should know.
        decision: see `compare`.
    """
    draws = request.comparison.bootstrap
    result = compare(
        runs,
        chosen_baselines(request.comparison.baselines, runs[0][0].kind, request.network),
        BootstrapOptions(draws, seed=request.seed),
        seed=request.seed,
        notify=lambda name: note(f"fitting {name}", request.progress),
        decision=decision,
    )
    count = len(result.evaluations[0].labels)
    intervals = f", 95 % intervals of {draws:,} bootstrap draws" if draws else ""
    print(f"\n{tested}: {count:,} sequences{intervals}")
    print(describe(result))
    for warning in warnings:
        print(f"! {warning}")
    if out is None:
        return result
    one, first = len(runs) == 1, result.evaluations[0]
    parts = [(tested if one else f"fold {number}", data) for number, (_, _, data) in enumerate(runs, 1)]
    write_predictions(parts, first.outputs, out / PREDICTIONS, first.threshold)
    print(f"written: {out / PREDICTIONS}")
    spreads = {name: {key: vars(one) for key, one in found.items()} for name, found in result.spreads().items()}
    about = {"tested_on": tested, "seed": request.seed, "bootstrap": draws, "folds": spreads}
    for path in write_evaluations(result.evaluations, out, about, f"Scores on the {tested}", warnings):
        print(f"written: {path}")
    return result


def describe(result: Comparison) -> str:
    """Return the table, the classes of the first model, the spread over folds, and notes."""
    lines = [table([_narrow(one) for one in result.evaluations])]
    if rows := class_table(result.evaluations[0]):
        by = "class" if result.evaluations[0].kind == "classes" else "label"
        lines += ["", f"{result.evaluations[0].name}, by {by}", *_shortened(rows)]
    spreads = result.spreads()
    if spreads:
        shown = [name for name in _FOLD_SCORES if any(name in found for found in spreads.values())]
        lines += ["", f"mean and standard deviation over the {len(result.folds)} folds"]
        for name, found in spreads.items():
            cells = [f"{key} {found[key]}" for key in shown if key in found]
            lines.append(f"{name}: {', '.join(cells)}")
    lines += [f"note: {text}" for text in result.evaluations[0].notes]
    return "\n".join(lines)


def _shortened(rows: str) -> list[str]:
    """The rows that a terminal has room for; the file has all."""
    lines = rows.splitlines()
    more = len(lines) - _SHOWN
    return lines if more <= 0 else [*lines[:_SHOWN], f"... and {more:,} more (a folder given by --out has all)"]


def _narrow(evaluation: Evaluation) -> Evaluation:
    """With the interval of the main score alone: a terminal has no room for all of them."""
    kept = {name: ends for name, ends in evaluation.intervals.items() if name in ("mcc", "r2")}
    return replace(evaluation, intervals=kept)
