"""Scores of variants as files: a CSV with a row an allele, or the VCF file with the scores in its INFO column."""

import csv
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from ..evaluation.values import number_text
from ..sequences.values import Kind
from .vcf import Variant, read_header

COLUMNS = ("line", "contig", "position", "id", "ref", "alt", "normalised", "note")
NUMBERS = ("change", "alternative", "reference")
"""What stands in the file for each target, in this order."""
SPREAD = "change_spread"
"""What comes after them for an ensemble: the standard deviation of the change over its members."""

_INFO = 7
_HEADER = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")


@dataclass(frozen=True, eq=False)
class AlleleScore:
    """What became of one alternative.

    Attributes:
        variant: its line.
        allele: the alternative as the line has it.
        values: float64, a row a target, in the order of `NUMBERS` and `SPREAD`; None if there is no score.
        normal: its normal form, contig:position:ref>alt, where the line has another; else empty.
        note: why there is no score; else empty.
    """

    variant: Variant
    allele: str
    values: np.ndarray | None
    normal: str = ""
    note: str = ""


@contextmanager
def open_writer(
    out: Path,
    calls: Path,
    kind: Kind,
    targets: tuple[str, ...],
    numbers: tuple[str, ...] = NUMBERS,
    among: tuple[str, ...] | None = None,
) -> Iterator[Callable[[AlleleScore], object]]:
    """Open a file of scores, which is written whole or not at all.

    CSV has the columns `COLUMNS`, then for each target `log_odds_change_NAME`, `log_odds_alternative_NAME` and
    `log_odds_reference_NAME`; for a regression `value_change`, `value_alternative` and `value_reference`. A VCF file
    has the lines of `calls` with INFO fields of these names after `TITANS_`, one number an alternative, in place of
    earlier ones of the same targets. What such a name cannot hold is "_" in it, and of names that are then the same
    each but the first has a number behind it.

    Args:
        out: ends in .csv or .vcf.
        calls: the file of the variants, whose header a VCF file takes.
        kind: of the model.
        targets: names of what is scored.
        numbers: what each has.
        among: names of all that the model could score; `targets` if None.

    Raises:
        UserError: if the name ends otherwise.
    """
    check_name(out)
    columns = [(target, what) for target in targets for what in numbers]
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        if out.suffix.lower() == ".csv":
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([*COLUMNS, *(_name(kind, *column) for column in columns)])
            yield lambda score: writer.writerow(_cells(score, len(columns), kind))
            return
        known = _info_names(kind, among or targets)
        own = tuple(name for (target, _), name in known.items() if target in targets)
        vcf = _VcfWriter(stream, kind, [known[column] for column in columns], own)
        vcf.header(read_header(calls), columns)
        yield vcf.add
        vcf.flush()


def _name(kind: Kind, target: str, what: str) -> str:
    return f"value_{what}" if kind == "regression" else f"log_odds_{what}_{target}"


def _info_names(kind: Kind, targets: tuple[str, ...]) -> dict[tuple[str, str], str]:
    """Return the INFO field of every number that targets can have, all of them different."""
    names: dict[tuple[str, str], str] = {}
    for column in ((target, what) for target in targets for what in (*NUMBERS, SPREAD)):
        plain = f"TITANS_{re.sub('[^0-9A-Za-z_.]', '_', _name(kind, *column))}"
        different = itertools.chain([plain], (f"{plain}_{number}" for number in itertools.count(2)))
        names[column] = next(name for name in different if name not in names.values())
    return names


def check_name(out: Path) -> None:
    """Refuse a name that no file of scores can have.

    Raises:
        UserError: if it is that of a folder, or does not end in .csv or .vcf.
    """
    if out.is_dir() or out.suffix.lower() not in (".csv", ".vcf"):
        raise UserError(f"--out {out}: expected the name of a file that ends in .csv or .vcf")


def _cells(score: AlleleScore, width: int, kind: Kind) -> list[object]:
    variant = score.variant
    cells = [variant.line, variant.contig, variant.position, variant.name, variant.reference, score.allele]
    return [*cells, score.normal, score.note, *_numbers(score, kind, width, "")]


def _numbers(score: AlleleScore, kind: Kind, width: int, missing: str) -> list[str]:
    return [missing] * width if score.values is None else [number_text(one, kind) for one in score.values.ravel()]


class _VcfWriter:
    """Collect the alternatives of a line, and write it when the next one begins.

    Args:
        stream: the file.
        kind: of the model.
        names: of the INFO fields that are written.
        own: of those that go, as they are of the same targets.
    """

    def __init__(self, stream: TextIO, kind: Kind, names: list[str], own: tuple[str, ...]) -> None:
        self._kind: Kind = kind
        self._stream, self._names, self._own, self._width = stream, names, own, 0
        self._held: list[AlleleScore] = []

    def header(self, lines: list[str], columns: list[tuple[str, str]]) -> None:
        unit = "value" if self._kind == "regression" else "log odds"
        about = {
            "change": f"{unit} with the alternative minus {unit} with the reference",
            "alternative": f"{unit} with the alternative",
            "reference": f"{unit} with the reference",
            SPREAD: "standard deviation of the change over the models of an ensemble",
        }
        infos = [
            f"##INFO=<ID={name},Number=A,Type=Float,"
            f'Description="{_quoted(target)}: {about[what]}, by titans dna variants">'
            for name, (target, what) in zip(self._names, columns, strict=True)
        ]
        names = next((line for line in lines if line.startswith("#CHROM")), "\t".join(_HEADER))
        if len(names.split("\t")) <= _INFO:
            names = "\t".join(_HEADER)
        self._width = len(names.split("\t"))
        own = tuple(f"##INFO=<ID={name}," for name in self._own)
        above = [line for line in lines if line.startswith("##") and not line.startswith(own)]
        above = above or ["##fileformat=VCFv4.2"]
        self._stream.write("\n".join([*above, *infos, names]) + "\n")

    def add(self, score: AlleleScore) -> None:
        if self._held and self._held[0].variant.line != score.variant.line:
            self.flush()
        self._held.append(score)

    def flush(self) -> None:
        if not self._held:
            return
        cells = list(self._held[0].variant.cells)
        cells += ["."] * (_INFO + 1 - len(cells))
        fields = [held for held in cells[_INFO].split(";") if held.split("=")[0] not in (".", "", *self._own)]
        if any(score.values is not None for score in self._held):
            rows = [_numbers(score, self._kind, len(self._names), ".") for score in self._held]
            columns = zip(self._names, zip(*rows, strict=True), strict=True)
            fields += [f"{name}={','.join(column)}" for name, column in columns]
        cells[_INFO] = ";".join(fields) or "."
        self._stream.write("\t".join(cells[: self._width]) + "\n")  # samples need names in the header
        self._held = []


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
