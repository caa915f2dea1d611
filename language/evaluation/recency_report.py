"""The loss by recency of pairs as text, rows and a picture."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from titans_seq.pictures import save_picture

from ..optional import load_optional
from .recency import RARE, RecencyLoss

GROUPS = {None: "all pairs", True: f"pairs seen fewer than {RARE} times in training", False: "all other pairs"}
COLUMNS = ("pairs", "first", "last", "tokens", "loss_carried", "loss_cut")


def range_text(part: RecencyLoss) -> str:
    """Return the range of distances in words.

    Example:
        >>> range_text(RecencyLoss(65, 128, None, 3, 1.0, 1.5)), range_text(RecencyLoss(0, 0, None, 3, 1.0, 1.5))
        ('65 to 128', 'never')
    """
    if not part.first:
        return "never"
    return f"{part.first:,} or more" if part.last is None else f"{part.first:,} to {part.last:,}"


def recency_table(parts: Sequence[RecencyLoss], length: int) -> str:
    """Return one line for each range of distances.

    Args:
        parts: what `losses_by_recency` gave.
        length: tokens after which the state was reset.

    Example:
        >>> print(recency_table([RecencyLoss(1, 64, None, 16, 2.0, 2.5)], length=32))
        tokens back         tokens   loss carried   cut at 32   difference
        all pairs
        1 to 64                 16         2.0000      2.5000      -0.5000
    """
    cut = f"cut at {length}"
    lines = [f"tokens back         tokens   loss carried   {cut:>9}   difference"]
    for name, own in _groups(parts):
        lines.append(name)
        for part in own:
            numbers = f"{part.carried:>14.4f} {part.cut:>{max(11, len(cut) + 2)}.4f} {part.carried - part.cut:>+12.4f}"
            lines.append(f"{range_text(part):<18} {part.tokens:>7} {numbers if part.tokens else '-':>14}")
    return "\n".join(lines)


def recency_rows(parts: Sequence[RecencyLoss]) -> list[dict[str, Any]]:
    """Return the ranges as rows with the columns `COLUMNS`; without tokens there are no losses."""
    return [
        {
            "pairs": {None: "all", True: "rare", False: "other"}[part.rare],
            "first": part.first,
            "last": part.last,
            "tokens": part.tokens,
            "loss_carried": part.carried if part.tokens else None,
            "loss_cut": part.cut if part.tokens else None,
        }
        for part in parts
    ]


def plot_recency(parts: Sequence[RecencyLoss], length: int, path: Path) -> None:
    """Draw how much lower the loss is with state carried, by how far back a pair was last seen.

    Args:
        parts: what `losses_by_recency` gave.
        length: tokens after which the other state was reset.
        path: .png, .pdf or .svg file to write.

    Raises:
        UserError: if matplotlib is not installed.
    """
    load_optional("matplotlib", "a picture of the evaluation")
    from matplotlib.figure import Figure

    groups = list(_groups(parts))
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes, width = figure.subplots(), 0.8 / len(groups)
    for number, (name, own) in enumerate(groups):
        places = [place + (number - (len(groups) - 1) / 2) * width for place in range(len(own))]
        gains = [part.cut - part.carried if part.tokens else 0.0 for part in own]
        bars = axes.bar(places, gains, width, label=name)
        axes.bar_label(bars, [f"{part.tokens:,}" for part in own], fontsize=6, rotation=90, padding=2)
    axes.axhline(0, color="0.4", linewidth=0.8)
    axes.set_xticks(range(len(groups[0][1])), [range_text(part) for part in groups[0][1]], fontsize=8)
    axes.set_xlabel("tokens since the pair that a token completes was last seen (numbers: tokens of the bar)")
    axes.set_ylabel(f"nats a token gained over a\nstate reset every {length:,} tokens")
    axes.margins(y=0.2)
    axes.legend(frameon=False)
    save_picture(figure, path)


def _groups(parts: Sequence[RecencyLoss]) -> Iterator[tuple[str, list[RecencyLoss]]]:
    for rare, name in GROUPS.items():
        if own := [part for part in parts if part.rare is rare]:
            yield name, own
