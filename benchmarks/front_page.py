"""The README's one table: a line for each thing measured, read off the tables of RESULTS.md, losses included."""

from collections.abc import Mapping
from dataclasses import dataclass

COLUMNS = ("measured", "ours", "without its memory", "beside it")
# The tables that `front_page` reads.
NEEDS = ("longsummary", "shakespeare", "textrecall", "summary", "dna", "dnavariants", "peer", "zeroshot")


@dataclass(frozen=True)
class Table:
    """A table of Markdown.

    Attributes:
        columns: what its head says.
        rows: the cells of each line.
    """

    columns: list[str]
    rows: list[list[str]]

    @classmethod
    def of(cls, text: str) -> "Table":
        """Read the first table of a text."""
        lines = [line for line in text.splitlines() if line.startswith("|")]
        cells = [[cell.strip().strip("*") for cell in line.strip("|").split("|")] for line in lines]
        return cls(cells[0], cells[2:])

    def cell(self, column: str, *first: str) -> str:
        """The cell in the one line whose first cells are as given, without spread and number of seeds.

        Raises:
            ValueError: if there is not exactly one such line, or no such column.
        """
        found = [row for row in self.rows if row[: len(first)] == list(first)]
        if len(found) != 1 or column not in self.columns:
            raise ValueError(f"{len(found)} lines begin with {first}, of columns {self.columns}: {column} is wanted")
        return found[0][self.columns.index(column)].split(" (")[0].split(" ±")[0]


def front_page(texts: Mapping[str, str]) -> str:
    """The table, from the texts of the tables that it needs."""
    tables = {name: Table.of(texts[name]) for name in NEEDS}
    # Of several corpora.
    tables["textrecall"] = Table.of(texts["textrecall"].partition("### code")[2].partition("### ")[0])
    lines = [
        *_language(tables),
        _forecasting(tables["summary"]),
        _at_once(tables["zeroshot"]),
        *_dna(tables),
        _speed(tables["peer"]),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (COLUMNS, ("---",) * len(COLUMNS), *lines))


def _language(tables: Mapping[str, Table]) -> list[tuple[str, ...]]:
    long, shakespeare = tables["longsummary"], tables["shakespeare"]

    def asked(kind: str, task: str, length: str) -> str:
        return long.cell(kind, task, length)

    def line(text: str, task: str, length: str, other: str, column: str) -> tuple[str, ...]:
        scores = (asked(kind, task, length) for kind in ("with its memory", "the same without"))
        return (text, *scores, f"{other} {asked(column, task, length)}")

    loss = "validation loss, mean and range of seeds"
    code = tables["textrecall"]
    return [
        line(
            "a needle, trained at 512 words, asked at 8,192: % right",
            "niah-single-1, trained at 512",
            "8,192",
            "attention",
            "attention to everything",
        ),
        line(
            "BABILong qa1, trained at 1,024, asked at 16,384: % right",
            "babilong-qa1, trained at 1,024",
            "16,384",
            "window attention",
            "attention in a window",
        ),
        (
            "Python code, packages not trained on: nats a token",
            code.cell("all", "mag-recall"),
            code.cell("all", "mag-recall-no-memory"),
            f"the paper's MAG {code.cell('all', 'mag')}, window attention {code.cell('all', 'window')}",
        ),
        (
            "tiny-shakespeare, windows of 256: nats a character",
            shakespeare.cell(loss, "lmm"),
            shakespeare.cell("without memory", "lmm"),
            f"transformer {shakespeare.cell(loss, 'transformer')}",
        ),
    ]


def _forecasting(summary: Table) -> tuple[str, ...]:
    names = ("ETTh1", "ETTm1", "Weather")

    def mse(model: str) -> str:
        cells = (summary.cell(name, model).split("/")[0].strip().strip("*") for name in names)
        return ", ".join(cells)

    return (
        f"{', '.join(names)}: MSE of four horizons",
        mse("ours, memory"),
        mse("ours, identity in its place"),
        f"as printed {mse('Titans LMM')}",
    )


def _at_once(sets: Table) -> tuple[str, ...]:
    def mase(model: str) -> str:
        return sets.cell("relative, seven sets", model).split("/")[0].strip()

    others = f"AutoETS {mase('AutoETS')}, TiRex as published {mase('TiRex (published)')}"
    ours = f"{mase('zero-shot')}, trained {mase('train')}"
    return "seven Monash sets at once: MASE over naive's", ours, "-", others


def _dna(tables: Mapping[str, Table]) -> list[tuple[str, ...]]:
    scores, variants = tables["dna"], tables["dnavariants"]

    def line(text: str, name: str, without: str) -> tuple[str, ...]:
        cnn, bert = scores.cell("small CNN", name), scores.cell("DNABERT-2 (117 M, as published)", name)
        return f"{text}: MCC", scores.cell("Titans", name), without, f"CNN {cnn}, DNABERT-2 {bert}"

    return [
        line(
            "promoters with TATA box (GUE)",
            "prom_core_tata",
            variants.cell("test MCC", "prom_core_tata", "without memory"),
        ),
        line("transcription factor 1 (GUE)", "tf_1", "-"),
    ]


def _speed(peer: Table) -> tuple[str, ...]:
    def cell(column: str, size: str) -> str:
        return peer.cell(column, size, "training")

    large = "128, 2 x 2, 16, 2,048"
    times = f"{cell('times exact', large)} times titans-pytorch, computing the same"
    return "training a layer: tokens a CPU second", cell("tokens per CPU second", large), "-", times
