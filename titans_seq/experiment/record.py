"""`config.yaml` of a run folder: everything to repeat the run, and how older ones are read."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TypeVar

from titans_seq.config import from_dict, read_yaml, to_yaml
from titans_seq.errors import UserError
from titans_seq.experiment.provenance import checkout_commit, command_line, file_hash, versions_of
from titans_seq.files import write_text

CONFIG = "config.yaml"
"""Everything to repeat a run, in its folder."""

Run = TypeVar("Run")


@dataclass(frozen=True)
class DataRecord:
    """Where data came from.

    Attributes:
        path: absolute, or a few words for data that no file holds.
        sha256: of what was read, in hexadecimal.
        options: how it was read, as plain values.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "data.csv")
        ...     _ = path.write_text("1,2,3")
        ...     record = DataRecord.of(path)
        ...     _ = path.write_text("1,2,4")
        ...     record.holds(path)
        False
    """

    path: str
    sha256: str
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path) -> Self:
        """Return the record of a file as it is now.

        Raises:
            UserError: if there is no such file.
        """
        return cls(str(Path(path).resolve()), file_hash(path))

    def holds(self, path: Path) -> bool:
        """Say whether a file has the bytes of the one that `of` was given.

        Raises:
            UserError: if there is no such file.
        """
        return file_hash(path) == self.sha256

    def require(self, path: Path, out: Path) -> None:
        """Refuse a file to resume a run with, unless the run was started on it.

        Args:
            path: the file.
            out: the run folder.

        Raises:
            UserError: if there is no such file, or it has other bytes.
        """
        if not self.holds(path):
            raise UserError(
                f"{path} is not the file that the run in {out} was started on ({self.path}): resume with that one"
            )


@dataclass(frozen=True)
class Origin:
    """What a run was started by.

    Attributes:
        versions: of Python and the packages, by name.
        commit: of this package's repository, where it runs from a checkout.
        command: the command line.

    Example:
        >>> list(Origin.here("torch").versions)
        ['python', 'titans-seq', 'torch']
    """

    versions: dict[str, str]
    commit: str | None = None
    command: str | None = None

    @classmethod
    def here(cls, *packages: str) -> "Origin":
        """Return what this process is.

        Args:
            packages: distributions whose versions matter.
        """
        return cls(versions_of(*packages), checkout_commit("titans_seq", *_DOMAINS), command_line())


_DOMAINS = ("forecasting", "genomics", "language")


def read_config(out: Path, expected: type[Run]) -> Run:
    """Read the configuration of a run.

    Args:
        out: the run folder.
        expected: its class; a static method `upgraded` of it makes today's plain values of those of older versions.

    Raises:
        UserError: if the folder is no run, or its configuration is damaged.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_config(Path(folder), DataRecord("a sine", "00"))
        ...     read_config(Path(folder), DataRecord)
        DataRecord(path='a sine', sha256='00', options={})
    """
    path = Path(out) / CONFIG
    if not path.is_file():
        what = f"it has no {CONFIG}" if Path(out).is_dir() else "there is no such folder"
        raise UserError(f"{out} is not a run folder: {what}; check the path")
    return read_config_file(path, expected)


def read_config_file(path: Path, expected: type[Run]) -> Run:
    """Read a `config.yaml`, which may be a copy outside of a run folder, or the run folder; see `read_config`.

    Raises:
        UserError: if there is no such file or run, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        return read_config(path, expected)
    try:
        plain = read_yaml(path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such run folder or configuration: check the path") from error
    try:
        return from_dict(getattr(expected, "upgraded", dict)(plain), expected)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def write_config(out: Path, config: Any) -> None:
    """Write `config.yaml` into a run folder that exists; see `read_config`."""
    write_text(Path(out) / CONFIG, to_yaml(config))
