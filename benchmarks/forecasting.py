"""The long-horizon benchmark: runs over data sets, horizons, mixers and seeds, and the README's tables.

    python -m benchmarks.forecasting --datasets ETTh1 --horizons 96 192 336 720 --seeds 0 1 2
    python -m benchmarks.forecasting --datasets ETTm1 --mixers memory identity --seeds 0 1 2
    python -m benchmarks.forecasting --table

Each run adds one row to benchmarks/results/forecasting.jsonl. A run whose row is there already, made by the
same recipe, is skipped, so an interrupted sweep goes on where it stopped; several processes may share the
file as long as they are given different runs. The tables use only rows made by the recipes as they stand now.
"""

import argparse
import csv
import itertools
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from forecasting.benchmark.run import Scores, benchmark_run_recipe, run_benchmark
from forecasting.settings.presets import MIXERS
from titans_seq.config import to_dict
from titans_seq.errors import UserError
from titans_seq.experiment.rows import agrees
from titans_seq.jsonl import append_row, read_rows

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "forecasting.jsonl"
PUBLISHED = HERE / "published_forecasting.csv"
DATA = HERE.parents[1] / "shared" / "data" / "forecasting"
HORIZONS = (96, 192, 336, 720)

Row = dict[str, Any]


class Run(NamedTuple):
    """One cell of the sweep."""

    dataset: str
    horizon: int
    mixer: str
    seed: int


def main(argv: Sequence[str] | None = None) -> int:
    """Run what is asked for, or print the tables."""
    options = _parser().parse_args(argv)
    try:
        if options.table:
            print(tables(read_rows(options.out), options.datasets))
        else:
            sweep(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", nargs="+", help="default: ETTh1, or with --table all that have rows")
    parser.add_argument("--horizons", nargs="+", type=int, default=HORIZONS)
    parser.add_argument("--mixers", nargs="+", choices=MIXERS, default=("memory",))
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--data-dir", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--table", action="store_true", help="print the tables instead of running")
    return parser


def sweep(options: argparse.Namespace) -> None:
    """Do the runs that have no row yet, one after the other, and say how each came out."""
    # Seeds outermost, so that a sweep cut short has whole tables of fewer seeds.
    names = options.datasets or ("ETTh1",)
    grid = itertools.product(options.seeds, names, options.horizons, options.mixers)
    for seed, dataset, horizon, mixer in grid:
        run = Run(dataset, horizon, mixer, seed)
        rows = read_rows(options.out)
        label = f"{dataset} {horizon} {mixer} seed {seed}"
        if any(_is_run(row, run) for row in rows if is_current(row)):
            print(f"{label}: there already", flush=True)
            continue
        row = run_benchmark(
            dataset,
            options.data_dir,
            horizon,
            mixer=mixer,
            seed=seed,
            baselines=_known_baselines(rows, run),
            progress="lines",
        )
        append_row(options.out, row)
        print(
            f"{label}: validation {_score(row['validation'])}, test {_score(row['test'])} over "
            f"{row['windows']['test']} windows, best epoch {row['best_epoch'] + 1} of {row['epochs']}, "
            f"{row['seconds']:.0f} s",
            flush=True,
        )


def is_current(row: Row) -> bool:
    """Whether a row was made by the recipe that stands in the presets now, without overrides."""
    if row["overrides"]:
        return False
    now = to_dict(benchmark_run_recipe(row["dataset"], row["horizon"], row["mixer"]))
    return agrees(row["config"], now)


def _is_run(row: Row, run: Run) -> bool:
    return all(row[name] == value for name, value in run._asdict().items())


def _known_baselines(rows: Sequence[Row], run: Run) -> Scores | None:
    same = (row for row in rows if (row["dataset"], row["horizon"]) == (run.dataset, run.horizon))
    return next((row["baselines"] for row in same), None)


def tables(rows: Sequence[Row], datasets: Sequence[str] | None = None) -> str:
    """The README's tables in Markdown, one a data set: ours, the baselines, the published rows.

    Args:
        rows: of the results file.
        datasets: which tables, in which order; None for all that have rows.

    Raises:
        UserError: a data set asked for has no rows made by the present recipes.
    """
    current = [row for row in rows if is_current(row)]
    names = datasets or list(dict.fromkeys(row["dataset"] for row in current))
    parts = []
    for name in names:
        ours = [row for row in current if row["dataset"] == name]
        if not ours:
            raise UserError(f"no row of {name} was made by the present recipe: run it first")
        parts.append("\n".join(_table(name, ours)))
    if not parts:
        raise UserError("there are no rows made by the present recipes: run the benchmark first")
    return "\n\n".join(parts)


def _table(name: str, rows: Sequence[Row]) -> Iterator[str]:
    horizons = sorted({row["horizon"] for row in rows})
    yield f"### {name}"
    yield ""
    yield f"| model | {' | '.join(map(str, horizons))} | mean | epoch | run |"
    yield "|---" * (len(horizons) + 4) + "|"
    for mixer in (mixer for mixer in MIXERS if any(row["mixer"] == mixer for row in rows)):
        yield _our_line([row for row in rows if row["mixer"] == mixer], mixer, horizons)
    by_horizon = {row["horizon"]: row["baselines"] for row in rows}
    for baseline in rows[0]["baselines"]:
        scores = [by_horizon[horizon].get(baseline) for horizon in horizons]
        cells = [_score(score) if score else "-" for score in scores]
        known = [score for score in scores if score]
        mean = _score(_mean(known)) if len(known) == len(horizons) else "-"
        yield f"| {baseline} | {' | '.join(cells)} | {mean} | | |"
    yield from _published_lines(name, horizons)
    yield ""
    counts = {row["horizon"]: row["windows"]["test"] for row in rows}
    machine = rows[0]["machine"]
    yield (
        f"MSE/MAE on standardised values over every test window ({_list_counts(counts, horizons)}), "
        f"look-back {rows[0]['context']}. Ours: mean over seeds, ± their standard deviation. "
        f"Epoch and run: mean seconds on {machine['device']}, threads used: {machine['threads']}."
    )


def _our_line(rows: Sequence[Row], mixer: str, horizons: Sequence[int]) -> str:
    by_horizon = {
        horizon: {row["seed"]: row["test"] for row in rows if row["horizon"] == horizon} for horizon in horizons
    }
    cells = [_spread(list(scores.values())) if scores else "-" for scores in by_horizon.values()]
    # A mean over horizons is of whole sets of horizons only: a seed that lacks one is left out.
    seeds = sorted(set.intersection(*(set(scores) for scores in by_horizon.values())))
    means = [_mean([scores[seed] for scores in by_horizon.values()]) for seed in seeds]
    mean = f"**{_spread(means)}**" if means else "-"
    count = len({row["seed"] for row in rows})
    epoch = statistics.mean(row["seconds_per_epoch"] for row in rows)
    run = statistics.mean(row["seconds"] for row in rows)
    label = "ours, memory" if mixer == "memory" else f"ours, {mixer} in its place"
    seeds_word = "seed" if count == 1 else "seeds"
    return f"| {label} ({count} {seeds_word}) | {' | '.join(cells)} | {mean} | {epoch:.1f} | {run:.0f} |"


def _published_lines(name: str, horizons: Sequence[int]) -> Iterator[str]:
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["dataset"] == name:
                cells = [row.get(str(horizon)) or "-" for horizon in horizons]
                # The published mean is of the four standard horizons, so it stands beside no other choice.
                mean = row["mean"] if tuple(horizons) == HORIZONS else "-"
                yield f"| {row['model']} [{row['source']}] | {' | '.join(cells)} | {mean} | | |"


def _list_counts(counts: Mapping[int, int], horizons: Sequence[int]) -> str:
    return ", ".join(f"{counts[horizon]:,}" for horizon in horizons)


def _mean(scores: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.mean(score[name] for score in scores) for name in ("mse", "mae")}


def _score(score: Mapping[str, float]) -> str:
    return f"{score['mse']:.3f}/{score['mae']:.3f}"


def _spread(scores: Sequence[Mapping[str, float]]) -> str:
    parts = []
    for name in ("mse", "mae"):
        values = [score[name] for score in scores]
        spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
        parts.append(f"{statistics.mean(values):.3f}{spread}")
    return " / ".join(parts) if len(scores) > 1 else "/".join(parts)


if __name__ == "__main__":
    sys.exit(main())
