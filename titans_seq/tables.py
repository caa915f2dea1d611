"""Tables as text: aligned for a terminal, or as Markdown."""

from collections.abc import Sequence
from statistics import fmean, stdev


def align(rows: Sequence[Sequence[str]]) -> str:
    """Put rows of cells under each other: the first column to the left, the others to the right.

    Example:
        >>> print(align([["model", "mse"], ["naive", "1.25"]]))
        model   mse
        naive  1.25
    """
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for first, *others in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Write rows of cells as a Markdown table.

    Args:
        rows: the header, then the lines.
        left: number of columns that are words, and stand to the left; the others are numbers.

    Example:
        >>> print(markdown([["model", "mse"], ["naive", "1.25"]]))
        | model | mse |
        | --- | ---: |
        | naive | 1.25 |
    """
    header, *body = rows
    rule = ["---"] * left + ["---:"] * (len(header) - left)
    cells = ([cell.replace("|", "\\|") for cell in row] for row in (header, rule, *body))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def spread(values: Sequence[float], digits: int = 3) -> str:
    """Write mean and sample deviation; a single value alone, "-" for none.

    Example:
        >>> spread([1.0, 3.0]), spread([1.0]), spread([])
        ('2.000 ± 1.414', '1.000', '-')
    """
    if not values:
        return "-"
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{deviation}"


def span(values: Sequence[float], digits: int = 3) -> str:
    """Write mean and range; a single value alone, "-" for none.

    Example:
        >>> span([1.0, 3.0]), span([1.0])
        ('2.000 (1.000 to 3.000)', '1.000')
    """
    if not values:
        return "-"
    ends = f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{ends}"
