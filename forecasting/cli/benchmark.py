"""`titans forecast benchmark`: one run of the long-horizon benchmark, printed beside the baselines."""

import os
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.experiment.overrides import parse_changes
from titans_seq.jsonl import append_row
from titans_seq.tables import align

from ..benchmark.run import run_benchmark
from .options import Benchmark

ROWS = "forecasting.jsonl"


def benchmark(options: Benchmark) -> None:
    """Run, print the scores, and add the row to a file if one is named."""
    target = _target(options.out)
    row = run_benchmark(
        options.dataset,
        options.data_dir,
        options.horizon,
        mixer=options.mixer,
        seed=options.seed,
        overrides=parse_changes(options.set),
        cache_dir=options.download_to or _cache(),
        progress=options.progress,
    )
    if target is not None:
        append_row(target, row)
    print(describe(row))
    if target is not None:
        print(f"row added to {target}")


def describe(row: dict[str, Any]) -> str:
    """Return a row as text: the counts of windows, ours beside the baselines, and what the training took."""
    counts = row["windows"]
    scores = {f"ours ({row['mixer']})": row["test"], **row["baselines"]}
    table = [["test part", "mse", "mae"]]
    table += [[name, f"{score['mse']:.4f}", f"{score['mae']:.4f}"] for name, score in scores.items()]
    return (
        f"{row['dataset']}, {row['context']} -> {row['horizon']}, seed {row['seed']}: {counts['train']:,} "
        f"training, {counts['validation']:,} validation, {counts['test']:,} test windows, every one scored\n"
        f"{align(table)}\n"
        f"validation mse {row['validation']['mse']:.4f}, mae {row['validation']['mae']:.4f}; best epoch "
        f"{row['best_epoch'] + 1} of {row['epochs']}, {row['seconds_per_epoch']:.1f} s each, "
        f"{row['seconds']:.0f} s in all; {row['parameters']:,} parameters"
    )


def _target(out: Path | None) -> Path | None:
    """The file that rows go to, checked before hours of training are at stake."""
    if out is None:
        return None
    target = out / ROWS if out.is_dir() or not out.suffix else out
    if target.is_dir() or (out.exists() and not out.is_dir() and target != out):
        raise UserError(f"--out {out}: cannot add rows there: name a file ending in .jsonl, or a folder")
    return target


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "titans-seq"
