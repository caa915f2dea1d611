"""The tables of the documents, made from the results' JSON and from the list of presets.

python -m benchmarks.report           # rewrite them
python -m benchmarks.report --check   # exit 1 if a table is not up to date
"""

import functools
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.results_file import read_json
from genomics import benchmark as dna
from language.trials import markdown, summarise
from titans_seq.jsonl import read_rows
from titans_seq.memory import PRESETS

from . import (
    book,
    crossing,
    decoding,
    dna_defaults,
    forecasting,
    front_page,
    genome,
    genome_scan,
    gpu,
    gpu_tables,
    intervals,
    long_context,
    long_text,
    long_text_recall,
    memories,
    motif_pairs,
    paper,
    profile_block,
    season_readings,
    shakespeare,
    small_sets,
    zero_shot,
    zero_shot_ingredients,
    zero_shot_long_horizon,
)
from .presets_table import presets_table
from .provenance import results_on
from .targets import autograd_pairs

ROOT = Path(__file__).parents[1]
OPS = ROOT / "benchmarks" / "results" / "ops.json"
FORECASTS = forecasting.RESULTS
DNA = ROOT / "benchmarks" / "results" / "dna" / "benchmark.jsonl"
SECTION = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def peer_table(results: Sequence[Mapping[str, Any]]) -> str:
    """The memory layer against titans-pytorch, one line a size and pass."""
    lines = [
        "| width, layers x expansion, chunk, T | pass | tokens per CPU second | times exact | times coarse "
        "| extra MB, ours / exact / coarse |",
        "|---|---|---|---|---|---|",
    ]
    for row in results:
        ours = row["ours"]
        sides = [row["exact"], row["coarse"]]
        speed = [_times(side.get("ours_times_tokens_per_cpu_s")) for side in sides]
        megabytes = " / ".join(_megabytes(side.get("extra_mb")) for side in (ours, *sides))
        lines.append(
            f"| {_layer(row['size'])} | {row['pass']} | {ours['tokens_per_cpu_s']:,.0f} "
            f"| {speed[0]} | {speed[1]} | {megabytes} |"
        )
    return "\n".join(lines)


def _layer(size: Mapping[str, Any]) -> str:
    memory = f"{size['depth']} x {size['expansion']:g}" if size["depth"] > 1 else "linear + norm"
    return f"{size['dim']}, {memory}, {size['chunk']}, {size['length']:,}"


def autograd_table(results: Sequence[Mapping[str, Any]]) -> str:
    """The operator's training with its own backward pass and with autograd's, one line a size."""
    lines = [
        "| width, layers x expansion, chunk, T | tokens per CPU second | autograd | times | extra MB | autograd "
        "| share |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row, plain in autograd_pairs(results):
        speeds, megabytes = ([side[name] for side in (row, plain)] for name in ("tokens_per_cpu_s", "extra_mb"))
        lines.append(
            f"| {_layer(row['size'])} | {speeds[0]:,.0f} | {speeds[1]:,.0f} | {speeds[0] / speeds[1]:.2f} "
            f"| {megabytes[0]:,.0f} | {megabytes[1]:,.0f} | {megabytes[0] / megabytes[1]:.2f} |"
        )
    return "\n".join(lines)


def growth_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Time per token by length, relative to the shortest."""
    lengths = sorted({row["size"]["length"] for row in results})
    lines = [f"| chunk, pass | {' | '.join(f'{n:,}' for n in lengths)} |", "|---" * (len(lengths) + 1) + "|"]
    for chunk, kind in sorted({(row["size"]["chunk"], row["pass"]) for row in results}):
        cells = {
            row["size"]["length"]: row["relative_time_per_token"]
            for row in results
            if (row["size"]["chunk"], row["pass"]) == (chunk, kind)
        }
        values = (cells.get(n) for n in lengths)
        lines.append(f"| {chunk}, {kind} | {' | '.join('-' if v is None else f'{v:.2f}' for v in values)} |")
    return "\n".join(lines)


def streaming_text(results: Sequence[Mapping[str, Any]]) -> str:
    """One million tokens in pieces, and decoding, in two sentences."""
    pieces, steps = results[0]["pieces"], results[0]["decoding"]
    positions = ", ".join(f"{step['position']:,}" for step in steps)
    times = ", ".join(f"{step['ms_per_token']:.2f}" for step in steps)
    return (
        f"{pieces['tokens']:,} tokens in pieces of {pieces['piece']:,}: {pieces['tokens_per_cpu_s']:,.0f} tokens per "
        f"CPU second; resident memory grew by {pieces['growth_mb']:.1f} MB after the first tenth. "
        f"One token at a time, at positions {positions}: {times} ms."
    )


def protocol_text(peer: Mapping[str, Any]) -> str:
    """How and when the memory layer was measured."""
    return f"{peer['protocol']} Measured {peer['results'][0].get('measured', {}).get('date', '')[:10]}."


def forecast_summary(rows: Sequence[forecasting.Row]) -> str:
    """The mean over horizons of each set: ours, its control, the linear baseline, published rows."""
    wanted = ("ours", "closed-form linear", "Titans", "SiMBA", "iTransformer", "CycleNet", "TimeXer")
    current = [row for row in rows if forecasting.is_current(row)]
    columns: dict[str, dict[str, str]] = {}
    for name in dict.fromkeys(row["dataset"] for row in current):
        columns[name] = {}
        for line in forecasting.tables(rows, [name]).splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) > 5 and cells[0].startswith(wanted):
                columns[name][re.sub(r" \((\d+ seeds?)\)| \[.*\]", "", cells[0])] = cells[-3]
    models = dict.fromkeys(model for scores in columns.values() for model in scores)
    lines = [f"| mean of four horizons, MSE/MAE | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for model in models:
        lines.append(f"| {model} | {' | '.join(scores.get(model, '-') for scores in columns.values())} |")
    return "\n".join(lines)


def memories_table(content: Mapping[str, Any]) -> str:
    """What each memory costs and buys, one line a row, and how that was measured."""
    rows = content["rows"]
    dates = [row["measured"]["date"][:10] for row in rows]
    lines = [memories.COLUMNS, ["---"] * len(memories.COLUMNS), *map(memories.cells, rows)]
    table = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*table, "", f"{content['protocol']} Measured {' to '.join(sorted({min(dates), max(dates)}))}."])


def shakespeare_table() -> str:
    """The models of tiny-shakespeare, and what a training step of each takes."""
    times = read_json(shakespeare.TIMES)["times_transformer"]
    return shakespeare.table(read_rows(shakespeare.RESULTS), times)


def sections(names: Collection[str]) -> dict[str, str]:
    """The tables that markers name; only their own results need to be there."""
    ops = functools.cache(lambda: read_json(OPS))
    rows = functools.cache(lambda: read_rows(FORECASTS))
    makers: dict[str, Callable[[], str]] = {
        "peer": lambda: peer_table(ops()["peer"]["results"]),
        "autograd": lambda: autograd_table(ops()["autograd"]["results"]),
        "growth": lambda: growth_table(ops()["growth"]["results"]),
        "streaming": lambda: streaming_text(ops()["streaming"]["results"]),
        "protocol": lambda: protocol_text(ops()["peer"]),
        "summary": lambda: forecast_summary(rows()),
        "forecasts": lambda: forecasting.tables(rows()),
        "memories": lambda: memories_table(read_json(memories.RESULTS)),
        "presets": lambda: presets_table(PRESETS),
        "shakespeare": shakespeare_table,
        "longsummary": lambda: long_context.overview(summarise(read_rows(long_context.RESULTS))),
        "longcontext": lambda: markdown(summarise(read_rows(long_context.RESULTS)), heading="###").rstrip(),
        "decoding": lambda: decoding.table(read_json(decoding.RESULTS)),
        "crossing": lambda: crossing.table(read_json(crossing.RESULTS)),
        "profile": lambda: profile_block.table(read_json(profile_block.RESULTS)["rows"]),
        "gpu": lambda: _if_run(gpu.RESULTS, gpu_tables.table),
        "gpudecoding": lambda: _if_run(results_on(decoding.RESULTS, "cuda"), decoding.table),
        "gpuprofile": lambda: _if_run(
            results_on(profile_block.RESULTS, "cuda"), lambda content: profile_block.table(content["rows"])
        ),
        "book": lambda: book.table(read_rows(book.RESULTS)),
        "dna": lambda: dna.overview(read_rows(DNA)),
        "dnavariants": lambda: dna.variants(read_rows(DNA)),
        "dnadefaults": lambda: dna_defaults.table(read_rows(dna_defaults.RESULTS)),
        "dnasets": lambda: dna.markdown(read_rows(DNA), heading="###"),
        "genome": lambda: genome.table(read_json(genome.RESULTS)),
        "genomescan": lambda: genome_scan.table(read_json(genome_scan.RESULTS)),
        "motifpairs": lambda: motif_pairs.table(read_rows(motif_pairs.RESULTS)),
        "smallsets": lambda: small_sets.table(read_rows(small_sets.RESULTS)),
        "textrecall": lambda: long_text_recall.table(read_rows(long_text_recall.RESULTS)),
        "longtext": lambda: long_text.table(read_json(long_text.RESULTS)["rows"]),
        "ablation": lambda: paper.table("ablation", read_rows(paper.RESULTS)),
        "depth": lambda: paper.table("depth", read_rows(paper.RESULTS)),
        "throughput": lambda: paper.table("throughput", read_rows(paper.RESULTS)),
        "zeroshot": lambda: zero_shot.table(read_rows(zero_shot.RESULTS)),
        "zeroshotcoverage": lambda: zero_shot.coverage_table(read_rows(zero_shot.RESULTS)),
        "intervals": lambda: intervals.table(read_rows(intervals.RESULTS)),
        "seasonreadings": lambda: season_readings.table(read_rows(season_readings.RESULTS)),
        "zeroshotlong": lambda: zero_shot_long_horizon.table(read_rows(zero_shot_long_horizon.RESULTS)),
        "zeroshotparts": lambda: zero_shot_ingredients.table(read_rows(zero_shot_ingredients.RESULTS)),
        "frontpage": lambda: front_page.front_page({name: makers[name]() for name in front_page.NEEDS}),
    }
    return {name: makers[name]() for name in names}


def fill(text: str, tables: Mapping[str, str]) -> str:
    """Put each table between its markers."""
    return SECTION.sub(lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}", text)


def main() -> int:
    """Rewrite the documents, or with `--check` say whether they are up to date."""
    documents = (ROOT / "README.md", ROOT / "benchmarks" / "RESULTS.md", ROOT / "docs" / "memories.md")
    texts = {document: document.read_text(encoding="utf-8") for document in documents}
    tables = sections({found[2] for text in texts.values() for found in SECTION.finditer(text)})
    stale = []
    for document, text in texts.items():
        filled = fill(text, tables)
        if filled != text:
            stale.append(document.name)
            if "--check" not in sys.argv[1:]:
                document.write_text(filled, encoding="utf-8")
    print(f"changed: {', '.join(stale)}" if stale else "all tables are up to date")
    return int(bool(stale) and "--check" in sys.argv[1:])


def _if_run(path: Path, table: Callable[[Any], str]) -> str:
    return table(read_json(path)) if path.exists() else "Not run: no GPU was at hand."


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _megabytes(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


if __name__ == "__main__":
    sys.exit(main())
