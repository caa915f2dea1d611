"""The state of a run folder, free, unfinished or finished, and what its `config.yaml` holds."""

import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import titans_seq
from titans_seq.checkpoint import CONFIG as MODEL_CONFIG
from titans_seq.config import from_yaml, to_yaml
from titans_seq.env import installed_version
from titans_seq.errors import UserError
from titans_seq.files import atomic_path
from titans_seq.models.saving import MODEL
from titans_seq.training.lightning_tools import last_checkpoint

from ..tokenizers import TokenizerInfo
from ..training.config import PretrainConfig
from ..training.pretraining import CHECKPOINTS, LOG

CONFIG = "config.yaml"
PICTURE = "training.png"
_OURS = (CONFIG, LOG, PICTURE, CHECKPOINTS, MODEL)
"""What a run writes; anything else in its folder belongs to the user."""
_PACKAGES = ("torch", "lightning", "numpy")


@dataclass(frozen=True)
class RunConfig:
    """Everything to repeat a run.

    Attributes:
        pretrain: model and training.
        data: absolute path of the folder of token shards.
        fingerprint: of the tokens trained on.
        tokenizer: which the tokens are of.
        versions: of Python and the packages, by name.
    """

    pretrain: PretrainConfig
    data: str
    fingerprint: str
    tokenizer: TokenizerInfo
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that training uses, by name."""
    found = {name: installed_version(name) or "not installed" for name in _PACKAGES}
    return {"python": platform.python_version(), "titans-seq": titans_seq.__version__} | found


def read_run_config(out: Path) -> RunConfig:
    """Read the configuration of a run.

    Raises:
        UserError: if the folder is no run, or its configuration is damaged.
    """
    path = Path(out) / CONFIG
    try:
        return from_yaml(path.read_text(encoding="utf-8"), RunConfig, str(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{out} is not a run folder: it has no {CONFIG}; check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged, it is not UTF-8 text: restore the file") from error


def write_run_config(out: Path, run: RunConfig) -> None:
    """Write `config.yaml` into a run folder."""
    with atomic_path(Path(out) / CONFIG) as temporary:
        temporary.write_text(to_yaml(run), encoding="utf-8")


def is_finished(out: Path) -> bool:
    """Whether a run folder holds a whole model."""
    return (Path(out) / MODEL / MODEL_CONFIG).is_file()


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse a folder that a new run cannot have.

    Raises:
        UserError: if it is a file, holds something that is no run, or a run that is not to be replaced.
    """
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: give the name of a new folder for the run")
    if not out.exists() or not any(out.iterdir()):
        return
    if not (out / CONFIG).is_file():
        raise UserError(f"{out} holds other files and no run: give the name of a new or empty folder")
    if overwrite:
        return
    if is_finished(out):
        raise UserError(f"{out} already holds a trained model: give another folder, or replace it with --overwrite")
    raise UserError(
        f"the run in {out} was not finished: finish it with `titans lm pretrain --resume --out {out}`, or train anew "
        "with --overwrite"
    )


@contextmanager
def claim(out: Path) -> Iterator[None]:
    """Make `out` the folder of a new run, in place of an earlier one, for the time of the block.

    If the block fails before there is a checkpoint, nothing of the new run is left.
    """
    existed = out.exists()
    _remove_run(out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if last_checkpoint(out / CHECKPOINTS) is None:
            _remove_run(out)
            if not existed:
                out.rmdir()
        raise


def _remove_run(out: Path) -> None:
    for name in _OURS:
        path = out / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
