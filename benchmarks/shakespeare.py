"""tiny-shakespeare by characters: LMM, MAC, MAG and MAL, each against itself without memory, and a transformer.

    python -m benchmarks.shakespeare                              # every row that is not there yet, three seeds
    python -m benchmarks.shakespeare --models lmm lmm-no-memory --seeds 0 --steps 100 --out /tmp/rows.jsonl
    python -m benchmarks.shakespeare --time                       # a training step of each, in turn

All models have 0.8 million parameters, see the same 2,000 batches of three windows of 256 characters, and are scored on
the whole validation split (its last tenth) in windows of 256, with the same optimiser. `-no-memory` is the same model,
parameter by parameter, whose memory never learns.
"""

import functools
import statistics
import sys
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import torch.nn.functional as F
import tyro
from torch import Tensor, nn

from benchmarks.provenance import provenance
from benchmarks.results_file import read_json, write_json
from language.tokenizers import CharacterTokenizer
from language.trials.models import NO_MEMORY, without_memory, without_slow_weights
from titans_seq.blocks import BlockConfig
from titans_seq.errors import UserError
from titans_seq.experiment.optimiser import build_optimiser
from titans_seq.experiment.rows import row_of
from titans_seq.experiment.settings import OptimiserConfig
from titans_seq.jsonl import read_rows
from titans_seq.models import CausalLM, CausalLMConfig, count_parameters, language_model, sized
from titans_seq.tables import span

HERE = Path(__file__).resolve().parent
RESULTS, TIMES = HERE / "results" / "shakespeare.jsonl", HERE / "results" / "shakespeare_time.json"
DATA = HERE.parents[1] / "shared" / "data" / "text" / "tinyshakespeare.txt"

PARAMETERS, LENGTH, BATCH, STEPS = 800_000, 256, 3, 2_000
ROUNDS = 9
"""Of steps that are timed."""
# The settings of the runs that ours are held against.
OPTIMISER = OptimiserConfig(lr=1e-3, least=0.1, warmup=100, betas=(0.9, 0.99), weight_decay=0.1, clip=1.0)
VARIANTS = ("transformer", "lmm", "mac", "mag", "mal")
MODELS = (*VARIANTS, *(f"{name}{NO_MEMORY}" for name in VARIANTS[1:]))


@dataclass(frozen=True)
class Arguments:
    """Train and score what has no row yet.

    Args:
        models: which.
        seeds: of weights and batches.
        steps: of training.
        out: rows, one JSON object a line; with --time its JSON. Those of the results if not given.
        data: the text.
        time: instead, take the time of a training step of each variant, in turn.
    """

    models: tuple[str, ...] = MODELS
    seeds: tuple[int, ...] = (0, 1, 2)
    steps: int = STEPS
    out: Path | None = None
    data: Path = DATA
    time: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False


def blocks(name: str) -> tuple[BlockConfig, ...]:
    """The blocks that a model's four repeat.

    MAC works through its segments one after the other, in small pieces: one block of four has the memory, as in the
    implementation it is compared with, and the others attend to a window as long as its segments.
    """
    # Each window begins anew: 256 characters forget little of what slow weights would keep.
    first = tuple(map(without_slow_weights, language_model(f"tiny-{name}").blocks))
    return first if name != "mac" else first + language_model("tiny-window").blocks * 3


def model_config(name: str, vocabulary: int) -> CausalLMConfig:
    """A model of the benchmark by name."""
    if name not in MODELS:
        raise UserError(f"unknown model {name!r}: expected one of {', '.join(MODELS)}")
    variant = name.removesuffix(NO_MEMORY)
    config = replace(language_model(f"tiny-{variant}", vocabulary), blocks=blocks(variant))
    if name != variant:
        config = replace(config, blocks=tuple(map(without_memory, config.blocks)))
    return sized(config, PARAMETERS)


@dataclass(frozen=True)
class Text:
    """The characters of a text, the last tenth for validation."""

    vocabulary: int
    train: Tensor
    validation: Tensor

    @classmethod
    def read(cls, path: Path) -> "Text":
        """Read and split a text.

        Raises:
            UserError: if there is none.
        """
        if not path.exists():
            raise UserError(f"{path}: no such file: give the text of tiny-shakespeare with --data")
        text = path.read_text(encoding="utf-8")
        tokenizer = CharacterTokenizer.build([text])
        ids = torch.tensor(tokenizer.encode(text))
        cut = len(ids) * 9 // 10
        return cls(tokenizer.vocabulary, ids[:cut], ids[cut:])

    def batches(self, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Random windows of the training part and what follows each character, for ever."""
        generator = torch.Generator().manual_seed(seed)
        while True:
            starts = torch.randint(len(self.train) - LENGTH - 1, (BATCH, 1), generator=generator)
            windows = self.train[starts + torch.arange(LENGTH + 1)]
            yield windows[:, :-1], windows[:, 1:]


def train_step(model: nn.Module, ids: Tensor, targets: Tensor, optimiser: torch.optim.Optimizer) -> float:
    """One step; returns the loss."""
    logits, _ = model(ids, return_state=False)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), OPTIMISER.clip)
    optimiser.step()
    return loss.item()


@torch.inference_mode()
def validation_loss(model: nn.Module, ids: Tensor, length: int = LENGTH) -> float:
    """Mean loss in nats over windows that do not overlap; what does not fill the last one is left out."""
    count = (len(ids) - 1) // length
    inputs, targets = (ids[first : first + count * length].view(count, length) for first in (0, 1))
    rows, total = max(1, 32 * LENGTH // length), 0.0
    for part, expected in zip(inputs.split(rows), targets.split(rows), strict=True):
        logits, _ = model(part, return_state=False)
        total += F.cross_entropy(logits.flatten(0, 1), expected.flatten(), reduction="sum").item()
    return total / targets.numel()


def train(
    config: CausalLMConfig, seed: int, steps: int, text: Text, say: Callable[[str], None]
) -> tuple[CausalLM, list[float]]:
    """Train a model; return it and the loss of every step."""
    torch.manual_seed(seed)
    network = CausalLM(config)
    optimiser, schedule = build_optimiser(network, OPTIMISER, steps)
    losses = []
    for step, (ids, targets) in zip(range(1, steps + 1), text.batches(seed), strict=False):
        losses.append(train_step(network, ids, targets, optimiser))
        schedule.step()
        if step % 100 == 0:
            say(f"step {step}: loss {statistics.fmean(losses[-100:]):.3f}")
    return network, losses


def run(model: str, seed: int, steps: int, text: Text, say: Callable[[str], None]) -> dict[str, object]:
    """Train one model and return what its row says of it."""
    config, began = model_config(model, text.vocabulary), time.process_time()
    network, losses = train(config, seed, steps, text, lambda line: say(f"{model}, seed {seed}, {line}"))
    seconds = time.process_time() - began
    loss = validation_loss(network, text.validation)
    say(f"{model}, seed {seed}: validation {loss:.4f}, {seconds:.0f} CPU s")
    return {
        "parameters": count_parameters(config),
        "training_loss": statistics.fmean(losses[-100:]),
        "validation_loss": loss,
        "cpu_seconds": round(seconds, 1),
        "measured": provenance(),
    }


def step_times(text: Text) -> dict[str, object]:
    """Processor time of a training step of each variant, one after the other, in every round."""
    turns = {}
    for name in VARIANTS:
        model = CausalLM(model_config(name, text.vocabulary))
        turns[name] = (model, build_optimiser(model, OPTIMISER, STEPS)[0])
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for number, (ids, targets) in zip(range(ROUNDS + 1), text.batches(0), strict=False):
        for name, (model, optimiser) in turns.items():
            began = time.process_time()
            train_step(model, ids, targets, optimiser)
            if number:  # the first round warms up
                times[name].append(time.process_time() - began)
    base = times["transformer"]
    return {
        "rounds": ROUNDS,
        "milliseconds": {name: 1e3 * statistics.median(taken) for name, taken in times.items()},
        "times_transformer": {
            name: statistics.median(mine / other for mine, other in zip(taken, base, strict=True))
            for name, taken in times.items()
        },
        "measured": provenance(),
    }


def table(rows: list[dict], times: dict[str, float], steps: int = STEPS) -> str:
    """The results of trainings of so many steps, one line a model."""
    lines = [
        "| model | validation loss, mean and range of seeds | without memory | gain, same seeds | training step |",
        "|---|---|---|---|---|",
    ]
    found: dict[str, dict[int, float]] = {}
    for row in sorted(rows, key=lambda row: row["seed"]):
        if row["steps"] == steps:
            found.setdefault(row["model"], {})[row["seed"]] = row["validation_loss"]
    for name in VARIANTS:
        if name not in found:
            continue
        mine, off = found[name], found.get(f"{name}{NO_MEMORY}", {})
        gains = [off[seed] - mine[seed] for seed in mine.keys() & off.keys()]
        gain = f"{statistics.fmean(gains):.3f}" if gains else "-"
        cost = f"x {times[name]:.2f}" if name in times else "-"
        lines.append(f"| {name} | {_spread(mine.values())} | {_spread(off.values())} | {gain} | {cost} |")
    return "\n".join(lines)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _spread(losses: Collection[float]) -> str:
    if len(losses) == 1:
        return f"{span(list(losses))} (1 seed)"
    return span(list(losses)).replace(")", f", {len(losses)} seeds)")


def main(arguments: Arguments) -> None:
    """Run what is missing, and print the table."""
    torch.set_num_threads(1)
    text = Text.read(arguments.data)
    rows, times = RESULTS, TIMES
    if arguments.time:
        times = arguments.out or TIMES
        write_json(times, step_times(text))
    else:
        rows = arguments.out or RESULTS
        for seed in arguments.seeds:
            for name in arguments.models:
                identity = {"model": name, "seed": seed, "steps": arguments.steps}
                row_of(rows, identity, functools.partial(run, **identity, text=text, say=_say))
    taken = read_json(times)["times_transformer"] if times.exists() else {}
    print(table(read_rows(rows), taken, arguments.steps))


if __name__ == "__main__":
    try:
        main(tyro.cli(Arguments, description=__doc__))
    except UserError as error:
        sys.exit(f"error: {error}")
