"""What the variants of a VCF file do to a prediction: alternative minus reference, a row an allele."""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from ..evaluation.values import Model
from ..sequences.reference import Reference
from .alleles import Pair, allele_problem, cut_pair, reference_problem
from .scores import target_column, target_names, target_scores
from .vcf import Variant, read_vcf

COLUMNS = ("line", "contig", "position", "id", "ref", "alt", "note")
_MOST_ROWS = 256
_MOST_BASES = 1 << 21
_REMEMBERED = 5


@dataclass(frozen=True)
class VariantOptions:
    """How variants are scored.

    Attributes:
        window: bases that the model reads around a variant, at least 1; the length it was trained on is best.
        targets: classes or labels to score; None for all (of two classes the second, whose score is minus the
            first's).
        skip_bad: leave out, with a note, a variant whose REF or contig is not in the reference, instead of refusing
            the file.

    Raises:
        UserError: if the window is shorter than 1.
    """

    window: int
    targets: tuple[str, ...] | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        if self.window < 1:
            raise UserError(f"the window around a variant must be at least 1 base, got {self.window}")


@dataclass
class VariantReport:
    """What became of the alleles of a file.

    Attributes:
        variants: lines read.
        scored: alternatives with a score.
        skipped: alternatives without one, by the reason that stands in their row.
        lines: the first lines of each reason.
    """

    variants: int = 0
    scored: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)

    def text(self) -> str:
        """The report in words.

        Example:
            >>> print(VariantReport(3, 2, {"symbolic allele": 1}, {"symbolic allele": [7]}).text())
            3 variants read, 2 alternative alleles scored
            skipped 1: symbolic allele (line 7)
        """
        rows = [f"{self.variants:,} variants read, {self.scored:,} alternative alleles scored"]
        for reason, count in self.skipped.items():
            shown = ", ".join(map(str, self.lines[reason])) + (", ..." if count > len(self.lines[reason]) else "")
            rows.append(f"skipped {count:,}: {reason} (line{'s' if count > 1 else ''} {shown})")
        return "\n".join(rows)

    def skip(self, reason: str, line: int) -> None:
        """Count an allele that has no score."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        seen = self.lines.setdefault(reason, [])
        if len(seen) < _REMEMBERED:
            seen.append(line)


@dataclass(frozen=True)
class _Row:
    variant: Variant
    allele: str
    pair: Pair | None
    note: str = ""


def score_variants(
    model: Model,
    calls: Path | str,
    reference: Reference,
    out: Path | str,
    options: VariantOptions,
    progress: Callable[[int], Any] = lambda done: None,
) -> VariantReport:
    """Score every alternative allele of a VCF file and write a CSV file, a row an allele in the order of the file.

    Columns: `line`, `contig`, `position`, `id`, `ref`, `alt`, `note` (why there is no score, else empty), then for
    each target `score_NAME` = `alternative_NAME` - `reference_NAME`, which are log odds (values for regression; see
    `scores.target_scores`). All lines are compared with the reference before the model runs. Any number of variants
    is read in bounded memory.

    Args:
        model: see `evaluation.Model`.
        calls: VCF file, plain, gzip or bgzip.
        reference: the assembly that the calls were made on.
        out: the CSV file; written whole or not at all.
        options: window and targets.
        progress: called with the number of variants done.

    Raises:
        UserError: if the file holds no variant or a broken line, a target is unknown, or, without `skip_bad`, a REF
            or contig is not the reference's; with it, if no variant's is.
    """
    columns = _target_columns(model, options.targets)
    _check(calls, reference, options.skip_bad)
    report = VariantReport()
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        kinds = ("score", "alternative", "reference")
        writer.writerow([*COLUMNS, *(f"{kind}_{name}" for name in columns for kind in kinds)])
        waiting: list[_Row] = []
        bases = 0
        for row in _rows(calls, reference, options, report):
            waiting.append(row)
            bases += 0 if row.pair is None else len(row.pair.reference) + len(row.pair.alternative)
            if len(waiting) >= _MOST_ROWS or bases >= _MOST_BASES:
                _write(writer, waiting, model, columns)
                progress(report.variants)
                waiting, bases = [], 0
        _write(writer, waiting, model, columns)
        progress(report.variants)
    return report


def _target_columns(model: Model, targets: tuple[str, ...] | None) -> dict[str, int]:
    names = target_names(model)
    if targets is None:
        targets = names[1:] if model.kind == "classes" and len(names) == 2 else names
    return {name: target_column(model, name) for name in targets}


def _check(calls: Path | str, reference: Reference, skip_bad: bool) -> None:
    """Compare all lines with the reference before anything is computed."""
    count, bad, first = 0, 0, ""
    for variant in read_vcf(calls):
        count += 1
        problem = reference_problem(variant, reference)
        if problem is not None:
            first = first or f"{calls}, line {variant.line}: {problem}"
            bad += 1
    if not count:
        raise UserError(f"{calls}: holds no variant: expected lines with CHROM, POS, ID, REF and ALT after the header")
    if bad == count or (bad and not skip_bad):
        raise UserError(
            f"{first} ({bad:,} of {count:,} variants do not fit {reference.path}): give the assembly that the calls "
            f"were made on{'' if bad == count else ', or leave such variants out with --skip-bad'}"
        )


def _rows(calls: Path | str, reference: Reference, options: VariantOptions, report: VariantReport) -> Iterator[_Row]:
    for variant in read_vcf(calls):
        report.variants += 1
        problem = reference_problem(variant, reference)
        for allele in variant.alternatives or (".",):
            note = "REF or contig not in the reference" if problem else None
            if not variant.alternatives:
                note = note or "no alternative"
            note = note or allele_problem(variant, allele, options.window)
            if note is None:
                report.scored += 1
                yield _Row(variant, allele, cut_pair(variant, allele, reference, options.window))
            else:
                report.skip(note, variant.line)
                yield _Row(variant, allele, None, f"{note}: {problem}" if problem else note)


def _write(writer: Any, rows: list[_Row], model: Model, columns: Mapping[str, int]) -> None:
    # Alternatives of one line share their reference.
    sequences = list(dict.fromkeys(sequence for row in rows if row.pair is not None for sequence in row.pair))
    scores = dict(zip(sequences, target_scores(model, sequences), strict=True))
    for row in rows:
        variant = row.variant
        cells: list[Any] = [variant.line, variant.contig, variant.position, variant.name, variant.reference, row.allele]
        numbers: list[str] = [""] * (3 * len(columns))
        if row.pair is not None:
            chosen = list(columns.values())
            before, after = scores[row.pair.reference][chosen], scores[row.pair.alternative][chosen]
            numbers = [f"{number:.6g}" for number in np.stack([after - before, after, before], 1).ravel()]
        writer.writerow([*cells, row.note, *numbers])
