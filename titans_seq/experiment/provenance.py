"""Where numbers come from: versions, the commit, the command line, the machine and the hash of a file."""

import datetime
import functools
import hashlib
import os
import platform
import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from titans_seq.errors import UserError
from titans_seq.version import __version__

_ROOT = Path(__file__).parents[2]


@functools.cache
def installed_version(package: str) -> str | None:
    """Return the version of an installed distribution, or None where it is absent; import nothing.

    Example:
        >>> installed_version("no-such-distribution") is None
        True
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def versions_of(*packages: str) -> dict[str, str]:
    """Return versions of Python, of this package and of others, by name.

    Example:
        >>> versions_of("no-such-distribution")["no-such-distribution"]
        'not installed'
    """
    found = {name: installed_version(name) or "not installed" for name in packages}
    return {"python": platform.python_version(), "titans-seq": __version__} | found


def checkout_commit(*packages: str) -> str | None:
    """Return the commit of the checkout that holds this package, "+changes" if packages differ; None outside of one.

    Args:
        packages: folders in the checkout's root; with none it is the commit alone.

    Example:
        >>> commit = checkout_commit("titans_seq")
        >>> commit is None or len(commit.removesuffix("+changes")) == 40
        True
    """
    head = _git("rev-parse", "HEAD")
    return None if head is None else head + ("+changes" if packages and changed_files(*packages) else "")


def changed_files(*packages: str) -> list[str]:
    """Return the files of packages that differ from the checkout's commit, as `git status` prints them."""
    return (_git("status", "--porcelain", "--", *packages) or "").splitlines()


def command_line() -> str:
    """Return the command that started this process, as a shell reads it."""
    program = Path(sys.argv[0]).name if sys.argv[0] else "python"
    return shlex.join([program, *sys.argv[1:]])


def now() -> str:
    """Return the time as ISO 8601, in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def machine() -> dict[str, Any]:
    """Return what a row of results says of the machine: its device and the threads that PyTorch may use."""
    import torch

    cpu = f"cpu, {os.cpu_count()} cores, {sys.platform}"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else cpu
    return {"device": device, "threads": torch.get_num_threads()}


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        UserError: if there is no such file.

    Example:
        >>> file_hash(Path("no-such-file.csv"))
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: no-such-file.csv: no such file
    """
    try:
        with Path(path).open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error


def _git(*arguments: str) -> str | None:
    if not (_ROOT / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.rstrip()
