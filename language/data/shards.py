"""`prepare`: text files to a folder of token shards, in steps that a killed run can go on from."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import numpy as np

from titans_seq.errors import UserError
from titans_seq.experiment.provenance import installed_version
from titans_seq.locks import only_writer_of_new

from ..tokenizers import Tokenizer
from ..tokenizers.loss import TextLoss, is_sampled, text_loss
from .documents import ReadOptions, find_files, is_text, read_file
from .formats import Document, has_separator
from .limits import Limits
from .manifest import (
    MANIFEST,
    SPLITS,
    Manifest,
    Settings,
    Source,
    Split,
    describe_changes,
    read_manifest,
    write_manifest,
)
from .parts import ShardParts
from .progress import ShowProgress
from .splitting import split_document
from .token_shards import open_shard

_UINT16_IDS = 1 << 16
_OUR_FILES = re.compile(
    r"(train|validation)-\d{5,}\.(bin|ends\.npy)|tokenizer\.(yaml|json|model)|characters\.json"
    # The names of `atomic_path` while it writes one of these.
    r"|\.((train|validation)-\d{5,}(\.ends)?|tokenizer|characters|manifest)\.\w+\.(bin|npy|yaml|json|model)"
)
_ENOUGH = 1 << 16
"""Characters of a sample after which a file is refused before it has been read to its end."""
_NOTHING = np.empty(0, dtype=np.int64)
Parts = dict[Split, ShardParts]
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
    max_loss: float = 0.001,
    skip_bad: bool = False,
    overwrite: bool = False,
    progress: bool = False,
) -> Manifest:
    r"""Turn text files into a folder of memory-mapped token shards with document boundaries.

    A document becomes the tokens of its text and `end_of_document`. Documents stay whole and in the order of the
    input; a shard holds a run of them, training and validation in files of their own. Documents without text are left
    out. Memory does not grow with a text file or a shard; a JSON line and a group of Parquet rows have to fit in it.

    A sample of every file is compared with what its tokens decode to, and the manifest says what was lost.

    A run that was stopped goes on after its last finished shard when it is called again in the same way, and the
    files come out the same, byte by byte. A finished folder is left as it is. The same input is one with the same bytes
    in the same order, wherever it lies.

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
        max_loss: share of the characters of a file's sample, in [0, 1], that the tokenizer may lose.
        skip_bad: leave out documents that cannot be read or encoded, and count them; damaged archives and Parquet files
            are still refused.
        overwrite: replace what shards the folder holds.
        progress: show a bar on standard error.

    Returns:
        What the folder holds.

    Raises:
        UserError: if an input is missing, damaged, empty, not UTF-8 or changed while it is read; if a separator is
            given that is no line of any text file; if another process writes into the folder; if it holds other files,
            damaged shards, or those of other inputs, settings or another tokenizer; if the tokenizer loses more of a
            file than `max_loss`; or if one of the splits came out empty.
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
    limits = Limits(max_loss, skip_bad)
    paths = find_files(inputs)
    folder = Path(out)
    planned = Manifest(
        tokenizer=tokenizer.info,
        settings=settings,
        sources=tuple(Source.of(path) for path in paths),
        dtype="<u2" if tokenizer.vocabulary <= _UINT16_IDS else "<u4",
        versions={name: number for name in _PACKAGES if (number := installed_version(name)) is not None},
    )
    check_place(folder)
    with only_writer_of_new(folder):
        manifest = _claimed(folder, planned, overwrite)
        if manifest.complete:
            return manifest
        _check_separator(paths, separator)
        manifest = replace(manifest, sources=tuple(source.hashed() for source in manifest.sources))
        with ShowProgress(manifest.sources) if progress else nullcontext() as shown:
            documents = _remaining(manifest, paths, planned.sources)
            manifest = _write_shards(folder, manifest, paths, documents, tokenizer, limits, shown)
        clear_leftovers(folder, manifest, tokenizer)
    return manifest


def check_place(folder: Path) -> None:
    """Refuse what cannot become a folder of shards."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: give the name of a new folder for the shards")
    if (
        folder.is_dir()
        and not (folder / MANIFEST).is_file()
        and any(not path.name.startswith(".") for path in folder.iterdir())
    ):
        raise UserError(f"{folder} holds other files and no token shards: give the name of a new or empty folder")


def _claimed(folder: Path, planned: Manifest, overwrite: bool) -> Manifest:
    """The manifest to go on from: that of an earlier run of the same plan, or the plan itself."""
    if overwrite or not (folder / MANIFEST).is_file():
        return planned
    earlier = read_manifest(folder)
    changes = describe_changes(earlier, planned)
    if changes:
        state = "holds shards" if earlier.complete else "holds the shards of an unfinished run"
        raise UserError(
            f"{folder} {state} that were made in another way: {'; '.join(changes)}: give another folder, or replace "
            "them with --overwrite (overwrite=True)"
        )
    written = (folder / MANIFEST).stat().st_mtime
    for shard in earlier.shards:
        open_shard(folder, shard, earlier, written)
    return earlier


def _check_separator(paths: Sequence[Path], separator: str | None) -> None:
    """Refuse a separator that stands in none of the text files."""
    texts = [path for path in paths if is_text(path)]
    if separator is not None and texts and not any(has_separator(path, separator) for path in texts):
        some = str(texts[0]) + (f" and {len(texts) - 1:,} more" if len(texts) > 1 else "")
        raise UserError(
            f"the document separator {separator!r} is no line of {some}: give a line that stands between documents, or "
            "leave it out, and each text file is one (--document-separator, in Python separator=None)"
        )


@contextmanager
def _new_parts(folder: Path, dtype: str) -> Iterator[Parts]:
    parts: Parts = {split: ShardParts(split, dtype, folder) for split in SPLITS}
    try:
        yield parts
    finally:
        for part in parts.values():
            part.close()


def _write_shards(
    folder: Path,
    manifest: Manifest,
    paths: list[Path],
    documents: Iterable[tuple[int, int, Document]],
    tokenizer: Tokenizer,
    limits: Limits,
    shown: ShowProgress | None,
) -> Manifest:
    """Write all shards that `manifest` does not have yet, and the manifest after each of them."""
    settings, waiting, latest, loss = manifest.settings, 0, manifest.next_source, TextLoss()
    fault: UserError | None = None
    with _new_parts(folder, manifest.dtype) as parts:
        for source, number, document in documents:
            if source != latest:
                limits.check(loss, paths[latest])
                latest, loss = source, TextLoss()
            marks = {split: part.mark() for split, part in parts.items()}
            try:
                if document.fault is not None:
                    raise document.fault
                if document.empty:
                    manifest = replace(manifest, empty_documents=manifest.empty_documents + 1)
                    continue
                added, lost = _add(document, number, tokenizer, settings, parts, shown, source)
            except UserError as error:
                if not limits.skip_bad:
                    raise
                fault = fault or error
                for split, part in parts.items():
                    part.go_back(marks[split])
                manifest = replace(manifest, bad_documents=manifest.bad_documents + 1)
                continue
            waiting += added
            if lost.characters:
                loss, total = loss + lost, manifest.loss + lost
                manifest = replace(manifest, sampled=total.characters, lost=dict(sorted(total.lost.items())))
                if loss.characters >= _ENOUGH:
                    limits.check(loss, paths[source])
            if waiting >= settings.shard_tokens:
                after = replace(manifest, next_source=source, next_document=number + 1)
                manifest, waiting = _finish(folder, after, parts, tokenizer), 0
        limits.check(loss, paths[min(latest, len(paths) - 1)])
        _check_splits(manifest, parts, fault)
        after = replace(manifest, next_source=len(paths), next_document=0, complete=True)
        return _finish(folder, after, parts, tokenizer)


def _remaining(manifest: Manifest, paths: list[Path], found: Sequence[Source]) -> Iterator[tuple[int, int, Document]]:
    """The documents that are in no shard yet, each behind the number of its file and its own number in it.

    Raises:
        UserError: if a file is no longer as it was found.
    """
    options = ReadOptions(manifest.settings.field, manifest.settings.separator)
    first = manifest.next_document
    for source in range(manifest.next_source, len(paths)):
        documents = islice(read_file(paths[source], options), first, None)
        for number, document in enumerate(documents, start=first):
            yield source, number, document
        if Source.of(paths[source]) != found[source]:
            raise UserError(
                f"{paths[source]} was written to while it was read: prepare it with --overwrite (overwrite=True) once "
                "it rests"
            )
        first = 0


def _add(
    document: Document,
    number: int,
    tokenizer: Tokenizer,
    settings: Settings,
    parts: Parts,
    shown: ShowProgress | None,
    source: int,
) -> tuple[int, TextLoss]:
    """Add a document to the split or splits that it belongs to; return its number of tokens, and what they lack."""
    added, loss = 0, TextLoss()

    def looked_at(pieces: Iterable[str], part: ShardParts) -> Iterator[str]:
        nonlocal loss
        for place, piece in enumerate(pieces):
            if not tokenizer.by_character and is_sampled(number) and is_sampled(place):
                loss += text_loss(tokenizer, piece)
            part.write(_NOTHING, len(piece.encode()))
            yield piece

    try:
        for split, pieces, ends in split_document(document, settings):
            end = (np.array([tokenizer.end_of_document]),) if ends else ()
            for tokens in chain(tokenizer.encode_pieces(looked_at(pieces, parts[split])), end):
                parts[split].write(tokens)
                added += len(tokens)
                if shown is not None:
                    shown.advance(source, document.read, len(tokens))
            parts[split].end_document()
    except UserError as error:
        where = "" if str(error).startswith(document.place) else f"{document.place}: "
        raise UserError(f"{where}{error}") from error
    return added, loss


def _check_splits(manifest: Manifest, parts: Parts, fault: UserError | None) -> None:
    """Refuse a result with an empty split that was asked for; `fault` is the first of a bad document."""
    has = {split: bool(parts[split]) or manifest.tokens(split) > 0 for split in SPLITS}
    share = manifest.settings.validation
    if not any(has.values()):
        some = manifest.sources[0].path + (" and others" if len(manifest.sources) > 1 else "")
        first = "" if fault is None else f", the first one: {fault}"
        raise UserError(f"no text in the input ({some}): every document is empty or bad{first}")
    missing = [split for split, asked in (("train", share < 1), ("validation", share > 0)) if asked and not has[split]]
    if missing:
        raise UserError(
            f"no document came into the {missing[0]} split with a validation share of {share}: the input has too few "
            "documents; cut each by position instead (--split position, in Python split_by='position'), or give "
            "another share or seed"
        )


def _finish(folder: Path, after: Manifest, parts: Parts, tokenizer: Tokenizer) -> Manifest:
    """Write what waits as one shard of each split that has something, then the manifest that counts them in."""
    number = int(after.shards[-1].name.rpartition("-")[2]) + 1 if after.shards else 0
    if not after.shards:
        # From here on the folder is known as ours, whatever happens, and what it held before does not count.
        empty = Manifest(after.tokenizer, after.settings, after.sources, after.dtype, after.versions)
        write_manifest(folder, empty)
        tokenizer.save(folder)
    new = tuple(parts[split].save(folder, f"{split}-{number:05d}") for split in SPLITS if parts[split])
    manifest = replace(after, shards=after.shards + new)
    write_manifest(folder, manifest)
    return manifest


def clear_leftovers(folder: Path, manifest: Manifest, tokenizer: Tokenizer) -> None:
    """Remove what a killed run, or a larger one that was replaced, has left."""
    kept = {MANIFEST, *tokenizer.files()}
    for shard in manifest.shards:
        kept |= {f"{shard.name}.bin", f"{shard.name}.ends.npy"}
    for path in folder.iterdir():
        if path.name not in kept and _OUR_FILES.fullmatch(path.name):
            path.unlink()
