"""`titans lm prepare`: text to token shards."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from titans_seq.errors import UserError

if TYPE_CHECKING:
    from ..data.manifest import Manifest
    from ..tokenizers import Tokenizer

CHARACTERS = "characters"
_NAMED = 10
"""Files that a note names before it counts the rest."""


@dataclass(frozen=True)
class HeldOut:
    """What is kept for validation."""

    validation: float = 0.0
    """Share of the text that is kept for validation."""
    split: Literal["document", "position"] = "document"
    """Whole documents for validation, or the last part of each."""
    seed: int = 0
    """Of the choice of documents for validation."""


@dataclass(frozen=True)
class Reading:
    """How the input is read."""

    field: str = "text"
    """JSON field or Parquet column that holds the text."""
    document_separator: Annotated[str | None, arg(help_behavior_hint="")] = None
    """Line between two documents of a text file ("" for an empty one); each file is one document if not given."""
    max_loss: float = 0.001
    """Share of a file's characters that the tokenizer may lose, on a sample; 1 allows all."""
    skip_bad: bool = False
    """Leave out documents that cannot be read, and count them."""


@dataclass(frozen=True)
class Prepare:
    """Turn text into token shards to train on.

    A run that was stopped goes on when the same command is given again.
    """

    inputs: Annotated[Positional[tuple[Path, ...]], arg(metavar="INPUT [INPUT ...]", help_behavior_hint="(required)")]
    """Text, JSON Lines (.jsonl, .jsonl.gz) or Parquet files, or folders of them."""
    out: Path
    """Folder of the shards; nothing is written anywhere else."""
    tokenizer: str = "bytes"
    """bytes; characters (those of the input); a SentencePiece .model, a Hugging Face tokenizer.json, or a folder."""
    held_out: OmitArgPrefixes[HeldOut] = HeldOut()
    reading: OmitArgPrefixes[Reading] = Reading()
    shard_tokens: int = 50_000_000
    """Tokens of a shard, at least."""
    overwrite: bool = False
    """Replace the shards in --out."""
    progress: Literal["bar", "none"] = "bar"
    """What to show meanwhile."""


def prepare(options: Prepare) -> None:
    """Write the shards, and say what they hold."""
    from ..data import shards
    from ..data.documents import passed_over

    held_out, reading = options.held_out, options.reading
    _check(options)
    manifest = shards.prepare(
        options.inputs,
        _tokenizer(options),
        options.out,
        validation=held_out.validation,
        split_by=held_out.split,
        seed=held_out.seed,
        field=reading.field,
        separator=reading.document_separator,
        shard_tokens=options.shard_tokens,
        max_loss=reading.max_loss,
        skip_bad=reading.skip_bad,
        overwrite=options.overwrite,
        progress=options.progress == "bar",
    )
    print(describe(manifest))
    if others := passed_over(options.inputs):
        print(f"passed over: {_counted(len(others), 'file')} of other kinds, such as {others[0]}")
    if files := _without_separator(options):
        names = ", ".join(map(str, files[:_NAMED])) + (f" and {len(files) - _NAMED:,} more" if files[_NAMED:] else "")
        print(f"note: no line {reading.document_separator!r} in {_counted(len(files), 'file')}: {names}")
    print(f"written: {options.out}")


def _without_separator(options: Prepare) -> list[Path]:
    """The text files that hold one document each, though a separator is given."""
    from ..data.documents import find_files, is_text
    from ..data.formats import has_separator

    separator = options.reading.document_separator
    if separator is None:
        return []
    return [path for path in find_files(options.inputs) if is_text(path) and not has_separator(path, separator)]


def _check(options: Prepare) -> None:
    """Refuse options that none of the inputs has a use for."""
    from ..data.documents import find_files, is_text

    held_out, reading = options.held_out, options.reading
    if held_out.validation == 0 and (held_out.split != HeldOut.split or held_out.seed != HeldOut.seed):
        raise UserError("--split and --seed are of what is held out, and nothing is: add --validation")
    if held_out.split == "position" and held_out.seed != HeldOut.seed:
        raise UserError("--seed chooses documents, and --split position none: leave out one of them")
    texts = [is_text(path) for path in find_files(options.inputs)]
    if reading.field != Reading.field and all(texts):
        raise UserError("--field is of JSON Lines and Parquet files, and text files are given: leave it out")
    if reading.document_separator is not None and not any(texts):
        raise UserError("--document-separator is of text files, and none is given: leave it out")


def describe(manifest: "Manifest") -> str:
    """Return what a folder of shards holds, as text."""
    from ..data.manifest import SPLITS

    lines = [f"tokenizer {manifest.tokenizer.kind}, vocabulary {manifest.tokenizer.vocabulary:,}"]
    for split in SPLITS:
        if shards := manifest.of_split(split):
            text_bytes = sum(shard.text_bytes for shard in shards)
            lines.append(
                f"{split + ':':<11} {_counted(manifest.documents(split), 'document')}, "
                f"{_counted(manifest.tokens(split), 'token')}, {_counted(text_bytes, 'byte')} of text, "
                f"{_counted(len(shards), 'shard')}"
            )
    if manifest.empty_documents:
        lines.append(f"left out:   {_counted(manifest.empty_documents, 'document')} without text")
    if manifest.bad_documents:
        lines.append(f"left out:   {_counted(manifest.bad_documents, 'document')} that could not be read")
    if manifest.lost:
        lines.append(f"note: the tokenizer loses {manifest.loss}; so there are no bits a byte of this text")
    return "\n".join(lines)


def _tokenizer(options: Prepare) -> "Tokenizer":
    from ..data.documents import ReadOptions, read_pieces
    from ..tokenizers import CharacterTokenizer, load_tokenizer

    if options.tokenizer != CHARACTERS:
        return load_tokenizer(options.tokenizer)
    how = ReadOptions(options.reading.field, options.reading.document_separator)
    return CharacterTokenizer.build(read_pieces(options.inputs, how, options.reading.skip_bad))


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
