"""An inspection as files: a table with a row a head, and every number in one archive."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from titans_seq.files import atomic_path, write_text
from titans_seq.inspection.results import Inspection, MemoryInspection

TABLE, ARCHIVE = "summary.tsv", "memories.npz"

COLUMNS = (
    "memory",
    "head",
    "change_off",
    "change_frozen",
    "loss_off",
    "loss_frozen",
    "gate_open",
    "tiny_writes",
    "momentum",
    "decay",
    "inner_loss",
    "surprise_first_quarter",
    "surprise_last_quarter",
    "norm_start",
    "norm_end",
    "moved",
    "key_rank",
    "key_rank_limit",
)


def summary_rows(seen: Inspection) -> list[list[str]]:
    """Return the table: `COLUMNS`, then a row for each head of each memory, means over rows and tokens.

    What the output owes to a memory is known of the whole layer, and stands in the rows of all its heads. A number that
    there is not, the decay of a rule without one for example, is left empty.
    """
    rows: list[list[str]] = [list(COLUMNS)]
    for memory in seen.memories:
        for head in range(memory.heads):
            numbers = (*_of_layer(memory), *_of_head(memory, head), memory.key_limit)
            cells = ("" if number is None else f"{number:.6g}" for number in numbers)
            rows.append([memory.name, str(head), *cells])
    return rows


def _of_layer(memory: MemoryInspection) -> tuple[float | None, ...]:
    use = memory.use
    return use.off, use.frozen, use.loss_off, use.loss_frozen


def _of_head(memory: MemoryInspection, head: int) -> tuple[float | None, ...]:
    trace, growth = memory.trace, memory.growth

    def mean(values: Tensor | None) -> float | None:
        return None if values is None else values[..., head].double().mean().item()

    quarter = max(1, trace.surprise.shape[1] // 4)
    return (
        mean(trace.open),
        mean(memory.is_tiny),
        mean(trace.momentum),
        mean(trace.decay),
        mean(trace.loss),
        mean(trace.surprise[:, :quarter]),
        mean(trace.surprise[:, -quarter:]),
        mean(growth.norm[:, :1]),
        mean(growth.norm[:, -1:]),
        mean(growth.moved[:, -1:]),
        mean(memory.key_rank),
    )


def arrays(seen: Inspection, labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Return all numbers by name: `0/surprise` is of the first memory; `names` and `labels` say what there is."""
    found: dict[str, np.ndarray] = {
        "names": np.array([memory.name for memory in seen.memories]),
        "labels": np.array(labels, dtype=np.str_),
    }
    for number, memory in enumerate(seen.memories):
        for part in (memory.trace, memory.growth, memory.retrieval):
            for name, values in vars(part).items():
                if values is not None:
                    found[f"{number}/{name}"] = np.asarray(
                        values.cpu().numpy() if isinstance(values, Tensor) else values
                    )
        found[f"{number}/key_rank"] = memory.key_rank.cpu().numpy()
        found[f"{number}/use"] = np.array([memory.use.off, memory.use.frozen])
    return found


def write_numbers(seen: Inspection, labels: Sequence[str], folder: Path) -> list[Path]:
    """Write `summary.tsv` and `memories.npz` into a folder, and return their paths.

    Raises:
        OSError: if they cannot be written.
    """
    table, archive = folder / TABLE, folder / ARCHIVE
    write_text(table, "".join("\t".join(row) + "\n" for row in summary_rows(seen)))
    with atomic_path(archive) as temporary:
        np.savez_compressed(temporary, **arrays(seen, labels))  # type: ignore[arg-type]
    return [table, archive]
