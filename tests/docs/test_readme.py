"""The README is short, its commands exist, and its six lines are the memory that the package runs."""

import re
import shlex

import pytest
import torch

from benchmarks.front_page import Table
from forecasting.cli.main import COMMANDS as FORECAST
from genomics.cli.main import COMMANDS as DNA
from language.cli.main import COMMANDS as LM
from tests.conftest import REPOSITORY
from tests.memory import paper_models
from titans_seq.cli import GROUPS as ALL_GROUPS
from titans_seq.commands import _parse
from titans_seq.errors import UserError
from titans_seq.inspecting import COMMAND as INSPECT
from titans_seq.plans import COMMANDS as PLAN

README = REPOSITORY / "README.md"
GROUPS = {"forecast": FORECAST, "dna": DNA, "lm": LM, "plan": PLAN, "inspect": {"inspect": INSPECT}}
BLOCK = re.compile(r"^```\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = sorted([README, REPOSITORY / "CONTRIBUTING.md", *REPOSITORY.glob("docs/**/*.md")])


def commands(program: str) -> list[str]:
    """Return the command lines of the documents that begin with a program's name, once each."""
    blocks = "".join(block for page in PAGES for block in BLOCK.findall(page.read_text(encoding="utf-8")))
    return list(dict.fromkeys(line for line in blocks.splitlines() if line.startswith(f"{program} ")))


def test_it_is_short_and_narrow() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 119
    assert [line for line in lines if len(line) > 120] == []


@pytest.mark.parametrize("line", commands("titans"))
def test_every_titans_command_is_understood(line: str) -> None:
    understand(line)


def understand(line: str) -> None:
    """Parse a command line as the program does; what it refuses ends the test."""
    _, group, *arguments = shlex.split(line, comments=True)
    assert group in ALL_GROUPS
    if group == "inspect":
        arguments = ["inspect", *arguments]
    if group == "plan" and arguments[0].startswith("-"):
        arguments = ["lm", *arguments]
    if group in GROUPS:
        verb, *rest = arguments
        try:
            _parse(GROUPS[group][verb], rest, f"titans {group} {verb}")
        except UserError as error:  # a run of the reader's, whose settings are asked for
            if "no such run folder" not in str(error):
                raise


@pytest.mark.parametrize("line", commands("make"))
def test_every_make_target_is_there(line: str) -> None:
    target = shlex.split(line, comments=True)[1]
    assert re.search(rf"^{target}:.*##", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


def test_its_six_lines_are_the_memory_that_is_tested() -> None:
    """The tests' paper model of Titans, against which the operator is tested, gives the same."""
    (code,) = re.findall(
        r"^```python\n(def titans.*?)^```$", README.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    names: dict = {"torch": torch}
    exec(code, names)
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 7, 4, dtype=torch.float64)
    lr, momentum, decay, threshold = torch.rand(4, 7, dtype=torch.float64)
    weights = [torch.randn(8, 4, dtype=torch.float64), torch.randn(4, 8, dtype=torch.float64)]
    weights = [w.requires_grad_() for w in weights]
    head = paper_models.Head(q, k, v, 0.1 * lr, momentum, decay, threshold, number=0)
    ours, last = names["titans"](
        paper_models.perceptron, paper_models.gradients, weights, q, k, v, 0.1 * lr, momentum, decay
    )
    theirs, last_of_theirs = paper_models.titans(head, weights, chunk=1)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(last, last_of_theirs, rtol=1e-12, atol=1e-12)


def test_a_table_gives_a_cell_or_says_why_not() -> None:
    table = Table.of("| set | score |\n|---|---|\n| a | **0.1 ± 0.2** |\n| b | 2 (1 to 3) |\n")
    assert (table.cell("score", "a"), table.cell("score", "b")) == ("0.1", "2")
    with pytest.raises(ValueError, match="0 lines begin with"):
        table.cell("score", "c")
