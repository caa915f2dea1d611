"""The state of a run folder: free, unfinished or finished; claiming it without losing what it held."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from titans_seq import checkpoint
from titans_seq.errors import UserError

from .config import CONFIG

MODEL = "model"
CHECKPOINT = "checkpoint.pt"
_PREVIOUS = ".previous"
_FILES = (
    CONFIG,
    MODEL,
    CHECKPOINT,
    "card.md",
    "history.csv",
    "metrics.json",
    "metrics.csv",
    "metrics_by_step.csv",
    "backtest.csv",
    "backtest_metrics.json",
    "backtest_metrics.csv",
    "forecast.csv",
    "forecast.png",
    "training.png",
)
"""What runs write; anything else in a run folder belongs to the user."""


def is_finished(out: Path) -> bool:
    """Whether a run folder holds a whole model."""
    return (out / MODEL / checkpoint.CONFIG).is_file()


def describe_unfinished(out: Path) -> str:
    """What to tell the user of a run that was stopped before it had a model."""
    return (
        f"the run in {out} was not finished (it has no {MODEL}/): finish it with "
        f"`titans forecast train --resume --out {out}`, or train anew with --overwrite"
    )


@contextmanager
def claim(out: Path, overwrite: bool) -> Iterator[None]:
    """Make `out` the folder of a new run for the time of the block.

    An earlier run is put aside in it. If the block fails before there is a checkpoint, the folder is left as
    it was; otherwise `clear_leftovers` removes the earlier run in the end.

    Raises:
        UserError: if `out` is taken.
    """
    _check_free(out, overwrite)
    existed = out.exists()
    previous = out / _PREVIOUS
    if previous.exists():
        # A run that was to replace an earlier one was itself stopped: only the earlier one is worth keeping.
        _remove_run(out)
    else:
        previous.mkdir(parents=True)
        _move_run(out, previous)
    try:
        yield
    except BaseException:
        if not (out / CHECKPOINT).is_file():
            _remove_run(out)
            _move_run(previous, out)
            previous.rmdir()
            if not existed:
                out.rmdir()
        raise


def clear_leftovers(out: Path) -> None:
    """Remove from a finished run what only an unfinished one needs, and what a killed process left."""
    (out / CHECKPOINT).unlink(missing_ok=True)
    shutil.rmtree(out / _PREVIOUS, ignore_errors=True)
    for pattern in (f".{Path(CHECKPOINT).stem}.*", f".{MODEL}.*.new", f".{MODEL}.*.old"):
        for path in out.glob(pattern):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _check_free(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give the name of a new folder for the run")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / CONFIG).is_file() and not (out / _PREVIOUS).exists():
        raise UserError(f"{out} holds other files and no run: give the name of a new or empty folder")
    if overwrite:
        return
    if not is_finished(out):
        raise UserError(describe_unfinished(out))
    raise UserError(f"{out} already holds a trained model: give another folder, or replace it with --overwrite")


def _move_run(source: Path, target: Path) -> None:
    for name in _FILES:
        if (source / name).exists():
            (source / name).rename(target / name)


def _remove_run(out: Path) -> None:
    for name in _FILES:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        else:
            (out / name).unlink(missing_ok=True)
