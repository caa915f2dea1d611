"""SIGTERM: raised at once, raised again where the exception is lost, once however often it comes."""

import os
import signal
import threading
import time

import pytest

from titans_seq import cli, ending
from titans_seq.ending import end_on_sigterm_again, ending_on_sigterm
from titans_seq.errors import Terminated


class Swallowing:
    """Gets the signal where an exception is printed and forgotten."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_exception_that_is_lost_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> None:
        Swallowing()
        time.sleep(60)

    monkeypatch.setattr(ending, "_PATIENCE", 0.05)
    with pytest.raises(Terminated), ending_on_sigterm():
        work()


def test_a_second_signal_does_not_disturb_the_tidying_up() -> None:
    tidied = False

    def work() -> None:
        nonlocal tidied
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            tidied = True

    with pytest.raises(Terminated), ending_on_sigterm():
        work()
    assert tidied


def test_the_handler_before_comes_back_and_a_block_within_changes_nothing() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ending_on_sigterm():
        own = signal.getsignal(signal.SIGTERM)
        with ending_on_sigterm():
            assert signal.getsignal(signal.SIGTERM) is own
        assert signal.getsignal(signal.SIGTERM) is own
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        end_on_sigterm_again()
        assert signal.getsignal(signal.SIGTERM) is own
    assert signal.getsignal(signal.SIGTERM) is before
    end_on_sigterm_again()
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_leave_signals_alone() -> None:
    seen = []

    def work() -> None:
        with ending_on_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGTERM)]


def test_every_command_ends_with_143(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(cli.GROUPS, "slow", cli.Group(f"{__name__}:slow", ""))
    assert cli.main(["slow"]) == 143
    assert capsys.readouterr().err == "terminated\n"


def slow(arguments: list[str], program: str) -> None:
    """Stand for a command that takes long."""
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)
