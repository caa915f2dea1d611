"""The page of claims: what it says was measured stands in the results, and its commands exist."""

import importlib.util
import re

import pytest

from tests.conftest import REPOSITORY
from tests.docs.test_readme import understand

PAGE = (REPOSITORY / "docs" / "claims.md").read_text(encoding="utf-8")
RESULTS = (REPOSITORY / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
CLAIMS, COMMANDS = PAGE.split("## The commands")


def rows(text: str) -> list[list[str]]:
    """Return the cells of the tables' lines."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def test_what_was_measured_stands_in_the_results() -> None:
    figures = [(figure, row) for row in rows(CLAIMS) for figure in re.findall(r"\d+\.\d+", row[2])]
    assert len(figures) > 50
    assert [pair for pair in figures if pair[0] not in RESULTS] == []


def test_every_claim_has_a_verdict() -> None:
    verdicts = ("holds here", "does not hold here", "not testable here", "not run yet", "verdict")
    assert [row for row in rows(CLAIMS) if not any(verdict in row[3] for verdict in verdicts)] == []


@pytest.mark.parametrize("line", re.findall(r"`((?:titans|python -m|make) [^`]*)`", COMMANDS))
def test_a_claims_command_exists(line: str) -> None:
    program, *arguments = line.split()
    if program == "titans":
        understand(line)
    elif program == "python":
        assert importlib.util.find_spec(arguments[1]) is not None
    else:
        assert line.startswith("make test PYTEST_ARGS=")
        folders = re.search(r'"(.*)"', line)
        assert folders is not None
        assert all((REPOSITORY / folder).is_dir() for folder in folders[1].split())
