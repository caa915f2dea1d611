"""What the variants of a VCF file do to a prediction: alternative minus reference, allele by allele."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from titans_seq.errors import UserError

from ..evaluation.values import Model, members_of
from ..sequences.bad_records import Refuse
from ..sequences.reference import Reference
from .alleles import Pair, allele_problem, cut_pair, normalised, reference_problem, spelled_out
from .scores import member_scores, spread_of, target_column, target_names
from .variant_files import NUMBERS, SPREAD, AlleleScore, open_writer
from .vcf import Variant, read_vcf

_MOST_ROWS = 256
_MOST_BASES = 1 << 21
_SHOWN = 5


@dataclass(frozen=True)
class VariantOptions:
    """How variants are scored.

    Attributes:
        window: bases that the model reads around a variant, at least 1; the length it was trained on is best.
        targets: classes or labels to score; None for all (of two classes the second, whose score is minus the
            first's).
        skip_bad: leave out lines that are no variants, and give those whose REF or contig is not in the reference a
            note in place of scores, instead of refusing the file.
        normalise: score each allele in its normal form (left-aligned, as short as can be), so that a change has one
            score however it is written; False refuses alleles that are written otherwise.

    Raises:
        UserError: if the window is shorter than 1.

    Example:
        >>> VariantOptions(window=101, targets=("bound",)).normalise
        True
    """

    window: int
    targets: tuple[str, ...] | None = None
    skip_bad: bool = False
    normalise: bool = True

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
        lines: the first lines of each reason, one more than are shown.
        moved: alternatives that were scored in a normal form other than that in the file.
        left_out: with `skip_bad`, a message for each line that is no variant.
    """

    variants: int = 0
    scored: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    moved: int = 0
    left_out: list[str] = field(default_factory=list)

    def text(self) -> str:
        """Return the report in words.

        Example:
            >>> print(VariantReport(3, 2, {"symbolic allele": 2}, {"symbolic allele": [7]}).text())
            3 variants read, 2 alternative alleles scored
            skipped 2: symbolic allele (line 7)
        """
        rows = [f"{self.variants:,} variants read, {self.scored:,} alternative alleles scored"]
        for reason, count in self.skipped.items():
            lines = self.lines[reason]
            shown = ", ".join(map(str, lines[:_SHOWN])) + (", ..." if len(lines) > _SHOWN else "")
            rows.append(f"skipped {count:,}: {reason} (line{'s' if len(lines) > 1 else ''} {shown})")
        if self.moved:
            rows.append(f"{self.moved:,} scored left-aligned and without bases in common (column normalised)")
        return "\n".join(rows)

    def skip(self, reason: str, line: int) -> None:
        """Count an allele that has no score."""
        self.skipped[reason] = self.skipped.get(reason, 0) + 1
        seen = self.lines.setdefault(reason, [])
        if len(seen) <= _SHOWN and line not in seen:
            seen.append(line)


@dataclass(frozen=True)
class _Row:
    variant: Variant
    allele: str
    pair: Pair | None
    normal: str = ""
    note: str = ""


def score_variants(
    model: Model,
    calls: Path | str,
    reference: Reference,
    out: Path | str,
    options: VariantOptions,
    progress: Callable[[int], Any] = lambda done: None,
) -> VariantReport:
    """Score every alternative allele of a VCF file and write them, in the order of the file, as CSV or VCF.

    Scores are log odds of each target (values for regression, see `scores.target_scores`) with the alternative, with
    the reference, and the change from the latter to the former; `variant_files` names the columns. Those of an ensemble
    are means over its members, with the spread of the change. All lines are compared with the reference before the
    model runs. Any number of variants is read in bounded memory.

    Args:
        model: see `evaluation.Model`.
        calls: VCF file, plain, gzip or bgzip.
        reference: the assembly that the calls were made on.
        out: the file, which ends in .csv or .vcf; written whole or not at all.
        options: window and targets.
        progress: called with the number of variants done.

    Raises:
        UserError: if the file holds no variant, a target is unknown, or, without `skip_bad`, a line is broken or a REF
            or contig is not the reference's; with it, if no line can be used.
    """
    columns = _target_columns(model, options.targets)
    _check(calls, reference, options)
    report = VariantReport()
    numbers = (*NUMBERS, SPREAD) if len(members_of(model)) > 1 else NUMBERS
    among = target_names(model)
    with open_writer(Path(out), Path(calls), model.kind, tuple(columns), numbers, among) as write:
        waiting: list[_Row] = []
        bases = 0
        for row in _rows(calls, reference, options, report):
            waiting.append(row)
            bases += 0 if row.pair is None else len(row.pair.reference) + len(row.pair.alternative)
            if len(waiting) >= _MOST_ROWS or bases >= _MOST_BASES:
                _score(waiting, model, list(columns.values()), write)
                progress(report.variants)
                waiting, bases = [], 0
        _score(waiting, model, list(columns.values()), write)
        progress(report.variants)
    return report


def _target_columns(model: Model, targets: tuple[str, ...] | None) -> dict[str, int]:
    names = target_names(model)
    if targets is None:
        targets = names[1:] if model.kind == "classes" and len(names) == 2 else names
    return {name: target_column(model, name) for name in targets}


def _check(calls: Path | str, reference: Reference, options: VariantOptions) -> None:
    """Read all lines, and compare them with the reference, before anything is computed."""
    broken: list[str] = []
    count, bad, first = 0, 0, ""
    for variant in read_vcf(calls, Refuse(True, broken)):
        count += 1
        problem = reference_problem(variant, reference)
        if problem is not None:
            first = first or f"{calls}, line {variant.line}: {problem}"
            bad += 1
        elif not options.normalise and not options.skip_bad:
            _check_normal(variant, reference, options, f"{calls}, line {variant.line}")
    if broken and (not count or not options.skip_bad):
        more = f" ({len(broken):,} such lines)" if len(broken) > 1 else ""
        skip = ", or leave such lines out (--skip-bad)" if count else ""
        raise UserError(f"{broken[0]}{more}{skip}")
    if not count:
        raise UserError(f"{calls}: holds no variant: expected lines with CHROM, POS, ID, REF and ALT after the header")
    if bad == count or (bad and not options.skip_bad):
        raise UserError(
            f"{first} ({bad:,} of {count:,} variants do not fit {reference.path}): give the assembly that the calls "
            f"were made on{'' if bad == count else ', or leave such variants out with --skip-bad'}"
        )


def _check_normal(variant: Variant, reference: Reference, options: VariantOptions, place: str) -> None:
    """Refuse alleles that are not written in their normal form."""
    for allele in variant.alternatives:
        found = _normal(variant, allele, reference, options.window)
        if isinstance(found, Variant) and (normal := _normal_text(variant, allele, found)):
            raise UserError(
                f"{place}: {variant.reference}>{allele} is not in its normal form {normal}: leave out --no-normalise "
                "to have it normalised, or leave such alleles out (--skip-bad)"
            )


def _normal(variant: Variant, allele: str, reference: Reference, window: int) -> Variant | str:
    """Return the normal form of an allele; or why it has no sequence to score."""
    contig = reference.contig(variant.contig)
    known = spelled_out(variant, contig)
    return allele_problem(known, allele, window) or normalised(known, allele, contig)


def _normal_text(variant: Variant, allele: str, normal: Variant) -> str:
    """Return the normal form of an allele where it is written otherwise, else nothing."""
    if (normal.position, normal.reference, normal.alternatives) == (variant.position, variant.reference, (allele,)):
        return ""
    return f"{normal.contig}:{normal.position}:{normal.reference}>{normal.alternatives[0]}"


def _rows(calls: Path | str, reference: Reference, options: VariantOptions, report: VariantReport) -> Iterator[_Row]:
    for variant in read_vcf(calls, Refuse(options.skip_bad, report.left_out)):
        report.variants += 1
        problem = reference_problem(variant, reference)
        for allele in variant.alternatives or (".",):
            note = "REF or contig not in the reference" if problem else None
            if not variant.alternatives:
                note = note or "no alternative"
            normal = note or _normal(variant, allele, reference, options.window)
            if isinstance(normal, str):
                report.skip(normal, variant.line)
                yield _Row(variant, allele, None, note=f"{normal}: {problem}" if problem else normal)
                continue
            text = _normal_text(variant, allele, normal)
            if text and not options.normalise:
                report.skip("not in its normal form", variant.line)
                yield _Row(variant, allele, None, text, "not in its normal form")
                continue
            report.scored += 1
            report.moved += bool(text)
            yield _Row(variant, allele, cut_pair(normal, normal.alternatives[0], reference, options.window), text)


def _score(rows: list[_Row], model: Model, columns: list[int], write: Callable[[AlleleScore], object]) -> None:
    # Alternatives of one line share their reference.
    sequences = list(dict.fromkeys(sequence for row in rows if row.pair is not None for sequence in row.pair))
    scores = dict(zip(sequences, member_scores(model, sequences).swapaxes(0, 1), strict=True))
    for row in rows:
        values = None
        if row.pair is not None:
            before, after = (scores[one][:, columns] for one in (row.pair.reference, row.pair.alternative))
            means = [(after - before).mean(0), after.mean(0), before.mean(0)]
            spread = spread_of(after - before)
            values = np.stack(means if spread is None else [*means, spread], 1)
        write(AlleleScore(row.variant, row.allele, values, row.normal, row.note))
