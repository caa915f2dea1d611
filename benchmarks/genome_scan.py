"""A genome scanned in windows: what `titans dna predict --stride` takes for millions of bases, in time and memory.

    python -m benchmarks.genome_scan                                  # 3 million bases, some minutes
    python -m benchmarks.genome_scan --bases 30000000 --out /tmp/scan.json

A made-up contig, the classifier of the preset "small" with random weights, both strands of each window; what a window
costs depends on neither. The table has one row a length, which a run of the same length replaces.
"""

import contextlib
import io
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from benchmarks import memory_use
from benchmarks.provenance import provenance
from benchmarks.results_file import read_json, write_json
from genomics.cli.main import GROUP as TITANS_DNA
from genomics.models import Classifier, ClassifierConfig, encoder_preset
from genomics.runs import save_classifier

RESULTS = Path(__file__).resolve().parent / "results" / "genome_scan.json"
_LINE = 60


@dataclass(frozen=True)
class Arguments:
    """Measure.

    Args:
        bases: of the contig.
        window: bases of a window.
        stride: bases from one window to the next.
        out: results.
    """

    bases: int = 3_000_000
    window: int = 200
    stride: int = 50
    out: Path = RESULTS


def measure(arguments: Arguments, folder: Path) -> dict[str, Any]:
    """Scan a contig to a bedGraph file, with the processor time and the memory that it takes."""
    model = Classifier(ClassifierConfig(encoder_preset("small"), "classes", outputs=2)).eval()
    save_classifier(folder / "model", model, ("no", "yes"), "random weights")
    write_contig(folder / "warm.fa", 20 * arguments.window)
    write_contig(folder / "contig.fa", arguments.bases)
    _scan(arguments, folder, "warm.fa")  # what is set up once
    before, start, begun = memory_use.mark(), memory_use.resident(), time.process_time()
    _scan(arguments, folder, "contig.fa")
    seconds = time.process_time() - begun
    return {
        "bases": arguments.bases,
        "window": arguments.window,
        "stride": arguments.stride,
        "windows": (folder / "out.bedGraph").read_bytes().count(b"\n") - 1,
        "cpu_s": seconds,
        "peak_mb": memory_use.peak() / 1e6,
        "extra_mb": (memory_use.peak() - min(before, start)) / 1e6,
        "measured": provenance(),
    }


def write_contig(path: Path, bases: int) -> None:
    """Write a contig of random bases as FASTA."""
    random = np.random.default_rng(0)
    with path.open("w", encoding="ascii") as stream:
        stream.write(">contig\n")
        for begin in range(0, bases, _LINE):
            stream.write("".join(random.choice(list("ACGT"), min(_LINE, bases - begin))) + "\n")


def _scan(arguments: Arguments, folder: Path, name: str) -> None:
    options = ["--window", str(arguments.window), "--stride", str(arguments.stride), "--device", "cpu"]
    files = ["predict", str(folder / "model"), str(folder / name), "--out", str(folder / "out.bedGraph")]
    with contextlib.redirect_stdout(io.StringIO()):
        code = TITANS_DNA([*files, *options, "--progress", "none"], "titans dna")
    if code:
        raise RuntimeError(f"titans dna predict ended with code {code}")


def table(content: dict[str, Any]) -> str:
    """The results, one line a length."""
    lines = [
        "| bases | windows | CPU seconds | of these a million bases | peak MB | of these for the scan |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in content["rows"]:
        windows = f"{row['windows']:,} of {row['window']}, one each {row['stride']}"
        time_of, memory = f"{row['cpu_s']:,.0f} | {1e6 * row['cpu_s'] / row['bases']:.1f}", f"{row['peak_mb']:,.0f}"
        lines.append(f"| {row['bases']:,} | {windows} | {time_of} | {memory} | {row['extra_mb']:,.0f} |")
    return "\n".join(lines)


def main(arguments: Arguments) -> None:
    """Measure, write what was found beside other lengths, and print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        row = measure(arguments, Path(folder))
    held = read_json(arguments.out)["rows"] if arguments.out.is_file() else []
    setting = ("bases", "window", "stride")
    rows = [one for one in held if any(one[name] != row[name] for name in setting)] + [row]
    content = {"rows": sorted(rows, key=lambda one: one["bases"])}
    write_json(arguments.out, content)
    print(table(content))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
