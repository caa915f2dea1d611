"""Motifs and their effects as files: tables, logos, a page, and pictures."""

import base64
import csv
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from titans_seq.files import atomic_path, write_text
from titans_seq.pictures import literal, save_picture

from ..explain.pictures import draw_stack
from ..sequences.values import Record
from .discovery import Motif, Site, column_information
from .marginal import Marginal
from .matching import Match


@dataclass(frozen=True)
class Described:
    """A motif with what is known about it.

    Args:
        motif: it.
        matches: in a database, the likest first.
        sequences: that hold it, by the class that the model predicts; "all" for a model without classes.
        spread: standard deviation of its mean effect over the members of an ensemble; None of another model.
    """

    motif: Motif
    matches: tuple[Match, ...]
    sequences: Mapping[str, int]
    spread: float | None = None


def write_table(found: Sequence[Described], path: Path) -> None:
    """Write a row a motif, with tabs between.

    Columns: `name`, `consensus`, `width`, `information` (bits), `seqlets` (sites it was made from), `effect` (their
    mean contribution), of an ensemble `spread` (of the effect over its members), `sequences_CLASS` (that hold it, at
    p < 1e-4 or as well as it can be held, by predicted class), `match` and `match_p_value`.
    """
    classes = list(found[0].sequences)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        counted = [f"sequences_{name}" for name in classes]
        head = ["name", "consensus", "width", "information", "seqlets", "effect", *_spread_name(found)]
        writer.writerow([*head, *counted, "match", "match_p_value"])
        for one in found:
            writer.writerow([*_cells(one), *(one.sequences[name] for name in classes), *_match(one)])


def write_sites(found: Sequence[Described], records: Sequence[Record], path: Path) -> None:
    """Write where the sites of each motif stand, as BED: contig, start, end, motif, score, strand, and the effect.

    Args:
        found: the motifs.
        records: the sequences that they were found in; one that was not cut from a contig is its own.
        path: the file.
    """
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        for one in found:
            for site in one.motif.sites:
                contig, start, end, strand = _place(site, records[site.sequence])
                row = [contig, start, end, one.motif.name, 0, strand, f"{site.effect:.6g}"]
                stream.write("\t".join(map(str, row)) + "\n")


def _place(site: Site, record: Record) -> tuple[str, int, int, str]:
    at, start, end = record.place, max(site.start, 0), min(site.end, len(record.sequence))
    if at is None:
        return record.name, start, end, site.strand
    if at.strand != "-":
        return at.contig, at.start + start, at.start + end, site.strand
    return at.contig, at.end - end, at.end - start, "+" if site.strand == "-" else "-"


def draw_logo(motif: Motif, path: Path) -> None:
    """Draw a motif as letters, as high as the bits of their position.

    Args:
        motif: to draw.
        path: .png, .pdf or .svg file to write.
    """
    figure = Figure(figsize=(max(2.5, 0.35 * len(motif.matrix) + 1), 1.8), layout="constrained")
    axis = figure.subplots()
    draw_stack(axis, motif.matrix * column_information(motif.matrix)[:, None])
    axis.set_ylim(0, 2)
    axis.set_ylabel("bits")
    axis.set_title(literal(motif.name), fontsize=10)
    save_picture(figure, path)


def write_page(found: Sequence[Described], logos: Sequence[Path], title: str, path: Path) -> None:
    """Write an HTML page with a row a motif; the logos are inside of it.

    Args:
        found: the motifs.
        logos: .png or .svg files, one a motif.
        title: of the page.
        path: the file.
    """
    classes = list(found[0].sequences)
    spread = _spread_name(found)
    head = ["motif", "logo", "consensus", "width", "bits", "seqlets", "effect", *spread, *classes, "like", "p-value"]
    rows = []
    for one, logo in zip(found, logos, strict=True):
        kind = "svg+xml" if logo.suffix == ".svg" else "png"
        data = base64.b64encode(logo.read_bytes()).decode()
        name, *others = _cells(one)
        cells = [html.escape(str(cell)) for cell in (*others, *(one.sequences[each] for each in classes), *_match(one))]
        picture = f'<img src="data:image/{kind};base64,{data}" height="90" alt="{html.escape(str(name))}">'
        rows.append(f"<tr><td>{html.escape(str(name))}</td><td>{picture}</td><td>{'</td><td>'.join(cells)}</td></tr>")
    write_text(
        path,
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        "<style>body{font-family:sans-serif;margin:2em}td,th{padding:.3em .8em;border-bottom:1px solid #ddd;"
        "text-align:left}</style>"
        f"<h1>{html.escape(title)}</h1><p>Effects are mean contributions to the log odds (or the value) at the "
        "seqlets; counts are sequences with a match at p &lt; 0.0001, or as good as a short motif has, by predicted "
        "class.</p>"
        f"<table><tr><th>{'</th><th>'.join(map(html.escape, head))}</th></tr>{''.join(rows)}</table></html>\n",
    )


def write_marginals(effects: Sequence[Marginal], path: Path) -> None:
    """Write mean effects and their intervals as CSV; of an ensemble with the spread over its members."""
    _write(path, ["what", *_numbers_of(effects[0])], [[one.what, *_numbers(one)] for one in effects])


def write_spacings(effects: Mapping[int, tuple[Marginal, Marginal]], path: Path) -> None:
    """Write the effects of pairs by distance as CSV, see `write_marginals`."""
    rows = [[distance, one.what, *_numbers(one)] for distance, held in effects.items() for one in held]
    first = next(one for held in effects.values() for one in held)
    _write(path, ["spacing", "what", *_numbers_of(first)], rows)


def draw_spacings(effects: Mapping[int, tuple[Marginal, Marginal]], title: str, path: Path) -> None:
    """Draw the effect of a pair, and its interaction, against the bases between the two, with intervals."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axis = figure.subplots()
    distances = list(effects)
    for number, (colour, label) in enumerate((("#0072b2", "both motifs"), ("#d55e00", "beyond the sum of each alone"))):
        held = [pair[number] for pair in effects.values()]
        axis.plot(
            distances, [one.mean for one in held], color=colour, label=label, marker="." if len(held) < 60 else ""
        )
        low, high = [one.low for one in held], [one.high for one in held]
        axis.fill_between(distances, low, high, color=colour, alpha=0.2, linewidth=0)
    axis.axhline(0, color="0.3", linewidth=0.6)
    axis.set_xlabel("bases between the motifs")
    axis.set_ylabel("change of the score")
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False)
    axis.set_title(literal(title), fontsize=11)
    save_picture(figure, path)


def _cells(one: Described) -> list[str | int]:
    motif = one.motif
    spread = [] if one.spread is None else [f"{one.spread:.4g}"]
    numbers = [f"{motif.information:.2f}", len(motif.sites), f"{motif.effect:.4g}", *spread]
    return [motif.name, motif.consensus, len(motif.matrix), *numbers]


def _spread_name(found: Sequence[Described]) -> list[str]:
    return [] if found[0].spread is None else ["spread"]


def _match(one: Described) -> list[str]:
    return [one.matches[0].name, f"{one.matches[0].p_value:.2g}"] if one.matches else ["", ""]


def _numbers_of(one: Marginal) -> list[str]:
    return ["effect", "low", "high", "backgrounds", *([] if one.spread is None else ["spread"])]


def _numbers(one: Marginal) -> list[str | int]:
    spread = [] if one.spread is None else [f"{one.spread:.6g}"]
    return [f"{one.mean:.6g}", f"{one.low:.6g}", f"{one.high:.6g}", one.count, *spread]


def _write(path: Path, header: list[str], rows: Sequence[Sequence[object]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
