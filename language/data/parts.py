"""The tokens of one split that wait to be written as a shard, on disk once they are many."""

import hashlib
import tempfile
from array import array
from pathlib import Path
from typing import NamedTuple

import numpy as np

from titans_seq.files import atomic_path, naming

from .manifest import Shard, Split

_IN_MEMORY = 1 << 24
_BLOCK = 1 << 20


class Mark(NamedTuple):
    """How far the parts of a split were."""

    at: int
    documents: int
    text_bytes: int


class ShardParts:
    """Gather the documents of one split between two shards.

    Args:
        split: they belong to.
        dtype: of the tokens.
        folder: of the shards, which may not exist yet; a temporary file lies beside it.
    """

    def __init__(self, split: Split, dtype: str, folder: Path) -> None:
        self.split: Split = split
        self.dtype = dtype
        self._nearest = next(parent for parent in folder.resolve().parents if parent.is_dir())
        self._tokens = tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(self._nearest))
        self._ends = array("q")
        self._text_bytes = self._at = 0

    def __bool__(self) -> bool:
        return bool(self._ends)

    def write(self, tokens: np.ndarray, text_bytes: int = 0) -> None:
        """Add tokens to the document that is being written."""
        with naming(self._nearest):
            self._tokens.write(np.ascontiguousarray(tokens, self.dtype).data)
        self._at += len(tokens)
        self._text_bytes += text_bytes

    def end_document(self) -> None:
        """Make one document of the tokens written since the last, if there are any."""
        if self._at > (self._ends[-1] if self._ends else 0):
            self._ends.append(self._at)

    def mark(self) -> Mark:
        """Return where to go back to."""
        return Mark(self._at, len(self._ends), self._text_bytes)

    def go_back(self, mark: Mark) -> None:
        """Forget what was written since then."""
        self._at, documents, self._text_bytes = mark
        del self._ends[documents:]
        self._tokens.seek(self._at * np.dtype(self.dtype).itemsize)
        self._tokens.truncate()

    def save(self, folder: Path, name: str) -> Shard:
        """Write the documents as one shard, and forget them."""
        digest = hashlib.sha256()
        self._tokens.seek(0)
        with atomic_path(folder / f"{name}.bin") as temporary, temporary.open("wb") as stream:
            while block := self._tokens.read(_BLOCK):
                stream.write(block)
                digest.update(block)
        ends = np.array(self._ends, dtype="<i8")
        with atomic_path(folder / f"{name}.ends.npy") as temporary:
            np.save(temporary, ends, allow_pickle=False)
        shard = Shard(name, self.split, len(ends), int(ends[-1]), self._text_bytes, digest.hexdigest())
        self.go_back(Mark(0, 0, 0))
        return shard

    def close(self) -> None:
        """Remove the temporary file."""
        self._tokens.close()
