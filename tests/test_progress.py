import itertools

import pytest

from titans_seq import progress
from titans_seq.progress import Display


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that goes a second further each time it is looked at."""
    seconds = itertools.count()
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))


@pytest.mark.parametrize(("terminal", "expected"), [(True, "bar"), (False, "lines")])
def test_bars_are_for_terminals(terminal: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: terminal)
    assert progress.usual() == expected


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("style", "shown"), [("lines", ["9", "19"]), ("none", [])])
def test_lines_come_now_and_then(
    style: progress.Progress, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Display(style) as display:
        for number in range(25):
            if display.is_time():
                display.show(str(number), number, 25)
    captured = capsys.readouterr()
    assert (captured.out, captured.err.split()) == ("", shown)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("keep", [False, True])
def test_where_there_is_no_terminal_a_bar_shows_its_end_if_that_is_kept(
    keep: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with Display("bar", keep) as display:
        assert display.is_time()
        display.show("reading book.txt", 1, 2)
        display.show("reading more.txt", 2, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("reading more.txt" in captured.err) == keep
    assert "reading book.txt" not in captured.err
