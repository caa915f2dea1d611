"""Where and when numbers were measured: machine, load, versions, commit, date."""

import os
import platform
from pathlib import Path
from typing import Any

import psutil
import torch

from titans_seq.experiment.provenance import changed_files, checkout_commit, installed_version, now

_PACKAGES = ("torch", "triton", "titans-pytorch", "flash-linear-attention", "assoc-scan", "tensordict", "numpy")


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        if names:
            return names[0]
    return platform.processor() or platform.machine()


def results_on(results: Path, device: str) -> Path:
    """Return where results of a device go: a CPU's are not overwritten by a GPU's.

    Example:
        >>> results_on(Path("results/decoding.json"), "cuda").name
        'decoding_cuda.json'
    """
    return results if device == "cpu" else results.with_stem(f"{results.stem}_{device}")


def provenance() -> dict[str, Any]:
    """Describe the machine, its load, versions, and the commit (and what differs from it in `titans_seq`)."""
    return {
        "date": now(),
        "commit": checkout_commit(),
        "uncommitted": changed_files("titans_seq"),
        "cpu": _cpu_model(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_average": os.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: installed_version(name) for name in _PACKAGES},
    }
