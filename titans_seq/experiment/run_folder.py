"""The folder of a training run: free, unfinished or finished; claimed without losing what it held."""

import contextlib
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from titans_seq.checkpoint import CONFIG as MODEL_CONFIG
from titans_seq.checkpoint import WEIGHTS
from titans_seq.errors import UserError
from titans_seq.experiment.history import LOG, cut_after
from titans_seq.experiment.processes import is_first_process
from titans_seq.experiment.record import CONFIG, write_config
from titans_seq.files import remove
from titans_seq.locks import only_writer
from titans_seq.models.saving import MODEL

CHECKPOINTS = "checkpoints"
"""Folder in a run's own, for checkpoints of which the last few stay; see `KeepLast`."""
CHECKPOINT = "step-*.ckpt"
"""Names of whole checkpoints, in order of their steps."""
EVALUATION = "evaluation"
"""Folder in a run's own, for scores and their pictures."""
EARLIER = "earlier-model"
"""Folder in a run's own, for the model that it had before it began to be trained further, until that is done."""
# Folders in a run's own: for the earlier run that it replaces, whole, until it is finished; and for what is on its way
# there or back, and belongs into the run's folder if a process is killed meanwhile.
_PREVIOUS, _MOVING = ".previous", ".previous.moving"
_FOLD = re.compile(r"(?:fold-[1-9]|seed-[0-9])[0-9]*")


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from training into a folder for the time of the block; a killed one keeps nobody.

    Of a parallel run the first process has it for all.

    Args:
        folder: exists. Within the block this process may ask for it again.

    Raises:
        UserError: if another process has it.
    """
    with only_writer(folder) if is_first_process() else contextlib.nullcontext():
        yield


def last_checkpoint(folder: Path) -> Path | None:
    """Return the latest checkpoint that `KeepLast` wrote into a folder, or None if there is none.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     last_checkpoint(Path(folder))
    """
    return max(Path(folder).glob(CHECKPOINT), default=None)


@dataclass(frozen=True)
class RunLayout:
    """What one kind of run keeps in its folder.

    Every run has `config.yaml` (everything to repeat it), `log.jsonl` (its history), `checkpoints/` to go on from, once
    it is finished `model/`, and `evaluation/` once it was evaluated.

    Attributes:
        others: names of what else runs write, or once wrote. Anything with another name belongs to the user.
        finish: what finishes a run that was stopped; `{out}` stands for its folder.
        folds: whether the folder may hold several runs: those of a cross-validation in folders fold-1, fold-2, ..., or
            of several seeds in seed-0, seed-1, ...

    Example:
        >>> import tempfile
        >>> layout = RunLayout(("training.png",), "`train --resume --out {out}`")
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     out = Path(parent, "x")
        ...     with layout.started(out, {"seed": 0}, overwrite=False):
        ...         pass
        ...     layout.is_finished(out), [path.name for path in out.iterdir() if path.is_file()]
        (False, ['config.yaml'])
    """

    others: tuple[str, ...]
    finish: str
    folds: bool = False

    def is_finished(self, out: Path) -> bool:
        """Say whether a run folder holds a whole model."""
        return (Path(out) / MODEL / MODEL_CONFIG).is_file()

    def describe_unfinished(self, out: Path) -> str:
        """Return what to tell the user of a run that was stopped before it had a model."""
        earlier = Path(out) / EARLIER
        aside = f"; its model of before it was trained further is {earlier}" if earlier.is_dir() else ""
        return (
            f"the run in {out} was not finished (it has no {MODEL}/): finish it with {self._finishing(out)}, "
            f"or train anew with --overwrite{aside}"
        )

    def _finishing(self, out: Path) -> str:
        return self.finish.format(out=shlex.quote(str(out)))

    def folds_of(self, out: Path) -> list[Path]:
        """Return the folders of a cross-validation's runs, or of several seeds'; none if there is none."""
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
        aside = [path for path in (out / _PREVIOUS, out / _MOVING) if path.is_dir()]
        if not out.exists() or not any(path not in aside or any(path.iterdir()) for path in out.iterdir()):
            return
        folds = self.folds_of(out)
        if not folds and not any((out / name).exists() for name in (CONFIG, _PREVIOUS, _MOVING)):
            raise UserError(f"{out} holds other files and no run: give the name of a new or empty folder")
        if (out / WEIGHTS).is_file():
            raise UserError(f"{out} holds a saved model and no run: give the name of a new folder")
        if overwrite:
            for path in (path for fold in folds for path in self._foreign(fold)):
                raise UserError(f"{path} was written by no run, and would be lost with the one beside it: move it away")
            return
        if folds:
            raise UserError(
                f"{out} already holds several runs: give another folder, finish it with "
                f"{self._finishing(out)}, or train anew with --overwrite"
            )
        if not (out / CONFIG).exists():
            raise UserError(
                f"{out} holds no run but {aside[0]}, which a run that was killed at its start was to replace: move "
                "what is in it back, or train anew with --overwrite"
            )
        if not self.is_finished(out):
            raise UserError(self.describe_unfinished(out))
        raise UserError(f"{out} already holds a trained model: give another folder, or replace it with --overwrite")

    @contextmanager
    def started(self, out: Path, config: Any, overwrite: bool) -> Iterator[None]:
        """Make `out` the folder of a new run with a configuration, for the time of the block; see `claim`.

        The other processes of a parallel run execute the same command; the folder is the first one's alone.
        """
        if not is_first_process():
            yield
            return
        with self.claim(out, overwrite):
            write_config(out, config)
            yield

    @contextmanager
    def claim(self, out: Path, overwrite: bool) -> Iterator[None]:
        """Make `out` the folder of a new run, or of a new cross-validation, for the time of the block.

        An earlier run is put aside in it. If the block fails before there is a checkpoint, the folder is left as it
        was; otherwise `clear` removes the earlier run in the end. A process may be killed at any point: the next claim
        finds the earlier run again.

        Raises:
            UserError: see `check_free`; or if another process is writing into it.
        """
        self.check_free(out, overwrite)
        existed = out.exists()
        out.mkdir(parents=True, exist_ok=True)
        with alone_in(out), self._replacing(out, existed):
            yield

    @contextmanager
    def _replacing(self, out: Path, existed: bool) -> Iterator[None]:
        """Put an earlier run aside for the time of the block; see `claim`."""
        previous, moving = out / _PREVIOUS, out / _MOVING
        if moving.exists():
            self._move(moving, out)
            moving.rmdir()
        if previous.exists():
            # A run that was to replace an earlier one was itself stopped: only the earlier one is worth keeping.
            self.remove(out)
        else:
            moving.mkdir()
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

    @contextmanager
    def resumed(self, out: Path, before: Any, reached: int) -> Iterator[None]:
        """Keep other processes from a run while it goes on, and its model aside if it has one and is trained further.

        If the block fails before there is a new checkpoint, such a run is as it was. One that the user or the machine
        stops is a run to go on with.

        Args:
            out: the run folder.
            before: its configuration as it is.
            reached: last step of its log.

        Raises:
            UserError: if another process has the folder.
        """
        if not is_first_process():
            yield
            return
        model, earlier = out / MODEL, out / EARLIER
        with alone_in(out):
            start = last_checkpoint(out / CHECKPOINTS)
            if self.is_finished(out):
                shutil.rmtree(earlier, ignore_errors=True)
                model.rename(earlier)
            try:
                yield
            except Exception:
                if earlier.is_dir() and not model.is_dir() and last_checkpoint(out / CHECKPOINTS) == start:
                    earlier.rename(model)
                    write_config(out, before)
                    cut_after(out / LOG, reached)
                raise
            shutil.rmtree(earlier, ignore_errors=True)

    def clear(self, out: Path) -> None:
        """Remove from a finished run the earlier one that it replaces, and what a killed process left half written."""
        shutil.rmtree(out / _PREVIOUS, ignore_errors=True)
        for pattern in (f".{MODEL}.*.new", f".{MODEL}.*.old", f"{CHECKPOINTS}/.*.new"):
            for path in out.glob(pattern):
                remove(path)

    def remove(self, out: Path) -> None:
        """Remove a run, and leave what else is in its folder."""
        for path in self._held(out):
            remove(path)

    def _has_begun(self, out: Path) -> bool:
        """Whether there is something to go on from."""
        # What has a name that begins with a dot is not whole yet.
        if any((out / CHECKPOINTS).glob("[!.]*")):
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
        return (CONFIG, LOG, CHECKPOINTS, MODEL, EARLIER, EVALUATION, *self.others)
