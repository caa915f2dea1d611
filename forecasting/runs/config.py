"""What `config.yaml` of a run holds: settings, data and the versions it was made with."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from titans_seq.experiment.provenance import checkout_commit, versions_of
from titans_seq.errors import UserError
from titans_seq.experiment.record import read_config, read_config_file

from ..config import ForecastConfig
from ..data import FrameOptions, TableOptions

_PACKAGES = ("torch", "lightning", "numpy", "pandas")


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
    return RunConfig(
        forecast,
        options,
        table,
        str(data_path.resolve()),
        file_hash(data_path),
        versions_of(*_PACKAGES),
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
    return read_config(path, RunConfig) if path.is_dir() else read_config_file(path, RunConfig)


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
