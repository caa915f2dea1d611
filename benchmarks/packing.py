"""What packing buys: targets a CPU second in training, documents end to end against one document a segment.

    python -m benchmarks.packing                               # the tiny models, documents of 140 tokens on average
    python -m benchmarks.packing --models tiny-lmm --mean 1000 --length 1024

Documents are random tokens; their lengths are drawn from a log-normal distribution of spread 1, as lengths of texts
are. Both ways train the same model from the same weights on the same documents, with state carried (a transformer
without), forward, backward and optimiser's step; the time is CPU time on one thread, the best of the rounds.
"""

import time
from dataclasses import dataclass

import numpy as np
import torch
import tyro

from language.data.stream import SegmentStream
from language.data.token_shards import TokenShards
from language.training.config import training_preset
from language.training.module import CarryingLM, summed_loss
from titans_seq.models import CausalLM, language_model, map_state
from titans_seq.training.carry import common_length

VOCABULARY = 256


@dataclass(frozen=True)
class Arguments:
    """Print targets a second, packed and not, and their ratio.

    Args:
        models: names of presets.
        mean: tokens of a document, on average.
        length: tokens of a segment.
        rows: segments of a batch.
        batches: timed in a round, after one that is not.
        rounds: of which the fastest counts.
    """

    models: tuple[str, ...] = ("tiny-lmm", "tiny-mag", "tiny-mal", "tiny-mac", "tiny-window", "tiny-transformer")
    mean: int = 140
    length: int = 256
    rows: int = 8
    batches: int = 6
    rounds: int = 2


def made_up(documents: int, mean: int) -> TokenShards:
    """Return documents of random tokens whose lengths have about this mean."""
    random, end = np.random.default_rng(0), VOCABULARY - 1
    lengths = np.maximum(1, random.lognormal(np.log(mean) - 0.5, 1.0, documents).astype(int))
    return TokenShards.from_documents([[*random.integers(0, end, n - 1).tolist(), end] for n in lengths], end)


def targets_per_second(name: str, shards: TokenShards, arguments: Arguments, pack: bool) -> tuple[float, float]:
    """Return targets a CPU second, and which share of the positions they are."""
    torch.manual_seed(0)
    network = CarryingLM(CausalLM(language_model(name, VOCABULARY)))
    optimiser, mode = torch.optim.AdamW(network.parameters()), training_preset(name).batches.mode
    cut = common_length(network)
    stream = SegmentStream(shards, arguments.rows, arguments.length, mode=mode, pack=pack, cut=cut)
    state, best, share = None, 0.0, 0.0
    batches = [batch for _, batch in zip(range(arguments.batches + 1), stream, strict=False)]
    for _ in range(arguments.rounds):
        began, targets, positions = 0.0, 0, 0
        for number, batch in enumerate(batches):
            began = time.process_time() if number == 1 else began
            logits, state = network(batch, state if number else None, return_state=mode == "carry")
            state = map_state(state, torch.Tensor.detach)
            loss, count = summed_loss(logits, batch.targets)
            (loss / count.clamp(min=1)).backward()
            optimiser.step()
            optimiser.zero_grad()
            targets += int(count) if number else 0
            positions += batch.targets.numel() if number else 0
        best = max(best, targets / (time.process_time() - began))
        share = targets / positions
    return best, share


def main(arguments: Arguments) -> None:
    """Measure, and print a line a model."""
    torch.set_num_threads(1)
    shards = made_up((arguments.batches + 2) * arguments.rows * arguments.length * 4 // arguments.mean, arguments.mean)
    print("| model | targets a CPU second, packed | one document a segment | ratio | targets of the positions |")
    print("|---|---:|---:|---:|---:|")
    for name in arguments.models:
        (packed, _), (padded, share) = (targets_per_second(name, shards, arguments, pack) for pack in (True, False))
        print(f"| {name} | {packed:,.0f} | {padded:,.0f} | {packed / padded:.2f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
