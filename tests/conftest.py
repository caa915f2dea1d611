"""Fixtures and settings that every test shares."""

import functools
import gc
import inspect
import io
import logging
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

# Until all tests are collected: imports leave nothing to find, and each search would look at all that they have made.
gc.disable()

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch
from _pytest.logging import catching_logs
from tyro._parsers import ParserSpecification

torch.set_num_threads(1)

# A seed that no accelerator takes waits for one, three times with the stack it came from: a millisecond each.
if not torch.accelerator.is_available():
    torch.cuda.manual_seed_all = torch.xpu.manual_seed_all = torch.mtia.manual_seed_all = lambda seed: None

# pytest hands its handlers to each of hundreds of loggers that keep records to themselves, six times a test: half the
# time of an empty one. No such logger is ours.
_attach = catching_logs.__enter__


def _to_the_root_alone(self: catching_logs[Any]) -> logging.Handler:
    manager = logging.root.manager
    loggers, manager.loggerDict = manager.loggerDict, {}
    try:
        return _attach(self)
    finally:
        manager.loggerDict = loggers


catching_logs.__enter__ = _to_the_root_alone

# A shared machine makes any deadline a coin toss, and a test that draws other examples each run is one too.
hypothesis.settings.register_profile("steady", deadline=None, derandomize=True)
hypothesis.settings.load_profile("steady")

# The help of options is found in the source of their classes: for each command line, a sixth of the time to parse it.
inspect.getsource = functools.cache(inspect.getsource)

# A parser is made of a command's class and its defaults alone: most of the time that a refused command line takes.
_new_parser, _PARSERS = ParserSpecification.from_callable_or_type, {}


def _parser(f: Any, **given: Any) -> ParserSpecification:
    if given["intern_prefix"] or given["parent_classes"]:  # a part of one that is made just now
        return _new_parser(f, **given)
    key = (f, *map(repr, given.values()))
    if key not in _PARSERS:
        _PARSERS[key] = _new_parser(f, **given)
    return _PARSERS[key]


ParserSpecification.from_callable_or_type = _parser  # pyright: ignore[reportAttributeAccessIssue]

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED_DATA = REPOSITORY.parent / "shared" / "data"


def pytest_collection_finish() -> None:
    """Keep what imports have made out of all later searches for garbage, which would look at a million objects."""
    gc.collect()
    gc.freeze()
    # What is frozen does not count as old, so that whole searches would come at nearly every import.
    gc.set_threshold(5_000, 10, 10)
    gc.enable()


@functools.cache
def _empty_picture(kind: str) -> bytes:
    from matplotlib.figure import Figure

    drawn = io.BytesIO()
    Figure(figsize=(1, 1)).savefig(drawn, format=kind, dpi=5)
    return drawn.getvalue()


@contextmanager
def pictures_left_blank() -> Iterator[None]:
    """Let pictures be files without content: drawing takes longer than what most commands do else in a test."""
    from matplotlib.figure import Figure

    empty = {kind: _empty_picture(kind) for kind in ("png", "svg", "pdf")}

    def blank(figure: Figure, file: str | Path, **options: Any) -> None:
        Path(file).write_bytes(empty[Path(file).suffix.removeprefix(".")])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", blank)
        yield


@pytest.fixture
def blank_pictures() -> Iterator[None]:
    """Draw nothing in this test; see `pictures_left_blank`."""
    with pictures_left_blank():
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root folder of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data that lies beside a checkout; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"needs the real data folder {SHARED_DATA}, which this machine does not have")
    return SHARED_DATA
