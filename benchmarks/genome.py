"""A genome in one stream: what reading 10,000 bases to all of E. coli takes, in time and memory.

    python -m benchmarks.genome                                   # to 4.6 million bases, some minutes
    python -m benchmarks.genome --lengths 10000 100000 --out /tmp/genome.json

The classifier of the preset "small" with random weights, read in one direction, piece by piece, to its logits; what a
base costs does not depend on what was learnt.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from benchmarks import memory_use
from benchmarks.provenance import provenance
from benchmarks.results_file import write_json
from genomics.models import Classifier, ClassifierConfig, encoder_preset
from genomics.sequences.loading import read_all
from genomics.tokens import Nucleotides

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "genome.json"
GENOME = HERE.parents[1] / "shared" / "data" / "dna" / "genomes" / "ecoli_K12_NC_000913.3.fna.gz"
LENGTHS = (10_000, 100_000, 1_000_000, 5_000_000)


@dataclass(frozen=True)
class Arguments:
    """Measure.

    Args:
        lengths: bases from the genome's start; more than it has is all of it.
        genome: FASTA file; its first record is read.
        out: results.
    """

    lengths: tuple[int, ...] = LENGTHS
    genome: Path = GENOME
    out: Path = RESULTS


@torch.inference_mode()
def measure(model: Classifier, ids: torch.Tensor) -> dict[str, Any]:
    """Logits of one sequence, with the processor time and the memory that they take."""
    before = memory_use.mark()
    began = time.process_time()
    logits = model.stream(ids)
    seconds = time.process_time() - began
    if not logits.isfinite().all():
        raise FloatingPointError(f"the logits of {len(ids):,} bases are not finite")
    return {
        "bases": len(ids),
        "bases_per_cpu_s": len(ids) / seconds,
        "extra_mb": (memory_use.peak() - before) / 1e6,
    }


def table(content: dict[str, Any]) -> str:
    """The results, one line a length."""
    lines = ["| bases in one stream | bases a CPU second | extra MB at the peak |", "|---:|---:|---:|"]
    for row in content["rows"]:
        lines.append(f"| {row['bases']:,} | {row['bases_per_cpu_s']:,.0f} | {row['extra_mb']:,.1f} |")
    return "\n".join(lines)


def main(arguments: Arguments) -> None:
    """Measure each length, write what was found, and print the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = Classifier(ClassifierConfig(encoder_preset("small"), "classes", outputs=2)).eval()
    record = next(iter(read_all([str(arguments.genome)])))
    ids = torch.from_numpy(Nucleotides().encode(record.sequence).astype("uint8"))
    measure(model, ids[: min(arguments.lengths)])  # what is set up once
    rows = [measure(model, ids[:length]) for length in arguments.lengths]
    parameters = sum(parameter.numel() for parameter in model.parameters())
    content = {"genome": record.name, "parameters": parameters, "rows": rows, "measured": provenance()}
    write_json(arguments.out, content)
    print(table(content))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
