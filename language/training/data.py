"""Loaders of token shards, made when the trainer knows its processes."""

from collections.abc import Iterator, Mapping
from typing import Any

import lightning.pytorch as pl

from ..data.stream import SegmentBatch, SegmentStream
from ..data.token_shards import TokenShards
from .config import PretrainConfig


class RunLoader:
    """The batches of a whole run, over as many epochs of the stream as it takes; saved and resumed by Lightning.

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
        """Where the stream stands."""
        return self._stream.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; see `SegmentStream.load_state_dict`."""
        self._stream.load_state_dict(state)


class _FirstBatches:
    """The same first batches of a stream in every round."""

    def __init__(self, stream: SegmentStream, batches: int) -> None:
        self._stream, self._batches = stream, batches

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[SegmentBatch]:
        return (self._stream.batch_at(0, step) for step in range(self._batches))


class SegmentData(pl.LightningDataModule):
    """The training and validation segments of a run, this process's share of them.

    Args:
        config: the run.
        train: what is trained on.
        validation: what is validated on; None for no validation.

    Raises:
        UserError: once the processes are known, if a step's tokens cannot be shared out among them.
    """

    def __init__(self, config: PretrainConfig, train: TokenShards, validation: TokenShards | None) -> None:
        super().__init__()
        self._config, self._train, self._validation = config, train, validation

    def train_dataloader(self) -> RunLoader:
        """The batches of the whole run."""
        batches = self._config.steps * self._config.batches.accumulate(self._trainer().world_size)
        return RunLoader(self._stream(self._train, shuffle=True), batches)

    def val_dataloader(self) -> _FirstBatches | list[Any]:
        """The batches of one validation, in the order of the shards; none without validation data."""
        if self._validation is None:
            return []
        stream = self._stream(self._validation, shuffle=False)
        return _FirstBatches(stream, min(self._config.records.validation_batches or len(stream), len(stream)))

    def _stream(self, shards: TokenShards, shuffle: bool) -> SegmentStream:
        batches = self._config.batches
        return SegmentStream(
            shards,
            batches.rows,
            batches.length,
            seed=self._config.seed,
            mode=batches.mode if shuffle else "carry",
            shuffle=shuffle,
            rank=self._trainer().global_rank,
            world=self._trainer().world_size,
        )

    def _trainer(self) -> pl.Trainer:
        if self.trainer is None:
            raise RuntimeError("the data of a run is read by a trainer: give this module to one")
        return self.trainer
