"""A process of a test's own without its imports over again, which take seconds: a copy of this one."""

import os
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path


def forked(work: Callable[[], int | None], out: Path = Path(os.devnull)) -> int:
    """Start a process that does `work` and return its id; the result of `work` is its exit code.

    Args:
        work: what it does; anything raised is printed, with exit code 1.
        out: file for what it prints, on both streams.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, which wait in a test
        process = os.fork()
    if process:
        return process
    code = 1
    try:
        sys.stdout = sys.stderr = out.open("w", encoding="utf-8", buffering=1)
        code = work() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(process: int) -> int:
    """Wait for a process and return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
