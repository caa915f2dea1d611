"""Loaders of token shards for a whole run and for a validation."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..data.mixture import Mixture
from ..data.stream import SegmentBatch, SegmentStream
from ..data.token_shards import TokenShards
from .config import BatchConfig, PretrainConfig


class RunLoader:
    """Yield the batches of a whole run, over as many epochs of the stream as it takes; Lightning resumes it.

    Args:
        stream: the batches.
        batches: of the run; the length that Lightning sees, so that it fetches none in advance.
    """

    def __init__(self, stream: SegmentStream, batches: int) -> None:
        self._stream, self._batches = stream, batches

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[SegmentBatch]:
        while True:
            yield from self._stream

    def state_dict(self) -> dict[str, Any]:
        """Return where the stream stands."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; see `SegmentStream.load_state_dict`."""
        self._stream.load_state_dict(state)


class FirstBatches:
    """Yield the same first batches of a stream in every round.

    Args:
        stream: the batches, in the order of the shards.
        batches: most of them; None for all.
    """

    def __init__(self, stream: SegmentStream, batches: int | None) -> None:
        self._stream, self._batches = stream, min(batches or len(stream), len(stream))

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[SegmentBatch]:
        return (self._stream.batch_at(0, step) for step in range(self._batches))


def training_stream(
    config: PretrainConfig, shards: TokenShards | Mixture, rank: int = 0, world: int = 1, **cuts: int
) -> SegmentStream:
    """Return the batches that one of several processes trains on; `cut` and `begun` as in `SegmentStream`."""
    order = {"seed": config.seed, "mode": config.batches.mode}
    return _stream(config.batches, shards, rank=rank, world=world, **cuts, **order)


def validation_stream(
    config: PretrainConfig, shards: TokenShards | Mixture, rank: int = 0, world: int = 1, **cuts: int
) -> SegmentStream:
    """Return the batches that one of several processes validates on: documents read through, in their order."""
    return _stream(config.batches, shards, rank=rank, world=world, **cuts, seed=config.seed, shuffle=False)


def _stream(batches: BatchConfig, shards: TokenShards | Mixture, *, world: int, **settings: Any) -> SegmentStream:
    rows = batches.rows_of(world)
    return SegmentStream(shards, rows, batches.length, pack=batches.pack, world=world, **settings)


def steps_of_an_epoch(config: PretrainConfig, shards: TokenShards | Mixture, processes: int) -> int:
    """Return the optimiser steps that read some shards once, at least 1."""
    batches = len(training_stream(config, shards, world=processes))
    return max(
        1, batches * config.batches.rows_of(processes) * config.batches.length * processes // config.batches.tokens
    )
