"""The pictures of README and site, on an opaque light background, so that they are read on dark pages too.

python -m docs.tools.pictures                    # all of them; `dna` trains for some minutes
python -m docs.tools.pictures reading chunk lengths # these alone, in seconds
"""

import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks import long_context
from language.trials import summarise
from language.trials.picture import draw
from titans_seq import LinearMemory, MemoryRule, MemoryState, memory_scan
from titans_seq.cli import main as titans
from titans_seq.jsonl import read_rows
from titans_seq.memory import Momentum

IMAGES = Path(__file__).parents[1] / "images"
BLUE, ORANGE, GREY = "#1f62a8", "#c8501e", "#444444"
LAGS = 12


def reading() -> None:
    """A memory of twelve weights reads 43 years of CO2: its answers, its surprise, its weights."""
    years, change, known = monthly_changes()
    keys = np.lib.stride_tricks.sliding_window_view(change, LAGS)[:-1]
    told = change[LAGS:]
    whole = np.asarray(np.lib.stride_tricks.sliding_window_view(known, LAGS + 1).all(1))
    answers, weights = read(keys, told, whole)
    years = years[LAGS:]

    figure, (top, middle, bottom) = _figure(3, height=4.6, heights=(3, 1.6, 2.2))
    top.plot(years, told, color=GREY, linewidth=0.9, label="what comes (ppm a month)")
    top.plot(years, answers, color=BLUE, linewidth=0.9, label="what the memory says just before")
    top.set_title("A memory of 12 weights reads 43 years of CO2 on Mauna Loa; nothing was trained before", fontsize=10)
    top.legend(loc="lower right", ncols=2, fontsize=8, frameon=False)
    top.set_ylim(-3.4, 2.6)
    middle.bar(years, 0.5 * (told - answers) ** 2, width=1 / 12, color=ORANGE)
    middle.set_ylabel("surprise", fontsize=8)
    for year in years[~whole]:
        middle.axvspan(year - 1 / 24, year + 1 / 24, color="#dddddd", linewidth=0)
    middle.text(
        1967.2, 0.75 * middle.get_ylim()[1], "grey: months are missing, the gate is shut", fontsize=8, color=GREY
    )
    limit = np.abs(weights).max()
    bottom.imshow(
        weights.T,
        aspect="auto",
        cmap="RdBu_r",
        vmin=-limit,
        vmax=limit,
        interpolation="nearest",
        extent=(years[0], years[-1], LAGS + 0.5, 0.5),
    )
    bottom.set_ylabel("weight of the change\nso many months ago", fontsize=8)
    bottom.set_yticks([1, 6, 12])
    for axes in (top, middle, bottom):
        axes.set_xlim(years[0], years[-1])
    _save(figure, "reading")


def monthly_changes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Years, changes from month to month, and which of them are known rather than filled in."""
    from statsmodels.datasets import co2

    month: pd.Series = pd.DataFrame(co2.load_pandas().data)["co2"].resample("MS").mean()
    filled = month.interpolate().to_numpy()
    known = month.notna().to_numpy()
    years = np.asarray([1958 + (3 + n - 0.5) / 12 for n in range(len(month))])  # it begins in March 1958
    return years[1:], np.diff(filled), known[1:] & known[:-1]


def read(keys: np.ndarray, told: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Write every month into a matrix memory; return its answers before each write, and its weights after it."""
    length = np.linalg.norm(keys, axis=1)
    k = torch.tensor(keys / length[:, None], dtype=torch.float32)[None, :, None]
    v = torch.tensor(told / length, dtype=torch.float32)[None, :, None, None]
    gate = torch.tensor(whole, dtype=torch.float32)[None, :, None]
    rule = MemoryRule(LinearMemory(), algorithm=Momentum(), read="chunk_start")
    state, said, weights = MemoryState.initial([torch.zeros(1, 1, LAGS)]), [], []
    for t in range(len(keys)):
        now = slice(t, t + 1)
        y, after = memory_scan(
            k[:, now],
            k[:, now],
            v[:, now],
            lr=0.05 * gate[:, now],
            momentum=0.6 * gate[:, now],
            decay=0.002 * gate[:, now],
            state=state,
            rule=rule,
            chunk_size=1,
        )
        assert after is not None
        state = after
        said.append(float(y) * length[t])
        weights.append(state.weights[0][0, 0, 0].numpy())
    return np.asarray(said), np.stack(weights)


def chunk() -> None:
    """What a token reads inside a chunk: the share of each earlier write that is left."""
    decay, momentum, size = 0.05, 0.8, 16
    titles = ("no momentum, no decay", "with decay", "with momentum and decay")
    figure, axes = _figure(1, columns=3, height=2.7)
    for axis, title, (eta, alpha) in zip(axes, titles, ((0.0, 0.0), (0.0, decay), (momentum, decay)), strict=True):
        table = mix(size, eta, alpha)
        axis.imshow(np.where(table == 0, np.nan, table), cmap="Blues", vmin=0, vmax=mix(size, momentum, decay).max())
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("token that wrote", fontsize=8)
    axes[0].set_ylabel("token that reads", fontsize=8)
    _save(figure, "chunk")


def mix(size: int, momentum: float, decay: float) -> np.ndarray:
    """The closed form's table `[t, s]`: how much of the write of token s stands in the weights that token t reads."""
    table = np.zeros((size, size))
    for s in range(size):
        speed, weight = 1.0, 0.0
        for t in range(s, size):
            weight = (1 - decay) * weight + speed
            speed *= momentum
            table[t, s] = weight
    return table


def lengths() -> None:
    """Trained short, asked long: a needle among fillers, from the benchmark's rows, as `titans lm task` draws it."""
    task = "niah-single-1"
    summaries = [summary for summary in summarise(read_rows(long_context.RESULTS)) if summary.task == task]
    target = IMAGES / "lengths.png"
    draw(summaries, summaries[0].rows[0]["train_length"], target, title="A needle: trained at 512 words, asked at more")
    _shrink(target)


def forecast() -> None:
    """Two years of weekly CO2 at once, with the weights of the package: what `titans forecast plot` draws."""
    from forecasting.cli.demo import write_co2

    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "co2.csv"
        write_co2(data)
        _run("forecast", "plot", str(data), "--horizon", "104", "--out", str(IMAGES / "forecast.png"))
    _shrink(IMAGES / "forecast.png")


def dna() -> None:
    """Which bases a prediction rests on: what `titans dna demo` draws last."""
    with tempfile.TemporaryDirectory() as folder:
        _run("dna", "demo", "--out", folder)
        shutil.copy(Path(folder) / "explained" / "mutagenesis.png", IMAGES / "dna.png")
    _shrink(IMAGES / "dna.png")


PICTURES: dict[str, Callable[[], None]] = {
    "reading": reading,
    "chunk": chunk,
    "lengths": lengths,
    "forecast": forecast,
    "dna": dna,
}


def main(arguments: Sequence[str]) -> int:
    """Draw the pictures that are named, or all; 2 for a name that there is not."""
    unknown = [name for name in arguments if name not in PICTURES]
    if unknown:
        print(f"error: no picture {', '.join(unknown)}; there are {', '.join(PICTURES)}", file=sys.stderr)
        return 2
    for name in arguments or PICTURES:
        PICTURES[name]()
        print(f"written: {IMAGES / name}.png")
    return 0


def _figure(rows: int, *, columns: int = 1, height: float, heights: Sequence[float] | None = None) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        rows,
        columns,
        figsize=(8.4, height),
        sharex=rows > 1,
        height_ratios=heights,
        layout="constrained",
    )
    for axis in np.ravel(axes):
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Any, name: str) -> None:
    path = IMAGES / f"{name}.png"
    figure.savefig(path, dpi=110, facecolor="white")
    _shrink(path)


def _shrink(path: Path, width: int = 920) -> None:
    """Bring a picture to a page's width and 256 colours, so chosen that none is off by more than a shade."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
        if small.width > width:
            small = small.resize((width, round(small.height * width / small.width)), Image.Resampling.LANCZOS)
        # The usual choice, by how often colours occur, changes those of thin lines.
        small.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


def _run(*arguments: str) -> None:
    if code := titans(list(arguments)):
        raise SystemExit(code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
