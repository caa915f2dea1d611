"""The guides run, their pages and notebooks agree with their scripts, and the site can be built."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.tools import guides
from tests.conftest import REPOSITORY


def test_a_script_is_taken_apart() -> None:
    cells = guides.cells_of("# %% [markdown]\n# Say it.\n#\n# Twice.\n\n# %%\nprint(1)\n")
    assert cells == [guides.Cell("Say it.\n\nTwice.", False, 2), guides.Cell("print(1)", True, 7)]
    assert guides.page("a", cells, ["", "1"]).startswith(
        "Say it.\n\nTwice.\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\n"
    )
    code = json.loads(guides.notebook(cells, ["", "1"]))["cells"][1]
    assert (code["cell_type"], code["source"], code["outputs"][0]["text"]) == ("code", ["print(1)"], ["1"])
    with pytest.raises(ValueError, match="expected a guide to begin with a cell, got 'import os'"):
        guides.cells_of("import os\n# %%\n")


def test_there_are_four_guides() -> None:
    assert guides.names() == ["find_a_motif", "forecast_a_csv", "memory_in_your_model", "remember_a_book"]


@pytest.mark.parametrize("name", guides.names())
def test_page_and_notebook_agree_with_the_script(name: str) -> None:
    assert guides.stale(name) == [], "run python -m docs.tools.guides"


def test_a_changed_script_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guides, "FOLDER", tmp_path)
    script = tmp_path / "a.py"
    script.write_text("# %%\nprint('one')\n")
    assert guides.stale("a") == ["a.md", "a.ipynb"]
    guides.write(["a"])
    assert guides.stale("a") == []
    assert guides.shown("a") == ["one"]
    script.write_text("# %%\nprint('two')\n")
    assert guides.stale("a") == ["a.md", "a.ipynb"]


@pytest.mark.slow
@pytest.mark.parametrize("name", guides.names())
def test_a_guide_runs_and_prints_what_its_page_shows(name: str) -> None:
    """In words: digits may differ between machines."""
    printed = guides.run(guides.FOLDER / f"{name}.py")
    assert [_words(text) for text in printed] == [_words(text) for text in guides.shown(name)]


def _words(text: str) -> str:
    return re.sub(r"[\d.,%-]+|(?<= ) +", "", text)


@pytest.mark.slow  # `make guides` builds it too; that links and files of the sources exist, quick tests see
@pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None,
    reason="mkdocs is not installed: pip install -e '.[docs]', or make setup",
)
def test_the_site_builds(tmp_path: Path) -> None:
    """Strictly: a link that leads nowhere, a page that no menu has or a name without a docstring fails it."""
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=REPOSITORY,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "reference" / "memory.html").read_text(encoding="utf-8")
    assert "MemoryRule" in reference
    # Nothing is fetched from elsewhere when a page is opened.
    assert not re.findall(r'(?:<script[^>]*src|<link[^>]*stylesheet[^>]*href)="https?:', reference)
