"""Resident memory of this process: now, and at its peak since a mark."""

import ctypes
import gc
import resource
import sys
from pathlib import Path

import psutil

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def resident() -> int:
    """Return the resident bytes of this process."""
    return psutil.Process().memory_info().rss


def mark() -> int:
    """Give freed memory back, forget the peak so far, and return the resident bytes.

    Where the system does not let a process forget its peak, a later `peak` is that of the whole process, and
    its growth over the mark a lower bound.
    """
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
        try:
            _CLEAR.write_text("5")
        except OSError:
            pass
    return resident()


def peak() -> int:
    """Return the largest resident bytes since the last `mark`."""
    if sys.platform == "linux":
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def limit_growth(extra: int) -> None:
    """Make allocations fail once this process holds `extra` bytes more than now (on Linux only)."""
    if sys.platform == "linux":
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmData:"))
        limit = int(line.split()[1]) * 1024 + extra
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
