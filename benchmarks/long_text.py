"""A language model that reads on and on: two million tokens in one pass, and what writing a token costs on the way.

    python -m benchmarks.long_text                                   # all models, several minutes
    python -m benchmarks.long_text --models lmm --tokens 100000 --out /tmp/long.json

Tiny models with random weights, of 256 bytes: what a token costs does not depend on what was learnt. State is carried
from piece to piece; at each position the model also takes single tokens, as in generation, from that state.
"""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import tyro

from benchmarks import memory_use
from benchmarks.provenance import provenance
from benchmarks.results_file import read_json, write_json
from titans_seq.models import BackboneState, CausalLM, count_parameters, language_model, map_state

RESULTS = Path(__file__).resolve().parent / "results" / "long_text.json"
POSITIONS = (1_000, 10_000, 100_000, 1_000_000)
TOKENS = {"lmm": 2_000_000, "mac": 1_000_000, "mag": 1_000_000, "mal": 1_000_000}
VOCABULARY, PIECE, STEPS = 256, 4096, 200


@dataclass(frozen=True)
class Arguments:
    """Measure.

    Args:
        models: variants of the tiny models.
        tokens: length of the pass; two millions for LMM and one for the others if not given.
        out: results.
    """

    models: tuple[str, ...] = tuple(TOKENS)
    tokens: int | None = None
    out: Path = RESULTS


@torch.inference_mode()
def measure(name: str, tokens: int) -> dict[str, Any]:
    """Read so many tokens with one model, and take the time of single steps at each position on the way."""
    torch.manual_seed(0)
    config = language_model(f"tiny-{name}", VOCABULARY)
    model, generator = CausalLM(config).eval(), torch.Generator().manual_seed(0)
    state: BackboneState | None = None
    position, seconds, stops = 0, 0.0, []
    wanted = [stop for stop in POSITIONS if stop < tokens]
    for stop in [*wanted, tokens]:
        memory_use.mark()
        while position < stop:
            ids = torch.randint(VOCABULARY, (1, min(PIECE, stop - position)), generator=generator)
            began = time.process_time()
            logits, state = model(ids, state)
            seconds += time.process_time() - began
            position += ids.shape[1]
            if not logits.isfinite().all():
                raise FloatingPointError(f"{name}: logits before token {position:,} are not finite")
        steps = _step_times(model, state)
        stops.append(
            {
                "position": position,
                "ms_per_token": 1e3 * statistics.median(steps),
                "peak_mb": memory_use.peak() / 1e6,
                "state_mb": _bytes_of(state) / 1e6,
            }
        )
    return {
        "model": name,
        "parameters": count_parameters(config),
        "tokens": tokens,
        "tokens_per_cpu_s": tokens / seconds,
        "stops": stops,
        "measured": provenance(),
    }


def _step_times(model: CausalLM, state: BackboneState | None) -> list[float]:
    """Processor time of single tokens from a state, which stays as it was: it is a value."""
    ids, times = torch.zeros(1, 1, dtype=torch.long), []
    for _ in range(STEPS):
        began = time.process_time()
        _, state = model(ids, state)
        times.append(time.process_time() - began)
    return times


def _bytes_of(state: BackboneState | None) -> int:
    sizes: list[int] = []

    def count(tensor: torch.Tensor) -> torch.Tensor:
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    map_state(state, count)
    return sum(sizes)


def table(rows: list[dict[str, Any]]) -> str:
    """The results, one line a model."""
    lines = [
        "| tiny model | at token | ms a token written there | peak MB up to there | state, MB | tokens read a CPU s |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        positions = " / ".join(f"{stop['position']:,}" for stop in row["stops"])
        times = " / ".join(f"{stop['ms_per_token']:.2f}" for stop in row["stops"])
        peaks = " / ".join(f"{stop['peak_mb']:,.0f}" for stop in row["stops"])
        last = row["stops"][-1]
        lines.append(
            f"| {row['model']}, {row['parameters'] / 1e6:.2f}M | {positions} | {times} | {peaks} "
            f"| {last['state_mb']:.2f} | {row['tokens_per_cpu_s']:,.0f} |"
        )
    return "\n".join(lines)


def main(arguments: Arguments) -> None:
    """Measure each model, write what was found, and print the table."""
    torch.set_num_threads(1)
    rows = read_json(arguments.out)["rows"] if arguments.out.exists() else []
    for name in arguments.models:
        new = measure(name, arguments.tokens or TOKENS[name])
        rows = [row for row in rows if row["model"] != name] + [new]
        write_json(arguments.out, {"rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
