"""Scores of variants as files: a CSV with a row an allele, or the VCF file with the scores in its INFO column."""

import csv
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

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
    out: Path, calls: Path, kind: Kind, targets: tuple[str, ...], numbers: tuple[str, ...] = NUMBERS
) -> Iterator[Callable[[AlleleScore], object]]:
    """Open a file of scores, which is written whole or not at all.

    CSV has the columns `COLUMNS`, then for each target `log_odds_change_NAME`, `log_odds_alternative_NAME` and
    `log_odds_reference_NAME`; for a regression `value_change`, `value_alternative` and `value_reference`. A VCF file
    has the lines of `calls` with INFO fields of these names after `TITANS_`, one number an alternative, in place of
    earlier ones of the same names.

    Args:
        out: ends in .csv or .vcf.
        calls: the file of the variants, whose header a VCF file takes.
        kind: of the model.
        targets: names of what is scored.
        numbers: what each has.

    Raises:
        UserError: if the name ends otherwise.
    """
    check_name(out)
    names = [f"value_{what}" for what in numbers]
    if kind != "regression":
        names = [f"log_odds_{what}_{target}" for target in targets for what in numbers]
    with atomic_path(out) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        if out.suffix.lower() == ".csv":
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([*COLUMNS, *names])
            yield lambda score: writer.writerow(_cells(score, len(names)))
            return
        vcf = _VcfWriter(stream, [f"TITANS_{re.sub('[^0-9A-Za-z_.]', '_', name)}" for name in names])
        vcf.header(read_header(calls), kind, [(target, what) for target in targets for what in numbers])
        yield vcf.add
        vcf.flush()


def check_name(out: Path) -> None:
    """Refuse a name that no file of scores can have.

    Raises:
        UserError: if it is that of a folder, or does not end in .csv or .vcf.
    """
    if out.is_dir() or out.suffix.lower() not in (".csv", ".vcf"):
        raise UserError(f"--out {out}: expected the name of a file that ends in .csv or .vcf")


def _cells(score: AlleleScore, width: int) -> list[object]:
    variant = score.variant
    cells = [variant.line, variant.contig, variant.position, variant.name, variant.reference, score.allele]
    return [*cells, score.normal, score.note, *_numbers(score, width, "")]


def _numbers(score: AlleleScore, width: int, missing: str) -> list[str]:
    return [missing] * width if score.values is None else [f"{number:.6g}" for number in score.values.ravel()]


class _VcfWriter:
    """Collect the alternatives of a line, and write it when the next one begins."""

    def __init__(self, stream: TextIO, names: list[str]) -> None:
        self._stream, self._names, self._width = stream, names, 0
        self._held: list[AlleleScore] = []

    def header(self, lines: list[str], kind: Kind, columns: list[tuple[str, str]]) -> None:
        unit = "value" if kind == "regression" else "log odds"
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
        own = tuple(f"##INFO=<ID={name}," for name in self._names)
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
        if any(score.values is not None for score in self._held):
            rows = [_numbers(score, len(self._names), ".") for score in self._held]
            fields = [
                f"{name}={','.join(column)}" for name, column in zip(self._names, zip(*rows, strict=True), strict=True)
            ]
            kept = [held for held in cells[_INFO].split(";") if held.split("=")[0] not in (".", "", *self._names)]
            cells[_INFO] = ";".join([*kept, *fields])
        self._stream.write("\t".join(cells[: self._width]) + "\n")  # samples need names in the header
        self._held = []


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
