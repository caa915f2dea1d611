"""The folder of a training run: free, unfinished or finished; claimed without losing what it held."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from titans_seq.checkpoint import CONFIG as MODEL_CONFIG
from titans_seq.config import from_yaml, to_yaml
from titans_seq.errors import UserError
from titans_seq.files import write_text
from titans_seq.models.saving import MODEL

CONFIG = "config.yaml"
"""Everything to repeat a run, in its folder."""
CHECKPOINTS = "checkpoints"
"""Folder in a run's own, for checkpoints of which the last few stay; see `KeepLast`."""
# Folders in a run's own: for the earlier run that it replaces, whole, until it is finished; and for what is on its way
# there or back, and belongs into the run's folder if a process is killed meanwhile.
_PREVIOUS, _MOVING = ".previous", ".previous.moving"
_FOLD = re.compile(r"fold-[1-9][0-9]*")

Run = TypeVar("Run")


@dataclass(frozen=True)
class RunLayout:
    """What one kind of run keeps in its folder, beside `config.yaml` and, once it is finished, `model/`.

    Attributes:
        checkpoints: names of what it goes on from: a file, or a folder of them.
        others: names of what else runs write. Anything with another name belongs to the user.
        finish: what finishes a run that was stopped; `{out}` stands for its folder.
        folds: whether the folder may hold a cross-validation, whose folds are runs in folders fold-1, fold-2, ...

    Example:
        >>> import tempfile
        >>> layout = RunLayout(("checkpoint.pt",), ("history.csv",), "`train --resume --out {out}`")
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     out = Path(parent, "x")
        ...     with layout.claim(out, overwrite=False):
        ...         write_config(out, {"seed": 0})
        ...     layout.is_finished(out), [path.name for path in out.iterdir() if path.is_file()]
        (False, ['config.yaml'])
    """

    checkpoints: tuple[str, ...]
    others: tuple[str, ...]
    finish: str
    folds: bool = False

    def is_finished(self, out: Path) -> bool:
        """Whether a run folder holds a whole model."""
        return (Path(out) / MODEL / MODEL_CONFIG).is_file()

    def describe_unfinished(self, out: Path) -> str:
        """What to tell the user of a run that was stopped before it had a model."""
        return (
            f"the run in {out} was not finished (it has no {MODEL}/): finish it with {self.finish.format(out=out)}, "
            "or train anew with --overwrite"
        )

    def folds_of(self, out: Path) -> list[Path]:
        """The folders of a cross-validation's runs; none if there is none."""
        if not self.folds or not out.is_dir():
            return []
        return sorted(path for path in out.iterdir() if _FOLD.fullmatch(path.name) and (path / CONFIG).is_file())

    def check_free(self, out: Path, overwrite: bool) -> None:
        """Refuse a folder that a new run cannot have.

        Raises:
            UserError: if it is a file, holds something that is no run, or a run that is not to be replaced.
        """
        if out.exists() and not out.is_dir():
            raise UserError(f"{out} is a file: give the name of a new folder for the run")
        if not out.exists() or not any(out.iterdir()):
            return
        folds = self.folds_of(out)
        if not folds and not any((out / name).exists() for name in (CONFIG, _PREVIOUS, _MOVING)):
            raise UserError(f"{out} holds other files and no run: give the name of a new or empty folder")
        if overwrite:
            for path in (path for fold in folds for path in self._foreign(fold)):
                raise UserError(f"{path} was written by no run, and would be lost with the one beside it: move it away")
            return
        if folds:
            raise UserError(
                f"{out} already holds a cross-validation: give another folder, finish it with "
                f"{self.finish.format(out=out)}, or train anew with --overwrite"
            )
        if not self.is_finished(out):
            raise UserError(self.describe_unfinished(out))
        raise UserError(f"{out} already holds a trained model: give another folder, or replace it with --overwrite")

    @contextmanager
    def claim(self, out: Path, overwrite: bool) -> Iterator[None]:
        """Make `out` the folder of a new run, or of a new cross-validation, for the time of the block.

        An earlier run is put aside in it. If the block fails before there is a checkpoint, the folder is left as it
        was; otherwise `clear` removes the earlier run in the end. A process may be killed at any point: the next claim
        finds the earlier run again.

        Raises:
            UserError: see `check_free`.
        """
        self.check_free(out, overwrite)
        existed, previous, moving = out.exists(), out / _PREVIOUS, out / _MOVING
        if moving.exists():
            self._move(moving, out)
            moving.rmdir()
        if previous.exists():
            # A run that was to replace an earlier one was itself stopped: only the earlier one is worth keeping.
            self.remove(out)
        else:
            moving.mkdir(parents=True)
            self._move(out, moving)
            moving.rename(previous)
        try:
            yield
        except BaseException:
            if not self._has_begun(out):
                self.remove(out)
                previous.rename(moving)
                self._move(moving, out)
                moving.rmdir()
                if not existed:
                    out.rmdir()
            raise

    def clear(self, out: Path) -> None:
        """Remove from a finished run the earlier one that it replaces, and what a killed process left half written."""
        shutil.rmtree(out / _PREVIOUS, ignore_errors=True)
        torn = [f".{Path(name).stem}.*{Path(name).suffix}" for name in self.checkpoints]
        for pattern in (*torn, f".{MODEL}.*.new", f".{MODEL}.*.old"):
            for path in out.glob(pattern):
                _remove(path)

    def remove(self, out: Path) -> None:
        """Remove a run, and leave what else is in its folder."""
        for path in self._held(out):
            _remove(path)

    def _has_begun(self, out: Path) -> bool:
        """Whether there is something to go on from."""
        # A file whose name begins with a dot is not whole yet.
        paths = [out / name for name in self.checkpoints]
        if any(path.is_file() or any(path.glob("[!.]*")) for path in paths):
            return True
        return any(self.is_finished(fold) or self._has_begun(fold) for fold in self.folds_of(out))

    def _move(self, source: Path, target: Path) -> None:
        for path in self._held(source):
            path.rename(target / path.name)

    def _held(self, out: Path) -> list[Path]:
        """What of a run, or of a cross-validation, there is."""
        return [*(out / name for name in self._names() if (out / name).exists()), *self.folds_of(out)]

    def _foreign(self, out: Path) -> list[Path]:
        """What is in a run folder and of no run."""
        held = sorted(out.iterdir())
        return [path for path in held if path.name not in self._names() and not path.name.startswith(".")]

    def _names(self) -> tuple[str, ...]:
        return (CONFIG, MODEL, *self.checkpoints, *self.others)


def read_config(out: Path, expected: type[Run]) -> Run:
    """Read the configuration of a run.

    Args:
        out: the run folder.
        expected: its class.

    Raises:
        UserError: if the folder is no run, or its configuration is damaged.
    """
    path = Path(out) / CONFIG
    if not path.is_file():
        what = f"it has no {CONFIG}" if Path(out).is_dir() else "there is no such folder"
        raise UserError(f"{out} is not a run folder: {what}; check the path")
    return read_config_file(path, expected)


def read_config_file(path: Path, expected: type[Run]) -> Run:
    """Read a `config.yaml`, which may be a copy outside of a run folder; see `read_config`."""
    try:
        return from_yaml(path.read_text(encoding="utf-8"), expected, str(path))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such run folder or configuration: check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged, it is not UTF-8 text: restore the file") from error


def write_config(out: Path, config: Any) -> None:
    """Write `config.yaml` into a run folder."""
    write_text(Path(out) / CONFIG, to_yaml(config))


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
