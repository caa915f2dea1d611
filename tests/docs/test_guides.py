"""The Python in the documents runs, in order, and prints what the text blocks between it show; links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.forked import ended, forked

BLOCK = re.compile(r"(<!-- not run: [^\n]* -->\n)?```(python|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")
# A file of the repository, by its whole path; a word in capitals stands for others.
FILE = re.compile(r"`((?:titans_seq|tests|benchmarks|forecasting|genomics|language|docs)/[a-z0-9_/]+\.[a-z]+)`")
# Torch deprecates parts that it uses itself; a filter from the command line cannot name its modules.
WARNINGS = ["-W", "error", "-W", "ignore::DeprecationWarning"]
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("benchmarks/*.md")])


def script_of(document: str) -> str:
    """Keep the Python that is meant to run, on the lines where it stands, so that a traceback names those."""
    kept = [""] * document.count("\n")
    for found in BLOCK.finditer(document):
        if found[2] == "python" and not found[1]:
            lines = found[3].splitlines()
            first = document.count("\n", 0, found.start(3))
            kept[first : first + len(lines)] = lines
    return "\n".join(kept)


def shown_by(document: str) -> str:
    """Return what the text blocks show."""
    return "".join(found[3] for found in BLOCK.finditer(document) if found[2] == "text")


def run(document: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a document's Python as a script in a process of its own: kinds that it registers are global to a process."""
    # A name that nothing can import: inspect.md would stand before the module of that name.
    script = folder / f"run-{document.stem}.py"
    script.write_text(script_of(document.read_text(encoding="utf-8")), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, *WARNINGS, script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def with_python() -> list[Path]:
    """Return the documents that hold Python to run, but for the guides, which are made from scripts."""
    written = [document for document in DOCUMENTS if document.parent.name != "guides"]
    return [document for document in written if script_of(document.read_text(encoding="utf-8")).strip()]


def test_the_readme_runs(tmp_path: Path) -> None:
    """In a copy of this process, without the imports over again; `make guides` runs it as all the others."""
    text, said = (REPOSITORY / "README.md").read_text(encoding="utf-8"), tmp_path / "said"
    code = compile(script_of(text), "README.md", "exec")
    assert ended(forked(lambda: exec(code, {"__name__": "__main__"}), said)) == 0, said.read_text()
    assert said.read_text() == shown_by(text)


@pytest.mark.slow
@pytest.mark.parametrize("document", with_python(), ids=lambda path: path.name)
def test_a_document_runs_and_prints_what_it_shows(document: Path, tmp_path: Path) -> None:
    done = run(document, tmp_path)
    assert done.returncode == 0, f"{document.name}: {done.stderr}"
    assert done.stdout == shown_by(document.read_text(encoding="utf-8"))


def test_the_readme_and_the_guide_hold_python() -> None:
    assert {"README.md", "design-your-own-memory.md"} <= {document.name for document in with_python()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    for path, heading in LINK.findall(document.read_text(encoding="utf-8")):
        target = document.parent / path if path else document
        assert target.exists(), f"{document.name} links to {path}, which is not there"
        if heading:
            assert heading.removeprefix("#") in headings_of(target), f"{document.name} links to {path}{heading}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_are_there(document: Path) -> None:
    named = FILE.findall(document.read_text(encoding="utf-8"))
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def headings_of(document: Path) -> set[str]:
    """Return the names by which GitHub knows a document's headings."""
    titles = re.findall(r"^#+ (.*)$", document.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_check_can_fail(tmp_path: Path) -> None:
    document = tmp_path / "guide.md"
    blocks = ["python\nx = 1", "python\nprint(x)", "text\n2", "python\n1 / 0"]
    document.write_text("".join(f"```{block}\n```\n" for block in blocks))
    done = run(document, tmp_path)
    assert done.stdout == "1\n"
    assert shown_by(document.read_text()) == "2\n"
    assert "line 11" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_what_is_said_not_to_run_does_not() -> None:
    document = "<!-- not run: needs your frame -->\n```python\nfit(frame)\n```\n\n```python\nprint(1)\n```\n"
    assert script_of(document).split() == ["print(1)"]
