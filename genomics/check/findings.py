"""Say what of a report a user should know before training, in sentences."""

import math
import re
from collections import Counter

from ..sequences.labels import plain_name
from .report import CheckReport, LengthScore, Overlap, PartSummary

SHOWN = 12
"""Classes that are listed one by one."""

_IMBALANCE = 3
_NOTED = 0.01
_LOPSIDED = 0.1
_GC = 0.05
_FEW = 10
_LIKE_MISSING = ("none", "null", "nil", ".", "?", "<na>", "#n/a", "missing")


def findings(report: CheckReport) -> tuple[str, ...]:
    """Return what stands out, the gravest first; nothing if nothing does.

    Args:
        report: from `check`.

    Returns:
        One or a few sentences for each.
    """
    found: list[str] = []
    if report.length is not None and _length_matters(report.length):
        found.append(_about_length(report.length))
    for overlap in report.overlaps:
        found += [*_about_copies(overlap), *_about_sharing(overlap)]
    for part in report.parts:
        found += _about_part(part)
    return tuple(found)


def findings_of_scored(overlap: Overlap) -> tuple[str, ...]:
    """Return what stands out of sequences that a trained model is to be scored on; nothing if nothing does.

    Args:
        overlap: of these with the sequences that it was trained on.

    Returns:
        A sentence or two for each.
    """
    found = []
    if copies := overlap.exact + overlap.reversed:
        found.append(
            f"{copies:,} of {overlap.count:,} sequences also stand in the training part{_details(overlap)}: the model "
            "has seen them. Leave them out to learn how good it is on others."
        )
    # The copies are among those that share bases, unless they are too short to.
    if overlap.sharing > copies + _NOTED * overlap.count:
        found.append(
            f"{overlap.sharing / overlap.count:.1%} of the sequences share {overlap.k} bases with a training sequence: "
            "overlapping windows, repeats or relatives, on which it is better than on others."
        )
    return tuple(found)


def _length_matters(score: LengthScore) -> bool:
    """Whether it beats the largest class by more than chance explains."""
    noise = math.sqrt(max(score.majority * (1 - score.majority), _NOTED) / score.count)
    return score.accuracy - score.majority > max(2 * _NOTED, 3 * noise)


def _about_length(score: LengthScore) -> str:
    return (
        f"Length alone predicts the class: accuracy {score.accuracy:.3f} and MCC {score.mcc:.3f}, where the largest "
        f"class gives {score.majority:.3f} ({score.scored_on}). A model that sees lengths or padding scores as much "
        "without the bases: compare every score with this one, or cut all sequences to one length."
    )


def _about_copies(overlap: Overlap) -> list[str]:
    copies = overlap.exact + overlap.reversed
    if not copies or overlap.within:
        return []
    return [
        f"{copies:,} of {overlap.count:,} {overlap.part} sequences also stand in {overlap.other}{_details(overlap)}: "
        f"remove them from {overlap.other}."
    ]


def _details(overlap: Overlap) -> str:
    """How many of the copies are not plain ones."""
    strand = f", {overlap.reversed:,} as the reverse complement" if overlap.reversed else ""
    return strand + (f", {overlap.conflicting:,} with another label there" if overlap.conflicting else "")


def _about_sharing(overlap: Overlap) -> list[str]:
    if overlap.sharing <= _NOTED * overlap.count:
        return []
    shares = [held.share for held in overlap.classes]
    by_class = ""
    if shares and max(shares) - min(shares) > _LOPSIDED:
        each = ", ".join(f"{held.name!r} {held.share:.1%}" for held in overlap.classes[:SHOWN])
        by_class = f" It differs between classes ({each}): a model can tell them by what it has seen before."
    other = "another of them" if overlap.within else overlap.other
    return [
        f"{overlap.sharing / overlap.count:.1%} of the {overlap.part} sequences share {overlap.k} bases with {other}: "
        f"overlapping windows, repeats or relatives.{by_class} Train on folds that keep near-duplicates together "
        "(--folds 5 --groups) to see what that is worth."
    ]


def _about_part(part: PartSummary) -> list[str]:
    found = _about_names(part) if part.part == "train" else _about_absent(part)
    if part.conflicting:
        found.append(
            f"{part.conflicting:,} {part.part} sequences have copies with another label, on either strand: no model "
            "that reads both strands alike can be right about all of them; remove or correct them."
        )
    copies = part.duplicates + part.reversed
    if copies > _NOTED * part.whole.count:
        strand = f", {part.reversed:,} as the reverse complement" if part.reversed else ""
        found.append(
            f"{copies:,} of {part.whole.count:,} {part.part} sequences repeat an earlier one{strand}: they count "
            "twice, and folds must keep them together."
        )
    counts = [held.count for held in part.classes]
    # Only where each sequence is of one class can the counts be compared.
    if part.part == "train" and sum(counts) == part.whole.count and max(counts) > _IMBALANCE * min(counts):
        found.append(
            f"The classes are unequal: from {min(counts):,} to {max(counts):,} sequences. Weight them "
            "(--class-weights balanced), and judge by MCC or F1 rather than by accuracy."
        )
    if part.part == "train":
        found += _about_gc(part)
    if part.mostly_unknown:
        found.append(
            f"{part.mostly_unknown:,} of {part.whole.count:,} {part.part} sequences are mostly N or other letters that "
            "are not A, C, G or T: there is little to learn from them, and their scores mean little."
        )
    if part.unknown is not None and part.unknown > _NOTED:
        found.append(f"{part.unknown:.1%} of the letters of {part.part} are not A, C, G or T.")
    return found


def _about_names(part: PartSummary) -> list[str]:
    """Name classes that are most likely one, `yes` and `Yes`, or none, `NULL`."""
    alike: dict[str, list[str]] = {}
    for held in part.classes:
        alike.setdefault(plain_name(held.name), []).append(repr(held.name))
    missing = [held.name for held in part.classes if held.name.casefold() in _LIKE_MISSING]
    found = [
        f"The class {name!r} reads like a missing label: if it is one, leave its cells empty (--skip-bad leaves such "
        "rows out) or remove the rows."
        for name in missing
    ]
    found += [
        f"The classes {' and '.join(names)} differ only in case, in blanks or in how a number is written: if they are "
        "one class, write them alike."
        for names in alike.values()
        if len(names) > 1
    ]
    return found + _about_several(part)


def _about_several(part: PartSummary) -> list[str]:
    """Name classes that may be several labels in one cell: `A;B` and `A;C`."""
    pieces = {held.name: [piece.strip() for piece in re.split("[;|]", held.name)] for held in part.classes}
    counts = Counter(piece for held in pieces.values() for piece in held)
    shared = (name for name, held in pieces.items() if len(held) > 1 and max(counts[piece] for piece in held) > 1)
    name = next(shared, None)
    if name is None:
        return []
    return [
        f"The class {name!r} has a part in common with another: if a cell holds several labels, give each label a "
        "column of 0 and 1 (--label once for each)."
    ]


def _about_absent(part: PartSummary) -> list[str]:
    absent = [repr(held.name) for held in part.classes if not held.count]
    if not absent:
        return []
    more = "" if len(absent) <= SHOWN else f" and {len(absent) - SHOWN:,} more"
    return [
        f"The {part.part} part has no sequence of {', '.join(absent[:SHOWN])}{more}: its scores say nothing about "
        "that, and AUROC may not be defined. Divide the data so that each part has each class."
    ]


def _about_gc(part: PartSummary) -> list[str]:
    """Warn where composition alone tells classes apart, more than chance explains."""
    known = [
        (held.gc, held.gc_deviation**2 / held.count, held.name)
        for held in part.classes
        if held.gc is not None and held.count >= _FEW
    ]
    if len(known) < 2:
        return []
    (low, one, poor), (high, other, rich) = min(known), max(known)
    if high - low <= max(_GC, 3 * math.sqrt(one + other)):
        return []
    return [
        f"GC content differs between classes: {high:.1%} in {rich!r}, {low:.1%} in {poor!r}. A model can tell them by "
        "composition alone: compare it with the k-mer regression, or take negatives of the same composition (titans "
        "dna negatives)."
    ]
