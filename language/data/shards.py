"""`prepare`: text files to a folder of token shards, in steps that a killed run can go on from."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from titans_seq.errors import UserError
from titans_seq.experiment.provenance import installed_version
from titans_seq.files import atomic_path

from ..tokenizers import Tokenizer
from .documents import ReadOptions, find_files, read_file
from .formats import Document
from .manifest import (
    MANIFEST,
    SPLITS,
    Manifest,
    Settings,
    Shard,
    Source,
    Split,
    describe_changes,
    read_manifest,
    write_manifest,
)
from .progress import ShowProgress

_UINT16_IDS = 1 << 16
_OUR_FILES = re.compile(
    r"(train|validation)-\d{5,}\.(bin|ends\.npy)|tokenizer\.(yaml|json|model)|characters\.json"
    # The names of `atomic_path` while it writes one of these.
    r"|\.((train|validation)-\d{5,}(\.ends)?|tokenizer|characters|manifest)\.\w+\.(bin|npy|yaml|json|model)"
)
_PACKAGES = ("titans-seq", "numpy", "tokenizers", "sentencepiece")


def prepare(
    inputs: Iterable[str | os.PathLike[str]],
    tokenizer: Tokenizer,
    out: str | os.PathLike[str],
    *,
    validation: float = 0.0,
    split_by: Literal["document", "position"] = "document",
    seed: int = 0,
    field: str = "text",
    separator: str | None = None,
    shard_tokens: int = 50_000_000,
    overwrite: bool = False,
    progress: bool = False,
) -> Manifest:
    r"""Turn text files into a folder of memory-mapped token shards with document boundaries.

    A document becomes the tokens of its text and `end_of_document`. Documents stay whole and in the order of the
    input; a shard holds a run of them, training and validation in files of their own. Documents without text are left
    out. A document has to fit in memory, and so has one shard; the corpus has not.

    A run that was stopped goes on after its last finished shard when it is called again in the same way, and the
    files come out the same, byte by byte. A finished folder is left as it is.

    Args:
        inputs: files and folders: text (.txt and others, also .gz), JSON Lines (.jsonl, .jsonl.gz), Parquet.
        tokenizer: saved in the folder too, so that `load_tokenizer(out)` gives it back.
        out: the folder to write.
        validation: share of the text for validation, in [0, 1].
        split_by: "document" gives whole documents to validation, each by a hash of its text and the seed, so that
            equal documents go the same way. "position" cuts every document in two, the last part being for
            validation; it is counted in characters, as nanoGPT does for its one file, and the first part then has no
            `end_of_document`, because the document goes on.
        seed: of the choice by document.
        field: JSON field or Parquet column that holds the text.
        separator: line of a text file that stands between two documents; None makes each text file one.
        shard_tokens: a shard is closed when it has at least so many tokens.
        overwrite: replace what shards the folder holds.
        progress: show a bar on standard error.

    Returns:
        What the folder holds.

    Raises:
        UserError: if an input is missing, damaged, empty or not UTF-8; if the folder holds other files, or shards of
            other inputs, settings or another tokenizer; or if one of the splits came out empty.
        OSError: if the folder cannot be written to.

    Example:
        >>> import tempfile
        >>> from language.tokenizers import ByteTokenizer
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.txt").write_text("To be, or not to be\n")
        ...     manifest = prepare([f"{folder}/a.txt"], ByteTokenizer(), f"{folder}/shards", validation=0.25,
        ...                        split_by="position")
        >>> manifest.tokens("train"), manifest.tokens("validation")
        (15, 6)
    """
    settings = Settings(field, separator, validation, split_by, seed, shard_tokens)
    paths = find_files(inputs)
    folder = Path(out)
    planned = Manifest(
        tokenizer=tokenizer.info,
        settings=settings,
        sources=tuple(Source.of(path) for path in paths),
        dtype="<u2" if tokenizer.vocabulary <= _UINT16_IDS else "<u4",
        versions={name: number for name in _PACKAGES if (number := installed_version(name)) is not None},
    )
    manifest = _claim(folder, planned, overwrite)
    if manifest.complete:
        return manifest
    with ShowProgress(manifest.sources) if progress else nullcontext() as shown:
        manifest = _write_shards(folder, manifest, paths, tokenizer, shown)
    _clear_leftovers(folder, manifest, tokenizer)
    return manifest


def _claim(folder: Path, planned: Manifest, overwrite: bool) -> Manifest:
    """The manifest to go on from: that of an earlier run of the same plan, or the plan itself."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: give the name of a new folder for the shards")
    if not (folder / MANIFEST).is_file():
        if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise UserError(f"{folder} holds other files and no token shards: give the name of a new or empty folder")
        return planned
    if overwrite:
        return planned
    earlier = read_manifest(folder)
    changes = describe_changes(earlier, planned)
    if changes:
        state = "holds shards" if earlier.complete else "holds the shards of an unfinished run"
        raise UserError(
            f"{folder} {state} that were made in another way: {'; '.join(changes)}: give another folder, or replace "
            "them with --overwrite (overwrite=True)"
        )
    return earlier


class _Parts:
    """The documents of one split that wait to be written as a shard."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.arrays: list[np.ndarray] = []
        self.text_bytes = 0

    def add(self, tokens: np.ndarray, ends: bool, end_of_document: int, text_bytes: int) -> int:
        """Add a document, or a part of one that `ends` or does not, and return its number of tokens."""
        length = len(tokens) + ends
        if length:
            array = np.empty(length, self.dtype)
            array[: len(tokens)] = tokens
            array[len(tokens) :] = end_of_document
            self.arrays.append(array)
            self.text_bytes += text_bytes
        return length


def _no_parts(dtype: str) -> dict[Split, _Parts]:
    return {split: _Parts(dtype) for split in SPLITS}


def _write_shards(
    folder: Path, manifest: Manifest, paths: list[Path], tokenizer: Tokenizer, shown: ShowProgress | None
) -> Manifest:
    """Write all shards that `manifest` does not have yet, and the manifest after each of them."""
    settings = manifest.settings
    parts, waiting = _no_parts(manifest.dtype), 0
    for source, number, document in _remaining(manifest, paths):
        if document.empty:
            manifest = replace(manifest, empty_documents=manifest.empty_documents + 1)
            continue
        added = _add(document, tokenizer, settings, parts)
        waiting += added
        if shown is not None:
            shown.advance(source, document.read, added)
        if waiting >= settings.shard_tokens:
            after = replace(manifest, next_source=source, next_document=number + 1)
            manifest = _finish(folder, after, parts, tokenizer)
            parts, waiting = _no_parts(manifest.dtype), 0
    _check_splits(manifest, parts)
    after = replace(manifest, next_source=len(paths), next_document=0, complete=True)
    return _finish(folder, after, parts, tokenizer)


def _remaining(manifest: Manifest, paths: list[Path]) -> Iterator[tuple[int, int, Document]]:
    """The documents that are in no shard yet, each behind the number of its file and its own number in it."""
    options = ReadOptions(manifest.settings.field, manifest.settings.separator)
    first = manifest.next_document
    for source in range(manifest.next_source, len(paths)):
        documents = islice(read_file(paths[source], options), first, None)
        for number, document in enumerate(documents, start=first):
            yield source, number, document
        first = 0


def _add(document: Document, tokenizer: Tokenizer, settings: Settings, parts: dict[Split, _Parts]) -> int:
    """Add a document to the split or splits that it belongs to, and return its number of tokens."""
    added = 0
    for split, text, ends in _split(document.text, settings):
        try:
            tokens = tokenizer.encode_array(text)
        except UserError as error:
            raise UserError(f"{document.place}: {error}") from error
        added += parts[split].add(tokens, ends, tokenizer.end_of_document, len(text.encode()))
    return added


def _split(text: str, settings: Settings) -> list[tuple[Split, str, bool]]:
    """The parts of a document: split, text, and whether the document ends there."""
    if settings.split_by == "position":
        cut = int(len(text) * (1 - settings.validation))
        pieces: list[tuple[Split, str, bool]] = [
            ("train", text[:cut], cut == len(text)),
            ("validation", text[cut:], True),
        ]
        return [piece for piece in pieces if piece[1]]
    digest = hashlib.blake2b(text.encode(), digest_size=8, key=str(settings.seed).encode()).digest()
    chosen = int.from_bytes(digest, "big") < settings.validation * 2**64
    return [("validation" if chosen else "train", text, True)]


def _check_splits(manifest: Manifest, parts: dict[Split, _Parts]) -> None:
    """Refuse a result with an empty split that was asked for."""
    has = {split: bool(parts[split].arrays) or manifest.tokens(split) > 0 for split in SPLITS}
    share = manifest.settings.validation
    if not any(has.values()):
        some = manifest.sources[0].path + (" and others" if len(manifest.sources) > 1 else "")
        raise UserError(f"no text in the input ({some}): every document is empty")
    missing = [split for split, asked in (("train", share < 1), ("validation", share > 0)) if asked and not has[split]]
    if missing:
        raise UserError(
            f"no document came into the {missing[0]} split with a validation share of {share}: the input has too few "
            "documents; cut each by position instead (--split position, in Python split_by='position'), or give "
            "another share or seed"
        )


def _finish(folder: Path, after: Manifest, parts: dict[Split, _Parts], tokenizer: Tokenizer) -> Manifest:
    """Write what waits as one shard of each split that has something, then the manifest that counts them in."""
    number = int(after.shards[-1].name.rpartition("-")[2]) + 1 if after.shards else 0
    if not after.shards:
        # From here on the folder is known as ours, whatever happens, and what it held before does not count.
        write_manifest(folder, replace(after, next_source=0, next_document=0, empty_documents=0, complete=False))
        tokenizer.save(folder)
    new = tuple(
        _write_shard(folder, f"{split}-{number:05d}", split, parts[split]) for split in SPLITS if parts[split].arrays
    )
    manifest = replace(after, shards=after.shards + new)
    write_manifest(folder, manifest)
    return manifest


def _write_shard(folder: Path, name: str, split: Split, parts: _Parts) -> Shard:
    digest = hashlib.sha256()
    with atomic_path(folder / f"{name}.bin") as temporary, temporary.open("wb") as stream:
        for array in parts.arrays:
            stream.write(array.data)
            digest.update(array.data)
    ends = np.cumsum([len(array) for array in parts.arrays], dtype="<i8")
    with atomic_path(folder / f"{name}.ends.npy") as temporary:
        np.save(temporary, ends, allow_pickle=False)
    return Shard(name, split, len(ends), int(ends[-1]), parts.text_bytes, digest.hexdigest())


def _clear_leftovers(folder: Path, manifest: Manifest, tokenizer: Tokenizer) -> None:
    """Remove what a killed run, or a larger one that was replaced, has left."""
    kept = {MANIFEST, *tokenizer.files()}
    for shard in manifest.shards:
        kept |= {f"{shard.name}.bin", f"{shard.name}.ends.npy"}
    for path in folder.iterdir():
        if path.name not in kept and _OUR_FILES.fullmatch(path.name):
            path.unlink()
