"""Where and when numbers were measured: machine, versions, commit, date."""

import datetime
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil
import torch

_PACKAGES = ("torch", "triton", "titans-pytorch", "flash-linear-attention", "assoc-scan", "tensordict", "numpy")
_ROOT = Path(__file__).resolve().parents[1]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def results_on(results: Path, device: str) -> Path:
    """Return where results of a device go: a CPU's are not overwritten by a GPU's.

    Example:
        >>> results_on(Path("results/decoding.json"), "cuda").name
        'decoding_cuda.json'
    """
    return results if device == "cpu" else results.with_stem(f"{results.stem}_{device}")


def provenance() -> dict:
    """Describe the machine, its load, versions, and the commit (and what differs from it in `titans_seq`)."""
    changed = _git("status", "--porcelain", "--", "titans_seq")
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted": changed.splitlines() if changed else [],
        "cpu": _cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_average": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }
