"""Pictures of an inspection: one of all memories, and one of each."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from titans_seq.inspection.results import Inspection, MemoryInspection
from titans_seq.inspection.verdicts import UNUSED, verdict
from titans_seq.pictures import literal, save_picture

LABELLED = 100
"""Tokens up to which each has its label under a picture."""
_COLOURS = "viridis"


def draw_overview(seen: Inspection, path: Path, title: str) -> None:
    """Draw what the output owes to each memory, how much is written and kept, and how far keys differ.

    Args:
        seen: all memories.
        path: of the picture.
        title: what was read.
    """
    count = len(seen.memories)
    figure = Figure(figsize=(8, 1.6 + 0.34 * count), layout="constrained")
    figure.suptitle(literal(title), fontsize=10)
    use, writes, keys = figure.subplots(1, 3, sharey=True)
    places = list(range(count))
    for offset, name, label in ((-0.2, "off", "read switched off"), (0.2, "frozen", "frozen at its first weights")):
        values = [getattr(memory.use, name) for memory in seen.memories]
        use.barh([at + offset for at in places], values, 0.36, label=label)
    use.axvline(UNUSED, color="grey", linestyle=":", linewidth=1)
    use.set_xscale("log")
    use.set_xlim(1e-4, max(2.0, 1.2 * max(memory.use.off for memory in seen.memories)))
    use.set_title("change of the output (dotted: unused)", fontsize=9)
    figure.legend(fontsize=7, loc="outside lower left", ncols=2)
    writes.barh(places, [memory.trace.open.mean().item() for memory in seen.memories], 0.6, color="tab:green")
    writes.set_xlim(0, 1)
    writes.set_title("gate of the step size, mean", fontsize=9)
    keys.barh(
        places, [memory.key_rank.mean().item() / memory.key_limit for memory in seen.memories], 0.6, color="tab:purple"
    )
    keys.set_xlim(0, 1)
    keys.set_title("effective rank of keys, of the largest", fontsize=9)
    use.set_yticks(places, [literal(_short(memory.name)) for memory in seen.memories], fontsize=7)
    use.invert_yaxis()
    for axes in (use, writes, keys):
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(axis="x", alpha=0.3)
    save_picture(figure, path)


def draw_memory(memory: MemoryInspection, path: Path, title: str, labels: Sequence[str]) -> None:
    """Draw one memory over the row of its input whose reads were looked at.

    Args:
        memory: the layer.
        path: of the picture.
        title: what was read.
        labels: of the tokens.
    """
    trace, row = memory.trace, memory.retrieval.row
    gates = {"step gate, 0 to 1": trace.open, "momentum": trace.momentum, "forgotten a token": trace.decay}
    shown = {name: values for name, values in gates.items() if values is not None}
    figure = Figure(figsize=(9, 6.4 + 0.9 * len(shown)), layout="constrained")
    heading = textwrap.fill(f"{memory.name}: {verdict(memory)}", 110)
    figure.suptitle(literal(f"{title}\n{heading}"), fontsize=9)
    rows = figure.add_gridspec(3 + len(shown), 2, height_ratios=[1.4, *[0.7] * len(shown), 1.2, 1.8])
    surprise = figure.add_subplot(rows[0, :])
    _lines(surprise, range(len(labels)), trace.surprise[row])
    surprise.set_ylabel("surprise\n(gradient norm)", fontsize=8)
    surprise.set_ylim(bottom=0)
    surprise.set_xlim(-0.5, len(labels) - 0.5)
    for number, (name, values) in enumerate(shown.items(), 1):
        axes = figure.add_subplot(rows[number, :])
        top = 1.0 if name != "forgotten a token" else None
        _heat(figure, axes, values[row].mT, name, top)
        axes.set_ylabel("head", fontsize=8)
    _draw_growth(figure.add_subplot(rows[-2, 0]), memory)
    _draw_ranks(figure.add_subplot(rows[-2, 1]), memory)
    found = figure.add_subplot(rows[-1, :])
    _draw_retrieval(figure, found, memory)
    _label(found, labels)
    save_picture(figure, path)


def _draw_growth(axes: Axes, memory: MemoryInspection) -> None:
    growth, row = memory.growth, memory.retrieval.row
    _lines(axes, growth.tokens.tolist(), growth.norm[row], "norm of the weights")
    axes.plot(
        growth.tokens.numpy(),
        growth.moved[row].mean(-1).cpu().numpy(),
        "k--",
        linewidth=1.2,
        label="moved from the first, mean",
    )
    axes.set_ylim(bottom=0)
    axes.set_xlabel("tokens read", fontsize=8)
    axes.set_title("weights", fontsize=9)
    axes.legend(fontsize=7)


def _draw_ranks(axes: Axes, memory: MemoryInspection) -> None:
    axes.bar(range(memory.heads), memory.key_rank[memory.retrieval.row].cpu().numpy(), color="tab:purple")
    axes.axhline(memory.key_limit, color="grey", linestyle=":", linewidth=1)
    axes.set_xticks(range(memory.heads) if memory.heads <= 16 else [])
    axes.set_xlabel("head", fontsize=8)
    axes.set_title("effective rank of the keys (dotted: the largest)", fontsize=9)
    axes.tick_params(labelsize=8)


def _draw_retrieval(figure: Figure, axes: Axes, memory: MemoryInspection) -> None:
    shares = memory.retrieval.shares.abs().mean(-1)
    _heat(figure, axes, shares, "share of what a query finds, mean of heads", None)
    asked = memory.retrieval.queries.tolist()
    some = list(range(0, len(asked), max(1, len(asked) // 8)))
    axes.set_yticks(some, [str(asked[at]) for at in some])
    axes.set_ylabel("asked at token", fontsize=8)
    axes.set_xlabel("written at token", fontsize=8)


def _lines(axes: Axes, x: Any, values: Tensor, label: str = "") -> None:
    """A thin line a head of `[N, H]`, and their mean."""
    axes.plot(x, values.cpu().numpy(), linewidth=0.7, alpha=0.5)
    axes.plot(
        x, values.mean(-1).cpu().numpy(), "k-", linewidth=1.4, label=f"{label}, mean" if label else "mean of heads"
    )
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def _heat(figure: Figure, axes: Axes, values: Tensor, title: str, top: float | None) -> None:
    image = axes.imshow(
        values.cpu().numpy(), aspect="auto", cmap=_COLOURS, vmin=0, vmax=top, interpolation="nearest", rasterized=True
    )
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=8)
    figure.colorbar(image, ax=axes, pad=0.01).ax.tick_params(labelsize=7)


def _label(axes: Axes, labels: Sequence[str]) -> None:
    if len(labels) <= LABELLED:
        longest = max(map(len, labels))
        shown = [literal(label) for label in labels]
        axes.set_xticks(range(len(labels)), shown, fontsize=7, rotation=90 if longest > 2 else 0)


def _short(name: str) -> str:
    """A module's name without the words that say nothing."""
    words = [word for word in name.split(".") if word not in ("backbone", "encoder", "mixer", "network", "memory")]
    return " ".join(words) or name
