"""The report as text: all of it, or a few lines for the start of a run."""

from .findings import SHOWN, findings
from .report import CheckReport, ClassSummary, LengthScore, Overlap, PartSummary


def render(report: CheckReport) -> str:
    """Return the whole report, and what stands out in it.

    Args:
        report: from `check`.
    """
    blocks = [*map(_part, report.parts), _length(report.length), *map(_overlap, report.overlaps), _findings(report)]
    return "\n\n".join(blocks)


def render_short(report: CheckReport) -> str:
    """Return one line a part, and what stands out.

    Args:
        report: from `check`.

    Example:
        >>> from genomics.check.report import ClassSummary, PartSummary
        >>> whole = ClassSummary("all", 3, 1.0, 9, 9, 9)
        >>> print(render_short(CheckReport((PartSummary("train", whole, (), None, 0, 0, 0),), None, ())))
        train: 3 sequences of 9 bases
        nothing stands out
    """
    parts = [f"{part.part}: {part.whole.count:,} sequences of {_lengths(part.whole)}" for part in report.parts]
    return "\n".join([*parts, _findings(report)])


def _findings(report: CheckReport) -> str:
    return "\n".join(f"! {finding}" for finding in findings(report)) or "nothing stands out"


def _part(part: PartSummary) -> str:
    rows = [["", "count", "share", "shortest", "median", "longest"]]
    for held in (part.whole, *part.classes[:SHOWN]):
        numbers = (held.shortest, held.median, held.longest)
        rows.append([held.name, f"{held.count:,}", f"{held.share:.1%}", *(f"{number:,}" for number in numbers)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [part.part]
    for name, *cells in rows:
        shown = [cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True)]
        lines.append("  ".join([name.ljust(widths[0]), *shown]))
    if len(part.classes) > SHOWN:
        lines.append(f"... and {len(part.classes) - SHOWN:,} more")
    letters = "" if part.unknown is None else f"not A, C, G or T: {part.unknown:.2%}; "
    lines.append(
        f"{letters}copies: {part.duplicates:,} equal, {part.reversed:,} reverse complement; with conflicting labels: "
        f"{part.conflicting:,}"
    )
    return "\n".join(lines)


def _length(score: LengthScore | None) -> str:
    if score is None:
        return "length alone: not scored (it needs classes with at least two sequences each)"
    return (
        f"length alone: accuracy {score.accuracy:.3f}, MCC {score.mcc:.3f}; largest class {score.majority:.3f} "
        f"({score.scored_on}, {score.count:,} sequences)"
    )


def _overlap(overlap: Overlap) -> str:
    other = "the rest of it" if overlap.within else overlap.other
    short = f"; {overlap.too_short:,} are shorter" if overlap.too_short else ""
    lines = [
        f"{overlap.part} in {other}: {overlap.exact:,} equal, {overlap.reversed:,} reverse complement, "
        f"{overlap.conflicting:,} of these with another label",
        f"  sharing {overlap.k} bases: {overlap.sharing:,} of {overlap.count:,} "
        f"({overlap.sharing / overlap.count:.1%}{short})",
    ]
    if overlap.classes:
        shares = [f"{held.name} {held.share:.1%}" for held in overlap.classes[:SHOWN]]
        lines.append("  by class: " + ", ".join(shares))
    return "\n".join(lines)


def _lengths(whole: ClassSummary) -> str:
    if whole.shortest == whole.longest:
        return f"{whole.longest:,} bases"
    return f"{whole.shortest:,} to {whole.longest:,} bases"
