"""What packing buys: targets a CPU second in training, documents end to end against one document a segment.

    python -m benchmarks.packing                               # the tiny models, documents of 140 tokens on average
    python -m benchmarks.packing --models tiny-lmm --mean 1000 --length 1024

Documents are random tokens; their lengths are drawn from a log-normal distribution of spread 1, as lengths of texts
are. Both ways train the same model from the same weights on the same documents, with state carried (a transformer
without), forward, backward and optimiser's step. The two take turns, batch by batch; the time of a batch is the median
of the rounds, in CPU seconds on one thread.
"""

import itertools
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import tyro

from language.data.stream import IGNORED, SegmentStream
from language.data.token_shards import TokenShards
from language.training.config import training_preset
from language.training.module import CarryingLM, summed_loss
from titans_seq.models import CausalLM, language_model, map_state
from titans_seq.training.carry import begun_length, common_length

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
        rounds: of which the median counts, for each batch.
    """

    models: tuple[str, ...] = ("tiny-lmm", "tiny-mag", "tiny-mal", "tiny-mac", "tiny-window", "tiny-transformer")
    mean: int = 140
    length: int = 256
    rows: int = 8
    batches: int = 6
    rounds: int = 5


def made_up(documents: int, mean: int) -> TokenShards:
    """Return documents of random tokens whose lengths have about this mean."""
    random, end = np.random.default_rng(0), VOCABULARY - 1
    lengths = np.maximum(1, random.lognormal(np.log(mean) - 0.5, 1.0, documents).astype(int))
    return TokenShards.from_documents([[*random.integers(0, end, n - 1).tolist(), end] for n in lengths], end)


class Training:
    """A model in training, packed or not.

    Args:
        name: of the preset.
        shards: what is read.
        arguments: how.
        pack: whether documents lie end to end.
    """

    def __init__(self, name: str, shards: TokenShards, arguments: Arguments, pack: bool) -> None:
        torch.manual_seed(0)
        self._network = CarryingLM(CausalLM(language_model(name, VOCABULARY)))
        self._optimiser, mode = torch.optim.AdamW(self._network.parameters()), training_preset(name).batches.mode
        cut, begun = common_length(self._network), begun_length(self._network)
        stream = SegmentStream(shards, arguments.rows, arguments.length, mode=mode, pack=pack, cut=cut, begun=begun)
        self._batches, self._carry = list(itertools.islice(stream, arguments.batches + 1)), mode == "carry"
        self._state: Any = None
        self._seconds: list[list[float]] = [[] for _ in self._batches]

    def step(self, number: int) -> None:
        """Train on a batch; the first one begins anew."""
        began, batch = time.process_time(), self._batches[number]
        logits, state = self._network(batch, self._state if number else None, return_state=self._carry)
        self._state = map_state(state, torch.Tensor.detach)
        loss, count = summed_loss(logits, batch.targets)
        (loss / count.clamp(min=1)).backward()
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._seconds[number].append(time.process_time() - began)

    def result(self) -> tuple[float, float]:
        """Return targets a CPU second, but for the first batch, and which share of the positions they are."""
        counts = [(batch.targets != IGNORED).sum().item() for batch in self._batches[1:]]
        positions = sum(batch.targets.numel() for batch in self._batches[1:])
        return sum(counts) / sum(map(statistics.median, self._seconds[1:])), sum(counts) / positions


def main(arguments: Arguments) -> None:
    """Measure, and print a line a model."""
    torch.set_num_threads(1)
    shards = made_up((arguments.batches + 2) * arguments.rows * arguments.length * 4 // arguments.mean, arguments.mean)
    print("| model | targets a CPU second, packed | one document a segment | ratio | targets of the positions |")
    print("|---|---:|---:|---:|---:|")
    for name in arguments.models:
        trainings = [Training(name, shards, arguments, pack) for pack in (True, False)]
        for _, number in itertools.product(range(arguments.rounds), range(arguments.batches + 1)):
            for training in trainings:
                training.step(number)
        (packed, _), (padded, share) = (training.result() for training in trainings)
        print(f"| {name} | {packed:,.0f} | {padded:,.0f} | {packed / padded:.2f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main(tyro.cli(Arguments, description=__doc__))
