"""The guides: each is one script in cells, from which its page and its notebook are made.

python -m docs.tools.guides                  # run all of them, and write pages and notebooks
python -m docs.tools.guides find_a_motif     # this one alone
python -m docs.tools.guides --check          # exit 1 if a page or a notebook does not agree with its script

A cell begins with `# %%`, one of text with `# %% [markdown]`. What a cell prints stands below it.
"""

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "guides"
_CELL = re.compile(r"^# %%( \[markdown\])?\n", re.MULTILINE)


@dataclass(frozen=True)
class Cell:
    """A part of a guide.

    Attributes:
        text: what it says, or its code.
        is_code: which of the two.
        line: where it begins in the script, from 1.
    """

    text: str
    is_code: bool
    line: int


def cells_of(script: str) -> list[Cell]:
    """Take a script apart.

    Raises:
        ValueError: if something stands before its first cell.
    """
    before, *parts = _CELL.split(script)
    if before.strip():
        raise ValueError(f"expected a guide to begin with a cell, got {before.splitlines()[0]!r}")
    cells, line = [], 1 + before.count("\n")
    for markdown, body in zip(parts[::2], parts[1::2], strict=True):
        text = re.sub(r"^# ?", "", body, flags=re.MULTILINE) if markdown else body
        cells.append(Cell(text.strip(), not markdown, line + 1))
        line += 1 + body.count("\n")
    return cells


def run(path: Path) -> list[str]:
    """Run a guide in an empty folder; return what each cell printed, "" for text."""
    names: dict[str, object] = {"__name__": "__main__"}
    printed = []
    with _empty_folder():
        for cell in cells_of(path.read_text(encoding="utf-8")):
            out = io.StringIO()
            if cell.is_code:
                # Lines above it, so that a traceback names those of the script.
                code = compile("\n" * (cell.line - 1) + cell.text, str(path), "exec")
                with contextlib.redirect_stdout(out):
                    exec(code, names)
            printed.append(out.getvalue().strip())
    return printed


@contextlib.contextmanager
def _empty_folder() -> Iterator[None]:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def page(name: str, cells: Sequence[Cell], printed: Sequence[str]) -> str:
    """The guide as Markdown."""
    blocks = []
    for cell, output in zip(cells, printed, strict=True):
        blocks.append(f"```python\n{cell.text}\n```" if cell.is_code else cell.text)
        if output:
            blocks.append(f"```text\n{output}\n```")
    last = f"This page is made from the script [{name}.py]({name}.py). The same as a [notebook]({name}.ipynb)."
    return "\n\n".join([*blocks, last]) + "\n"


def notebook(cells: Sequence[Cell], printed: Sequence[str]) -> str:
    """The guide as a notebook, in the format 4.5."""
    content = {
        "cells": [_notebook_cell(n, *pair) for n, pair in enumerate(zip(cells, printed, strict=True))],
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _notebook_cell(number: int, cell: Cell, output: str) -> dict[str, object]:
    shared = {"id": f"cell-{number}", "metadata": {}, "source": cell.text.splitlines(keepends=True)}
    if not cell.is_code:
        return {"cell_type": "markdown", **shared}
    stream = {"name": "stdout", "output_type": "stream", "text": output.splitlines(keepends=True)}
    return {"cell_type": "code", "execution_count": None, **shared, "outputs": [stream] if output else []}


def shown(name: str) -> list[str]:
    """What each cell printed when the notebook was made."""
    content = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))
    return ["".join("".join(o["text"]) for o in cell.get("outputs", ())) for cell in content["cells"]]


def stale(name: str) -> list[str]:
    """The files of a guide that are not what its script says, apart from what the cells printed."""
    cells = cells_of((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    try:
        printed = shown(name)
        wanted = {f"{name}.md": page(name, cells, printed), f"{name}.ipynb": notebook(cells, printed)}
    except (OSError, ValueError):
        return [f"{name}.md", f"{name}.ipynb"]
    return [file for file, text in wanted.items() if not _holds(FOLDER / file, text)]


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def names() -> list[str]:
    """All guides."""
    return sorted(path.stem for path in FOLDER.glob("*.py"))


def write(chosen: Iterable[str]) -> None:
    """Run guides, and write their pages and notebooks."""
    for name in chosen:
        path = FOLDER / f"{name}.py"
        cells, printed = cells_of(path.read_text(encoding="utf-8")), run(path)
        path.with_suffix(".md").write_text(page(name, cells, printed), encoding="utf-8")
        path.with_suffix(".ipynb").write_text(notebook(cells, printed), encoding="utf-8")
        print(f"written: {path.with_suffix('.md')} and .ipynb")


def main(arguments: Sequence[str]) -> int:
    """Write the guides that are named, or all; with `--check` say which files are not up to date."""
    if "--check" in arguments:
        old = [file for name in names() for file in stale(name)]
        print(f"not up to date: {', '.join(old)}; run python -m docs.tools.guides" if old else "all are up to date")
        return int(bool(old))
    unknown = [name for name in arguments if name not in names()]
    if unknown:
        print(f"error: no guide {', '.join(unknown)}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    write(arguments or names())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
