"""`Mixture`: several token shards read as one, each with a share of the tokens."""

import hashlib
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError

from .manifest import Split, read_manifest
from .token_shards import TokenShards


class Mixture:
    """Mix the documents of several shards, of which each gives a fixed share of the tokens.

    An epoch has as many tokens as the shards together, up to whole documents. Each of the shards goes through its own
    documents in a new order time after time, wherever the epochs of the mixture end, so that over a run all documents
    of one of them are read equally often. Within an epoch the shares are kept from document to document.

    Args:
        parts: the shards; all have the same `end_of_document`.
        weights: one for each, above 0; only their ratios count.

    Raises:
        UserError: if there are none, a weight is out of range, or the shards do not belong together.

    Example:
        >>> part = TokenShards.from_documents([[1, 9], [2, 9]], end_of_document=9)
        >>> other = TokenShards.from_documents([[5, 9]] * 4, end_of_document=9)
        >>> mixture = Mixture([part, other], weights=[2, 1])
        >>> [mixture[document].tolist()[0] for document in mixture.order(seed=0, epoch=0, shuffle=False)]
        [1, 5, 2, 1, 5, 2]
    """

    def __init__(self, parts: Sequence[TokenShards], weights: Sequence[float]) -> None:
        if not parts or len(parts) != len(weights):
            raise UserError(f"a mixture needs one weight for each of its shards, got {len(weights)} for {len(parts)}")
        check_weights(weights)
        if any(not part.tokens for part in parts):
            raise UserError("one of the shards of a mixture holds no token: leave it out")
        if len({part.end_of_document for part in parts}) > 1:
            raise UserError("the shards of a mixture were made with different tokenizers: prepare them with the same")
        self.parts = tuple(parts)
        self.weights = tuple(weight / sum(weights) for weight in weights)
        """Share of each of the shards, which sum to 1."""
        self.end_of_document = parts[0].end_of_document
        self.lengths = np.concatenate([part.lengths for part in parts])
        """int64 [D], tokens of each document."""
        self.tokens = int(self.lengths.sum())
        """Number of tokens of the shards together."""
        names = [f"{part.fingerprint} {weight!r}" for part, weight in zip(parts, self.weights, strict=True)]
        self.fingerprint = hashlib.sha256(" ".join(names).encode()).hexdigest()
        self._first = np.cumsum([0, *(len(part) for part in parts)])

    @classmethod
    def open(
        cls, folders: Sequence[str | os.PathLike[str]], weights: Sequence[float], split: Split = "train"
    ) -> "Mixture":
        """Return the mixture of one split of several folders that `prepare` wrote.

        Raises:
            UserError: see `TokenShards.open` and the class; or if the folders' tokenizers differ.
        """
        parts = [TokenShards.open(folder, split) for folder in folders]
        tokenizers = [read_manifest(Path(folder)).tokenizer for folder in folders]
        other = next((number for number, one in enumerate(tokenizers) if one != tokenizers[0]), None)
        if other is not None:
            raise UserError(
                f"the shards in {folders[other]} were made with another tokenizer than those in {folders[0]}: prepare "
                "them with the same"
            )
        return cls(parts, weights)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, document: int) -> np.ndarray:
        """The tokens of a document, [its length], see `TokenShards`."""
        if not 0 <= document < len(self):
            raise IndexError(f"document {document} of {len(self)}")
        part = int(np.searchsorted(self._first, document, side="right")) - 1
        return self.parts[part][document - int(self._first[part])]

    def order(self, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
        """Return the numbers of the documents of an epoch, int64 [D'], in the order in which they are read."""
        documents, times = [], []
        for number, (part, weight) in enumerate(zip(self.parts, self.weights, strict=True)):
            share = weight * self.tokens
            own, begins = _stretch(part, [seed, number], shuffle, epoch * share, (epoch + 1) * share)
            documents.append(own + self._first[number])
            times.append(begins / weight)
        # Of documents that are due at the same time, the one of the earlier shards comes first.
        return np.concatenate(documents)[np.argsort(np.concatenate(times), kind="stable")]

    def shares_read(self, seed: int) -> np.ndarray:
        """Return the share of the tokens of each of the shards in the first epoch, float64 [parts].

        It reads whole documents, so that few long ones of a part may be more than the part's weight says.

        Example:
            >>> part = TokenShards.from_documents([[1] * 30], end_of_document=1)
            >>> Mixture([part, part], weights=[9, 1]).shares_read(seed=0).round(2).tolist()
            [0.67, 0.33]
        """
        order = self.order(seed, 0, shuffle=True)
        parts = np.searchsorted(self._first, order, side="right") - 1
        tokens = np.bincount(parts, self.lengths[order], len(self.parts))
        return tokens / tokens.sum()

    def draw(self, random: np.random.Generator, room: int) -> int:
        """Draw a document to fill `room` positions, so that every one of the shards has its share of what is read.

        A document of n tokens is drawn in proportion to max(n, room), as `TokenShards.draw` does, times the weight of
        its shards a token.
        """
        pairs = zip(self.parts, self.weights, strict=True)
        ends = np.cumsum([weight * part.positions(room) / part.tokens for part, weight in pairs])
        while True:
            number = min(int(np.searchsorted(ends, random.random() * ends[-1], side="right")), len(self.parts) - 1)
            if (document := self.parts[number].propose(random, room)) is not None:
                return int(self._first[number]) + document


def check_weights(weights: Sequence[float]) -> None:
    """Refuse shares that are not above 0."""
    if not all(math.isfinite(weight) and weight > 0 for weight in weights):
        raise UserError(f"the weights of a mixture must be above 0, got {', '.join(map(str, weights))}")


def _stretch(
    part: TokenShards, seed: list[int], shuffle: bool, first: float, end: float
) -> tuple[np.ndarray, np.ndarray]:
    """The documents that begin in [first, end) tokens of the shards read over and over, and where each begins."""
    documents, begins = [], []
    for turn in range(int(first // part.tokens), math.ceil(end / part.tokens)):
        order = np.random.default_rng([*seed, turn]).permutation(len(part)) if shuffle else np.arange(len(part))
        start = turn * part.tokens + np.cumsum(part.lengths[order]) - part.lengths[order]
        kept = (start >= first) & (start < end)
        documents.append(order[kept])
        begins.append(start[kept])
    return np.concatenate(documents), np.concatenate(begins)
