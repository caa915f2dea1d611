"""Draw the idea: a memory that reads a sentence, noise, and the sentence again.

A matrix memory stores, under the three characters before each, the next one. Its gates see the character alone; they
are trained for a few seconds on random letters, random digits and the same letters again, to foretell the repeat, at a
small cost of writing. So they learn that letters are worth storing, and digits are not. The picture is of a sentence
that they have never seen.

    python -m benchmarks.idea_picture --out docs/images/idea.png
"""

import argparse
import string
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.inspection.measures import walk
from titans_seq.memory import LinearMemory, MemoryRule, MemoryState
from titans_seq.ops.inputs import Scan
from titans_seq.pictures import save_picture

SENTENCE, NOISE = "the quick brown fox jumps ", "907351684 "
ALPHABET = string.ascii_lowercase + " " + string.digits
CONTEXT, WIDTH = 3, 96
STEPS, ROWS, WRITE_COST = 150, 8, 0.02
# Exact, token by token; a token is foretold before it is written.
RULE = MemoryRule(LinearMemory(), read="chunk_start")

INK, QUIET, CARD = "#2b2b2b", "#8a8578", "#fbfaf6"
SURPRISE, GATE, MEMORY = "#d1495b", "#2e7d6b", "#30638e"


def openness(scan: Scan) -> Tensor:
    """The step as a share of the largest, `[B, T, H]`: where past surprise is kept, steps add up."""
    assert scan.momentum is not None
    return scan.lr / (1 - scan.momentum)


class Reader(nn.Module):
    """Fixed random codes of characters, and gates that read them."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = F.normalize(torch.randn(len(ALPHABET), WIDTH), dim=-1)
        self.places = [torch.randperm(WIDTH) for _ in range(CONTEXT)]
        self.gates = nn.Linear(WIDTH, 3)
        with torch.no_grad():
            self.gates.weight.zero_()
            self.gates.bias.copy_(torch.tensor([0.0, -2.0, -2.0]))

    def scan(self, ids: Tensor) -> Scan:
        """Return what a memory is asked that reads ids `[B, T]`."""
        values = self.codes[ids]
        # Signs of the characters before, each in an order of its own for its place, bound by products: contexts that
        # are not the same are nearly orthogonal.
        before = F.pad(values.sign(), (0, 0, CONTEXT, 0), value=1.0)
        keys = torch.ones_like(values)
        for place, order in enumerate(self.places):
            keys = keys * before[:, CONTEXT - 1 - place : -1 - place, order]
        step, momentum, decay = self.gates(values).split(1, -1)
        momentum = 0.5 * torch.sigmoid(momentum)
        keys, values = F.normalize(keys, dim=-1).unsqueeze(2), values.unsqueeze(2)
        empty = MemoryState.initial([torch.zeros(1, WIDTH, WIDTH)])
        lr, decay = F.hardsigmoid(step) * (1 - momentum), F.hardsigmoid(decay)
        return Scan(keys, keys, values, lr, momentum, decay, None, empty, RULE, 1)


def as_ids(text: str) -> Tensor:
    return torch.tensor([[ALPHABET.index(letter) for letter in text]])


def foretold_by(scan: Scan) -> Tensor:
    """What a memory says under each key before it is written, `[B, T, 1, D]`, by Titans' eq. 9 to 14 as they stand.

    Short sequences train faster so than in closed form, whose chunks are one token here.
    """
    memory = surprise = torch.zeros(len(scan.k), WIDTH, WIDTH)
    assert scan.momentum is not None
    assert scan.decay is not None
    gates = (scan.lr.unsqueeze(-1), scan.momentum.unsqueeze(-1), scan.decay.unsqueeze(-1))
    said = []
    for k, v, lr, momentum, decay in zip(*(x.unbind(1) for x in (scan.k, scan.v, *gates)), strict=True):
        said.append(k @ memory.mT)
        surprise = momentum * surprise - lr * (said[-1] - v).mT @ k
        memory = (1 - decay) * memory + surprise
    return torch.stack(said, 1)


def trained() -> Reader:
    torch.manual_seed(0)
    reader = Reader()
    optimiser = torch.optim.Adam(reader.gates.parameters(), lr=0.3)
    for _ in range(STEPS):
        letters, digits = torch.randint(27, (ROWS, 10)), torch.randint(27, 37, (ROWS, 10))
        scan = reader.scan(torch.cat([letters, digits, letters], 1))
        foretold = foretold_by(scan)
        again = (foretold - scan.v).square().sum(-1)[:, -(10 - CONTEXT) :]
        optimiser.zero_grad()
        (again.mean() + WRITE_COST * openness(scan).mean()).backward()
        optimiser.step()
    return reader


@dataclass(frozen=True)
class Reading:
    """What a picture shows of each character."""

    text: str
    surprise: list[float]
    gate: list[float]
    norm: list[float]


@torch.no_grad()
def read(reader: Reader, text: str) -> Reading:
    scan = reader.scan(as_ids(text))
    seen = walk(scan)
    gate = openness(scan)
    return Reading(text, seen.surprise[0, :, 0].tolist(), gate[0, :, 0].tolist(), seen.norm[0, 1:, 0].tolist())


def draw(reading: Reading, path: Path) -> None:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.3), facecolor=CARD)
    letters, surprise, gate, memory = figure.subplots(
        4, 1, sharex=True, gridspec_kw={"height_ratios": [0.55, 1.3, 0.8, 0.9], "hspace": 0.42}
    )
    figure.subplots_adjust(left=0.15, right=0.975, top=0.82, bottom=0.05)
    x = range(len(reading.text))
    shades = LinearSegmentedColormap.from_list("surprise", [CARD, "#f6c9b8", SURPRISE])
    for at, letter in enumerate(reading.text):
        share = reading.surprise[at] / max(reading.surprise)
        letters.add_patch(_cell(at, shades(share)))
        letters.text(at, 0.48, letter, ha="center", va="center", fontsize=9.5, family="monospace", color=INK)
    letters.set_ylim(0, 1)
    surprise.bar(x, reading.surprise, 0.82, color=[shades(0.25 + 0.75 * s) for s in reading.surprise])
    gate.fill_between(x, reading.gate, step="mid", color=GATE, alpha=0.85, linewidth=0)
    memory.fill_between(x, reading.norm, color=MEMORY, alpha=0.18, linewidth=0)
    memory.plot(x, reading.norm, color=MEMORY, linewidth=2)
    rows = (
        (letters, "it reads", "", INK),
        (surprise, "surprise", "gradient norm", SURPRISE),
        (gate, "step gate", "0 to 1, learned", GATE),
        (memory, "memory", "norm of weights", MEMORY),
    )
    for axes, name, what, colour in rows:
        _plain(axes, len(reading.text))
        place = {"transform": axes.transAxes, "ha": "right"}
        axes.text(-0.015, 0.5, name, va="bottom" if what else "center", color=colour, weight="bold", **place)
        axes.text(-0.015, 0.44, what, va="top", color=QUIET, fontsize=8.5, **place)
    _parts(letters)
    figure.text(0.02, 0.945, "A memory that learns while it reads", fontsize=14, weight="bold", color=INK)
    save_picture(figure, path)


def _parts(top: Any) -> None:
    first, noise = len(SENTENCE), len(NOISE)
    parts = (
        (0, first, "new: all of it surprises, and is stored"),
        (first, noise, "noise: not stored"),
        (first + noise, first, "again: it is expected"),
    )
    for begin, length, said in parts:
        middle = begin + (length - 2) / 2
        top.text(middle, 1.32, said, ha="center", va="bottom", fontsize=10, color=INK)
        top.plot([begin - 0.4, begin + length - 1.6], [1.18] * 2, color=QUIET, linewidth=1, clip_on=False)


def _cell(at: int, colour: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((at - 0.5, 0), 1, 1, facecolor=colour, edgecolor=CARD, linewidth=0.8)


def _plain(axes: Any, length: int) -> None:
    axes.set_facecolor(CARD)
    axes.set_xlim(-0.6, length - 0.4)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_ylim(bottom=0)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#d8d3c6")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/images/idea.png"))
    reading = read(trained(), SENTENCE + NOISE + SENTENCE.strip())
    draw(reading, parser.parse_args().out)
    first = len(SENTENCE)
    parts = {"new": slice(0, first), "noise": slice(first, first + len(NOISE)), "again": slice(-first + 1, None)}
    for name, part in parts.items():
        means = (sum(x[part]) / len(x[part]) for x in (reading.surprise, reading.gate))
        print(name, *(f"{mean:.2f}" for mean in means))


if __name__ == "__main__":
    main()
