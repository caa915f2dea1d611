"""`manifest.json` of a folder of token shards: what they were made from, how, and how far the work has come."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError, require_at_least
from titans_seq.files import atomic_path

from ..tokenizers import TokenizerInfo
from ..tokenizers.loss import TextLoss

MANIFEST = "manifest.json"
FORMAT = "titans-shards"
VERSION = 1
PREPARE_ANEW = "prepare the shards again, with --overwrite (overwrite=True)"
"""What to do about damaged shards."""
_SHOWN_CHANGES = 5

Split = Literal["train", "validation"]
SPLITS: tuple[Split, ...] = ("train", "validation")


@dataclass(frozen=True)
class Settings:
    """How documents become shards.

    Args:
        field: see `ReadOptions`.
        separator: see `ReadOptions`.
        validation: share of the text for validation, in [0, 1].
        split_by: "document" gives whole documents to validation, each by a hash of its text and the seed, so that
            equal documents go the same way; "position" gives the last part of every document, counted in characters.
        seed: of the choice by document, in [0, 2**64).
        shard_tokens: a shard is closed when it has at least so many tokens, training and validation together.

    Raises:
        UserError: if a number is out of its range.
    """

    field: str = "text"
    separator: str | None = None
    validation: float = 0.0
    split_by: Literal["document", "position"] = "document"
    seed: int = 0
    shard_tokens: int = 50_000_000

    def __post_init__(self) -> None:
        if not 0 <= self.validation <= 1:
            raise UserError(f"the validation share must be in [0, 1], got {self.validation}")
        if self.split_by not in ("document", "position"):
            raise UserError(f"split_by must be 'document' or 'position', got {self.split_by!r}")
        if not 0 <= self.seed < 2**64:
            raise UserError(f"the seed must be in [0, 2**64), got {self.seed}")
        require_at_least(self, shard_tokens=1)


@dataclass(frozen=True)
class Source:
    """One input file.

    Args:
        path: absolute.
        bytes: its size.
        modified: time of change in nanoseconds.
        sha256: of its bytes, in hexadecimal; None where it was not taken.
    """

    path: str
    bytes: int
    modified: int
    sha256: str | None = None

    @classmethod
    def of(cls, path: Path) -> "Source":
        """Return the file as it is now."""
        status = path.stat()
        return cls(str(path.resolve()), status.st_size, status.st_mtime_ns)

    def hashed(self) -> "Source":
        """Return the same with the hash of its bytes, which are read if need be."""
        if self.sha256 is not None:
            return self
        with open(self.path, "rb") as stream:
            return replace(self, sha256=hashlib.file_digest(stream, "sha256").hexdigest())

    def is_now(self, new: "Source") -> bool:
        """Say whether a file as it is now has the same bytes: those of a file that was moved or touched are read."""
        if self.bytes != new.bytes:
            return False
        untouched = (self.path, self.modified) == (new.path, new.modified)
        return untouched or (self.sha256 is not None and self.sha256 == new.hashed().sha256)


@dataclass(frozen=True)
class Shard:
    """One shard of one split: `<name>.bin` holds its tokens end to end, `<name>.ends.npy` where its documents end.

    Args:
        name: file name without suffix.
        split: the split it belongs to.
        documents: how many.
        tokens: how many.
        text_bytes: size of its text in UTF-8, for bits per byte.
        sha256: of the tokens' file, in hexadecimal.
    """

    name: str
    split: Split
    documents: int
    tokens: int
    text_bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a folder of token shards holds.

    Args:
        tokenizer: the tokenizer, which is saved in the folder too.
        settings: how the documents were cut.
        sources: the input files.
        dtype: NumPy's name for the type of the tokens, little-endian.
        versions: of the packages that made the shards.
        shards: those that are finished, in the order of the input.
        next_source: number of the file that the next shard begins in.
        next_document: number of the document in that file with which it begins.
        empty_documents: how many had no text, and were left out.
        bad_documents: how many could not be read, and were left out.
        sampled: characters of text that were compared with what their tokens decode to.
        lost: how often each character was missing there.
        complete: whether all input is in the shards.
    """

    tokenizer: TokenizerInfo
    settings: Settings
    sources: tuple[Source, ...]
    dtype: Literal["<u2", "<u4"]
    versions: dict[str, str]
    shards: tuple[Shard, ...] = ()
    next_source: int = 0
    next_document: int = 0
    empty_documents: int = 0
    bad_documents: int = 0
    sampled: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    complete: bool = False

    def of_split(self, split: Split) -> tuple[Shard, ...]:
        """Return the shards of one split."""
        return tuple(shard for shard in self.shards if shard.split == split)

    def tokens(self, split: Split) -> int:
        """Return the number of tokens of one split."""
        return sum(shard.tokens for shard in self.of_split(split))

    def documents(self, split: Split) -> int:
        """Return the number of documents of one split."""
        return sum(shard.documents for shard in self.of_split(split))

    @property
    def loss(self) -> TextLoss:
        """What the tokens lack of the text, on a sample of it."""
        return TextLoss(self.sampled, Counter(self.lost))

    def tokens_per_byte(self, split: Split) -> float | None:
        """Return the tokens a byte of one split; None without text, or if the tokenizer lost some of it."""
        text_bytes = sum(shard.text_bytes for shard in self.of_split(split))
        return self.tokens(split) / text_bytes if text_bytes and not self.lost else None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of a folder, in place of an earlier one.

    Raises:
        OSError: if it cannot be written; an earlier one is then as it was.
    """
    with atomic_path(folder / MANIFEST) as temporary:
        content = {"format": FORMAT, "version": VERSION} | to_dict(manifest)
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a folder.

    Raises:
        UserError: if there is none, or it is damaged or of another version.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{folder} holds no token shards: it has no {MANIFEST}; make them with titans lm prepare"
        ) from error
    except ValueError as error:
        raise UserError(f"{path}: damaged ({error}): restore it, or {PREPARE_ANEW}") from error
    if not isinstance(content, dict) or (content.pop("format", None), content.pop("version", None)) != (
        FORMAT,
        VERSION,
    ):
        raise UserError(f"{path}: not the manifest of token shards of version {VERSION}: {PREPARE_ANEW}")
    try:
        return from_dict(content, Manifest)
    except UserError as error:
        raise UserError(f"{path}: damaged ({error}): restore it, or {PREPARE_ANEW}") from error


def describe_changes(old: Manifest, new: Manifest) -> list[str]:
    """Say in what the makings of two manifests differ, one line each; empty if the same shards come of both.

    Example:
        >>> bytes_, none = TokenizerInfo("bytes", 257, 256), ()
        >>> old = Manifest(bytes_, Settings(), none, "<u2", {})
        >>> describe_changes(old, Manifest(bytes_, Settings(seed=3), none, "<u2", {}))
        ['seed was 0, is 3']
    """
    changes = []
    if old.tokenizer != new.tokenizer:
        changes.append(f"tokenizer was {_named(old.tokenizer)}, is {_named(new.tokenizer)}")
    for setting in fields(Settings):
        before, after = getattr(old.settings, setting.name), getattr(new.settings, setting.name)
        if before != after:
            changes.append(f"{setting.name} was {before!r}, is {after!r}")
    pairs = zip(old.sources, new.sources, strict=False)
    if len(old.sources) != len(new.sources) or not all(before.is_now(after) for before, after in pairs):
        changes += _changed_sources(old.sources, new.sources)
    more = len(changes) - _SHOWN_CHANGES
    return changes[:_SHOWN_CHANGES] + ([f"{more} more"] if more > 0 else [])


def _changed_sources(old: tuple[Source, ...], new: tuple[Source, ...]) -> list[str]:
    before, after = ({source.path: source for source in sources} for sources in (old, new))
    changes = [f"{path} was not among the inputs" for path in after if path not in before]
    changes += [f"{path} is no longer among the inputs" for path in before if path not in after]
    for path in [path for path in before if path in after]:
        if before[path].bytes != after[path].bytes:
            changes.append(f"{path} had {before[path].bytes:,} bytes, has {after[path].bytes:,}")
        elif not before[path].is_now(after[path]):
            changes.append(f"{path} was written to")
    return changes or ["the inputs come in another order"]


def _named(info: TokenizerInfo) -> str:
    digest = "" if info.sha256 is None else f", sha256 {info.sha256[:12]}..."
    return f"{info.kind} (vocabulary {info.vocabulary:,}{digest})"
