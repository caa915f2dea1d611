"""Runs `interpreted.py`, where the tests are, in a process whose triton interprets kernels."""

import importlib.util
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest


def _release(package: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version(package).split(".")[:2])
    except PackageNotFoundError:
        return (0, 0)


@pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="needs triton: pip install 'titans-seq[kernels]'"
)
@pytest.mark.skipif(
    (0, 0) < _release("triton") < (3, 7) and _release("numpy") >= (2, 4),
    reason="the interpreter of triton before 3.7 does not work with numpy 2.4 and above",
)
@pytest.mark.parametrize("chosen", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_the_kernels_agree_with_the_chunked_operator(chosen: str, repository: Path) -> None:
    file = str(Path(__file__).with_name("interpreted.py"))
    options = "-q --disable-plugin-autoload -p no:cacheprovider --tb=short --show-capture=no -m".split()
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, chosen, file],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
