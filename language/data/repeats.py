"""Made-up streams whose spans come again, as token shards: what a memory learns to look up on before it reads text."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from titans_seq.errors import UserError
from titans_seq.experiment.provenance import installed_version
from titans_seq.locks import only_writer_of_new

from ..tokenizers import load_tokenizer
from .manifest import MANIFEST, Manifest, Settings, read_manifest, write_manifest
from .parts import ShardParts
from .shards import check_place, clear_leftovers

_SPAN, _FURTHEST, _COPIED = (4, 24), 1_024, 0.7
"""Tokens of a span, how far back one is copied from, and the share of spans that are copies."""
_PACKAGES = ("titans-seq", "numpy")


def repeats(tokens: int, length: int, vocabulary: int, end: int, seed: int) -> Iterator[np.ndarray]:
    """Yield streams of random tokens in which most spans stood before: only what was read tells how they go on.

    Spans have 4 to 24 tokens; seven of ten are copied from up to 1,024 tokens back, the nearer the likelier.

    Args:
        tokens: of all streams together; the last is filled up.
        length: tokens of a stream, at least 2.
        vocabulary: number of ids, at least 2.
        end: the id that ends a document, and each stream.
        seed: of everything random.

    Example:
        >>> made = list(repeats(200, 100, vocabulary=20, end=0, seed=0))
        >>> [len(stream) for stream in made], int(made[0][-1])
        ([100, 100], 0)
    """
    rng = np.random.default_rng(seed)
    others = np.delete(np.arange(vocabulary), end)
    for _ in range(-(-tokens // length)):
        stream = rng.choice(others, _SPAN[1]).tolist()
        while len(stream) < length:
            size = int(rng.integers(_SPAN[0], _SPAN[1] + 1))
            back = int(min(len(stream), np.exp(rng.uniform(np.log(size), np.log(_FURTHEST)))))
            begin = len(stream) - back
            copied = rng.random() < _COPIED and back >= size
            stream += stream[begin : begin + size] if copied else rng.choice(others, size).tolist()
        yield np.array([*stream[: length - 1], end])


def prepare_repeats(
    like: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    tokens: int = 400_000,
    length: int = 8_192,
    seed: int = 0,
    overwrite: bool = False,
) -> Manifest:
    r"""Write made-up repeats as one shard of training, with the tokenizer of other shards.

    Args:
        like: folder of the shards that a training is to go on with.
        out: the folder to write.
        tokens: see `repeats`; at least 1.
        length: tokens of a stream, at least 2.
        seed: of everything random, in [0, 2**64).
        overwrite: replace what shards the folder holds.

    Returns:
        What the folder holds.

    Raises:
        UserError: if a number is out of range, `like` holds no shards, or the folder holds other files, or shards
            without `overwrite`.

    Example:
        >>> import tempfile
        >>> from language import load_tokenizer, prepare
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.txt").write_text("To be, or not to be\n")
        ...     _ = prepare([f"{folder}/a.txt"], load_tokenizer("bytes"), f"{folder}/shards")
        ...     prepare_repeats(f"{folder}/shards", f"{folder}/repeats", tokens=500, length=100).tokens("train")
        500
    """
    if tokens < 1 or length < 2:
        raise UserError(f"expected at least 1 token and streams of at least 2, got {tokens} and {length}")
    folder, known = Path(out), read_manifest(Path(like))
    check_place(folder)
    with only_writer_of_new(folder):
        if (folder / MANIFEST).is_file() and not overwrite and read_manifest(folder).complete:
            raise UserError(f"{folder} holds shards: give another folder, or replace them with --overwrite")
        tokenizer = load_tokenizer(like)
        versions = {name: number for name in _PACKAGES if (number := installed_version(name)) is not None}
        begun = Manifest(known.tokenizer, Settings(seed=seed), (), known.dtype, versions)
        # From here on the folder is known as ours, whatever happens.
        write_manifest(folder, begun)
        part = ShardParts("train", known.dtype, folder)
        try:
            for stream in repeats(tokens, length, tokenizer.vocabulary, tokenizer.end_of_document, seed):
                part.write(stream)
                part.end_document()
            tokenizer.save(folder)
            manifest = replace(begun, shards=(part.save(folder, "train-00000"),), complete=True)
        finally:
            part.close()
        write_manifest(folder, manifest)
        clear_leftovers(folder, manifest, tokenizer)
    return manifest
