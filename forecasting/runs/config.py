"""What `config.yaml` of a run holds: settings, data and the versions it was made with."""

import hashlib
import platform
from dataclasses import dataclass
from pathlib import Path

from titans_seq.config import from_yaml, to_yaml
from titans_seq.env import checkout_commit, installed_version
from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from ..config import ForecastConfig
from ..data import FrameOptions, TableOptions

CONFIG = "config.yaml"
_PACKAGES = ("titans-seq", "torch", "lightning", "numpy", "pandas")


@dataclass(frozen=True)
class RunConfig:
    """Everything to repeat a run.

    Attributes:
        forecast: settings of model and training.
        options: what the columns of the data mean.
        table: how a text file is written.
        data: absolute path of the data file.
        sha256: of its bytes, in hexadecimal.
        versions: of Python and the packages, by name.
        commit: of this package's repository, where it runs from a checkout.
    """

    forecast: ForecastConfig
    options: FrameOptions
    table: TableOptions
    data: str
    sha256: str
    versions: dict[str, str]
    commit: str | None = None


def new_run_config(data_path: Path, forecast: ForecastConfig, options: FrameOptions, table: TableOptions) -> RunConfig:
    """The configuration of a run that starts now, on a file that is there."""
    versions = {name: installed_version(name) or "not installed" for name in _PACKAGES}
    return RunConfig(
        forecast,
        options,
        table,
        str(data_path.resolve()),
        file_hash(data_path),
        {"python": platform.python_version()} | versions,
        checkout_commit("forecasting", "titans_seq"),
    )


def read_run_config(path: Path) -> RunConfig:
    """Read the configuration of a run.

    Args:
        path: the run folder, or a `config.yaml` (also a copy elsewhere).

    Raises:
        UserError: if there is none, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        if not (path / CONFIG).is_file():
            raise UserError(f"{path} is not a run folder: it has no {CONFIG}; check the path")
        path = path / CONFIG
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such run folder or configuration: check the path") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: damaged, it is not UTF-8 text: restore the file") from error
    return from_yaml(text, RunConfig, str(path))


def write_run_config(out: Path, run: RunConfig) -> None:
    """Write `config.yaml` into a run folder."""
    with atomic_path(out / CONFIG) as temporary:
        temporary.write_text(to_yaml(run), encoding="utf-8")


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        UserError: if there is no such file.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
