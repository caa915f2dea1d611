"""`TokenShards`: the documents of prepared shards as slices of memory-mapped files."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError
from titans_seq.experiment.provenance import file_hash

from .manifest import MANIFEST, PREPARE_ANEW, SPLITS, Manifest, Shard, Split, read_manifest


class TokenShards:
    """Give documents as arrays of tokens, by number, wherever they lie.

    Args:
        tokens: the tokens of each shard, an array [N] of integers, memory-mapped or not.
        ends: for each shard, int64 [D], rising: where its documents end.
        end_of_document: the token that stands for the end of a document, and before its first token.
        fingerprint: a text that is the same for the same tokens.

    Example:
        >>> shards = TokenShards.from_documents([[5, 6, 9], [7, 9]], end_of_document=9)
        >>> len(shards), shards.tokens, shards.lengths.tolist(), shards[1].tolist()
        (2, 5, [3, 2], [7, 9])
    """

    def __init__(
        self, tokens: Sequence[np.ndarray], ends: Sequence[np.ndarray], end_of_document: int, fingerprint: str
    ) -> None:
        self.end_of_document = end_of_document
        self.fingerprint = fingerprint
        self._tokens = list(tokens)
        self._ends = list(ends)
        self._first = np.concatenate([[0], np.cumsum([len(one) for one in ends], dtype=np.int64)])
        """Number of the first document of each shard, and of all documents."""
        self.lengths = np.concatenate([np.diff(one, prepend=0) for one in ends] or [np.zeros(0, np.int64)])
        """int64 [D], tokens of each document."""
        self.tokens = int(self.lengths.sum())
        """Number of tokens."""

    @classmethod
    def open(cls, folder: str | os.PathLike[str], split: Split = "train") -> "TokenShards":
        """Return the shards of one split in a folder that `prepare` wrote; only where documents end is read.

        A shard newer than the manifest, as a copied one may be, is read whole and compared with its hash.

        Raises:
            UserError: if the folder holds no whole shards, none of this split, or others than were prepared.

        Example:
            >>> import tempfile
            >>> from language import load_tokenizer, prepare
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     _ = Path(folder, "a.txt").write_text("To be")
            ...     _ = prepare([f"{folder}/a.txt"], load_tokenizer("bytes"), f"{folder}/shards")
            ...     TokenShards.open(f"{folder}/shards")[0].tolist()
            [84, 111, 32, 98, 101, 256]
        """
        folder = Path(folder)
        if split not in SPLITS:
            raise UserError(f"unknown split {split!r}: expected one of {', '.join(SPLITS)}")
        manifest = read_manifest(folder)
        if not manifest.complete:
            raise UserError(
                f"the shards in {folder} are not finished: run the same titans lm prepare command again, "
                "which goes on where it was stopped"
            )
        shards = manifest.of_split(split)
        if not shards:
            raise UserError(f"{folder} has no {split} split: prepare it with another --validation share")
        written = (folder / MANIFEST).stat().st_mtime
        opened = [open_shard(folder, shard, manifest, written) for shard in shards]
        fingerprint = hashlib.sha256(" ".join(shard.sha256 for shard in shards).encode()).hexdigest()
        tokens, ends = zip(*opened, strict=True)
        return cls(tokens, ends, manifest.tokenizer.end_of_document, fingerprint)

    @classmethod
    def from_documents(cls, documents: Sequence[Sequence[int] | np.ndarray], end_of_document: int) -> "TokenShards":
        """Return documents in memory as one shard.

        Args:
            documents: at least one token each; those that end have `end_of_document` as their last.
            end_of_document: see the class.

        Raises:
            UserError: if a document has no token.
        """
        arrays = [np.asarray(document, dtype=np.int64) for document in documents]
        empty = next((number for number, array in enumerate(arrays) if not len(array)), None)
        if empty is not None:
            raise UserError(f"document {empty} has no token: expected at least one; leave it out")
        tokens = np.concatenate([*arrays, np.zeros(0, np.int64)])
        ends = np.cumsum([len(array) for array in arrays], dtype=np.int64)
        fingerprint = hashlib.sha256(tokens.tobytes() + ends.tobytes()).hexdigest()
        return cls([tokens], [ends], end_of_document, fingerprint)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, document: int) -> np.ndarray:
        """The tokens of a document, [its length]: a slice of the shard, which nothing has read yet."""
        if not 0 <= document < len(self):
            raise IndexError(f"document {document} of {len(self)}")
        shard = int(np.searchsorted(self._first, document, side="right")) - 1
        number = document - self._first[shard]
        ends = self._ends[shard]
        return self._tokens[shard][(ends[number - 1] if number else 0) : ends[number]]

    def arrays(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the tokens [N] of each shard, end to end, and where its documents end, int64 [D]."""
        yield from zip(self._tokens, self._ends, strict=True)

    def order(self, seed: int, epoch: int, shuffle: bool) -> np.ndarray:
        """Return the numbers of the documents of an epoch, int64 [D], in the order in which they are read."""
        return np.random.default_rng([seed, epoch]).permutation(len(self)) if shuffle else np.arange(len(self))

    def draw(self, random: np.random.Generator, room: int) -> int:
        """Draw a document to fill `room` positions, so that every one is read in proportion to its tokens.

        A document of n tokens fills min(n, room) of them, and is drawn in proportion to max(n, room).
        """
        while (document := self.propose(random, room)) is None:
            pass
        return document

    def propose(self, random: np.random.Generator, room: int) -> int | None:
        """Draw a document as `draw` does, or None, which is to be drawn again.

        It is drawn in proportion to n + room, `positions` in all, for which the ends of the documents suffice, and
        taken with the chance max(n, room) / (n + room), which is at least 1/2.
        """
        if random.random() * self.positions(room) < self.tokens:
            document = int(np.searchsorted(self._token_ends, random.integers(self.tokens), side="right"))
        else:
            document = int(random.integers(len(self)))
        tokens = int(self.lengths[document])
        return document if random.random() * (tokens + room) < max(tokens, room) else None

    def positions(self, room: int) -> int:
        """Return how many tokens the documents have, and `room` more for each."""
        return self.tokens + len(self) * room

    @cached_property
    def _token_ends(self) -> np.ndarray:
        """int64 [D], tokens before the end of each document."""
        return np.cumsum(self.lengths)


def open_shard(folder: Path, shard: Shard, manifest: Manifest, written: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the tokens of one shard, memory-mapped, and where its documents end, compared with the manifest.

    Args:
        folder: of the shards.
        shard: one of the manifest's.
        manifest: of the folder.
        written: when the manifest was, in seconds.

    Raises:
        UserError: if the shard is missing, or not as it was prepared.
    """
    path = folder / f"{shard.name}.bin"
    dtype = np.dtype(manifest.dtype)
    try:
        size, expected = path.stat().st_size, shard.tokens * dtype.itemsize
        if size != expected:
            raise UserError(f"{path}: damaged, {size:,} bytes, expected {expected:,}: {PREPARE_ANEW}")
        # Reading all of it would take long: what is older than the manifest was not touched since.
        if path.stat().st_mtime > written and file_hash(path) != shard.sha256:
            raise UserError(f"{path}: its tokens are not those that were prepared: {PREPARE_ANEW}")
        tokens = np.memmap(path, dtype=dtype, mode="r")
        path = folder / f"{shard.name}.ends.npy"
        ends = np.load(path, allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(f"{path}: missing: restore it, or {PREPARE_ANEW}") from error
    except (ValueError, EOFError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: damaged ({error}): {PREPARE_ANEW}") from error
    if len(ends) != shard.documents or ends[-1] != shard.tokens or (np.diff(ends, prepend=0) < 1).any():
        raise UserError(f"{path}: damaged, it does not fit {shard.name}.bin: {PREPARE_ANEW}")
    return tokens, ends
