"""An evaluation as text, JSON, CSV and a picture."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from titans_seq.files import atomic_path
from titans_seq.pictures import save_picture

from ..optional import load_optional
from .perplexity import Evaluation, perplexity
from .recency_report import COLUMNS, plot_recency, recency_rows

JSON, CSV, PICTURE = "evaluation.json", "evaluation.csv", "evaluation.png"
RECENCY_CSV, RECENCY_PICTURE = "recency.csv", "recency.png"

_WAYS = ("carried", "cut")
_MEASURES = ("loss", "perplexity", "bits_per_byte")
_COLUMNS = ("first", "last", "tokens", *(f"{measure}_{way}" for measure in _MEASURES for way in _WAYS))


def table_text(evaluation: Evaluation) -> str:
    """Return the whole and each range of positions, one line each.

    Example:
        >>> from language.evaluation.perplexity import PositionLoss
        >>> ranges = (PositionLoss(0, 15, 16, 2.0, 2.0), PositionLoss(16, 19, 4, 1.0, 1.5))
        >>> print(table_text(Evaluation(1, 20, 20, 16, 1.8, 1.9, ranges)))
        positions        tokens   loss carried  cut at 16   difference   perplexity   bits a byte
        0-15                 16         2.0000     2.0000      +0.0000        7.389        2.8854
        16-19                 4         1.0000     1.5000      -0.5000        2.718        1.4427
        all                  20         1.8000     1.9000      -0.1000        6.050        2.5969
    """
    cut = f"cut at {evaluation.length}"
    header = "positions        tokens   loss carried"
    lines = [f"{header}  {cut:>9}   difference   perplexity   bits a byte"]
    rows = [(f"{r.first}-{r.last}", r.tokens, r.carried, r.cut) for r in evaluation.by_position]
    for name, tokens, carried, other in [*rows, ("all", evaluation.tokens, evaluation.carried, evaluation.cut)]:
        lines.append(
            f"{name:<15} {tokens:>7} {carried:>14.4f}  {other:>{max(9, len(cut))}.4f} {carried - other:>+12.4f} "
            f"{perplexity(carried):>12.3f} {_bits_text(evaluation.bits_per_byte(carried)):>13}"
        )
    return "\n".join(lines)


def _bits_text(bits: float | None) -> str:
    return "-" if bits is None else f"{bits:.4f}"


def write_report(evaluation: Evaluation, folder: Path, about: Mapping[str, Any]) -> tuple[Path, ...]:
    """Write `evaluation.json`, `evaluation.csv` and `evaluation.png`, in place of earlier ones.

    An evaluation by recency of pairs has `recency.csv` and `recency.png` besides.

    Args:
        evaluation: what to write.
        folder: where; made if need be.
        about: what was evaluated, of JSON's types, to begin the JSON file with.

    Returns:
        The files.

    Raises:
        UserError: if matplotlib is not installed.
        OSError: if a file cannot be written.
    """
    files: tuple[Path, ...] = tuple(folder / name for name in (JSON, CSV, PICTURE))
    plot(evaluation, files[2])
    recency = recency_rows(evaluation.by_recency)
    if recency:
        files += (folder / RECENCY_CSV, folder / RECENCY_PICTURE)
        plot_recency(evaluation.by_recency, evaluation.length, files[4])
        _write_csv(files[3], COLUMNS, recency)
    rows = [_row(evaluation, r.first, r.last, r.tokens, r.carried, r.cut) for r in evaluation.by_position]
    whole = _row(evaluation, 0, rows[-1]["last"], evaluation.tokens, evaluation.carried, evaluation.cut)
    counts = {name: getattr(evaluation, name) for name in ("documents", "tokens", "text_bytes", "length")}
    with atomic_path(files[0]) as temporary:
        content = dict(about) | counts | {"all": whole, "by_position": rows}
        if recency:
            content |= {"window": evaluation.window, "by_recency": recency}
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    _write_csv(files[1], _COLUMNS, rows)
    return files


def _write_csv(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def plot(evaluation: Evaluation, path: Path) -> None:
    """Draw the loss over the position, carried and cut.

    Args:
        evaluation: what to draw.
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: if matplotlib is not installed.
    """
    load_optional("matplotlib", "a picture of the evaluation")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    middles = [((r.first + 1) * (r.last + 1)) ** 0.5 for r in evaluation.by_position]
    for way, label, style in (
        ("cut", f"state reset every {evaluation.length:,} tokens", "o--"),
        ("carried", "state carried", "o-"),
    ):
        losses = [getattr(r, way) for r in evaluation.by_position]
        axes.plot(middles, losses, style, label=label, markersize=4, linewidth=1.4)
    axes.axvline(evaluation.length, color="0.6", linewidth=0.8, linestyle=":")
    axes.set_xscale("log", base=2)
    axes.set_xlabel("position in the document (tokens)")
    axes.set_ylabel("loss (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    save_picture(figure, path)


def _row(evaluation: Evaluation, first: int, last: int, tokens: int, carried: float, cut: float) -> dict[str, Any]:
    losses = {"carried": carried, "cut": cut}
    row: dict[str, Any] = {"first": first, "last": last, "tokens": tokens}
    row |= {f"loss_{way}": loss for way, loss in losses.items()}
    row |= {f"perplexity_{way}": perplexity(loss) for way, loss in losses.items()}
    return row | {f"bits_per_byte_{way}": evaluation.bits_per_byte(loss) for way, loss in losses.items()}
