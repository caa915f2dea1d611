"""A process that is asked to end (SIGTERM) ends like one that is interrupted: at once, and tidily."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from titans_seq.errors import Terminated

_PATIENCE = 3.0
"""Seconds after which an exception that has not come through counts as lost."""


class _Ending:
    """A handler that raises `Terminated`, and again until the block is left.

    Compilers and C++ call Python where an exception is printed and forgotten; one that is raised there is lost.
    Further signals from outside are ignored, for `timeout` sends one to a process and one to its group.
    """

    def __init__(self) -> None:
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._insist, name="ending", daemon=True)
        self._again = False

    def __call__(self, number: int, frame: Any) -> None:
        first = not self._thread.ident
        if self._left.is_set() or not (first or self._again):
            return
        self._again = False
        if first:
            self._thread.start()
        raise Terminated

    def leave(self) -> None:
        """Raise no more."""
        self._left.set()
        if self._thread.ident:
            self._thread.join()

    def _insist(self) -> None:
        while not self._left.wait(_PATIENCE):
            self._again = True
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


_current: _Ending | None = None


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM for the time of the block, wherever the main thread is; elsewhere do nothing.

    Example:
        >>> with ending_on_sigterm():
        ...     signal.raise_signal(signal.SIGTERM)
        Traceback (most recent call last):
        ...
        titans_seq.errors.Terminated
    """
    global _current
    if _current is not None or threading.current_thread() is not threading.main_thread():
        yield
        return
    _current = _Ending()
    before = signal.signal(signal.SIGTERM, _current)
    try:
        yield
    finally:
        _current.leave()
        signal.signal(signal.SIGTERM, before)
        _current = None


def end_on_sigterm_again() -> None:
    """Take SIGTERM back from who has taken it since, where `ending_on_sigterm` has it."""
    if _current is not None and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _current)
