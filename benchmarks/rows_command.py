"""The command line of a benchmark that adds a row for whatever has none yet, or prints the tables of those it has."""

import sys
from collections.abc import Callable
from typing import Any

import torch
import tyro

from titans_seq.errors import UserError


def run_rows_command(
    arguments: type[Any], description: str | None, measure: Callable[[Any], None], tables: Callable[[Any], str]
) -> int:
    """Read the arguments, then measure or, with `--table`, print; on one thread. Return the exit code.

    Args:
        arguments: a dataclass with a field `table`.
        description: what the help says.
        measure: adds the rows that are not there yet.
        tables: makes the text of those that are.
    """
    given = tyro.cli(arguments, description=description)
    torch.set_num_threads(1)
    try:
        if given.table:
            print(tables(given))
        else:
            measure(given)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
