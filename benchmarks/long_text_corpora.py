"""Long documents for `benchmarks.long_text_recall`: articles, books and source code, as streams of tokens."""

import functools
import hashlib
import json
import re
import sysconfig
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.results_file import read_json
from language.data.shards import prepare
from language.data.token_shards import TokenShards
from language.optional import load_optional
from language.tokenizers import Tokenizer, load_tokenizer
from titans_seq.errors import UserError
from titans_seq.files import atomic_path, write_text

LONGEST = 4
"""A stream has at most so many times the least tokens: full attention's time grows with the square."""
_TITLE = re.compile(r"^ = [^=].*[^=] = $", re.MULTILINE)
_PACKAGES = 50
"""A corpus of code has at least so many packages: of large ones the beginning."""
_LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "__pycache__"}

Documents = tuple[list[str], list[str]]
"""Whole documents for training and for the test."""


@dataclass(frozen=True)
class Texts:
    """How corpora are made, and where they are kept.

    Args:
        data: folder with wikitext-2 and books in it.
        work: folder for corpora and the checkpoints of what is training; a stopped run goes on from there.
        stream: tokens of a stream, at least.
        vocabulary: of the tokenizer that is trained on the training part.
        tokenizer: one to take instead: a tokenizer.json, a SentencePiece model or bytes.
        test_tokens: about so many are kept for the test.
        corpus_bytes: of source code, about.
    """

    data: Path
    work: Path
    stream: int = 8_192
    vocabulary: int = 4_096
    tokenizer: str | None = None
    test_tokens: int = 200_000
    corpus_bytes: int = 20_000_000


def wikitext(texts: Texts) -> Documents:
    """WikiText-2's articles: those of its validation part for training, and of its test part."""
    parts = [_read(texts.data / "wikitext-2" / name) for name in ("valid.txt", "test.txt")]
    train, test = ([article for article in _articles(part) if article.strip()] for part in parts)
    return train, test


def _articles(text: str) -> Iterator[str]:
    starts = [match.start() for match in _TITLE.finditer(text)]
    yield from (text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True))


def books(texts: Texts) -> Documents:
    """Moby Dick for training, Pride and Prejudice for the test."""
    folder = texts.data / "books"
    return [_read(folder / "pg2701.txt")], [_read(folder / "pg1342.txt")]


def code(texts: Texts) -> Documents:
    """Python's own library and the installed packages, each package a document; every tenth is for the test."""
    train, test, size = [], [], 0
    packages = dict(sorted(_packages(), key=lambda package: _hash(package[0])))
    for name, paths in packages.items():
        if size > texts.corpus_bytes:
            break
        text = _joined(paths, texts.corpus_bytes // _PACKAGES)
        if not text:
            continue
        size += len(text)
        (test if _hash(name) % 10 == 0 else train).append(text)
    return train, test


def with_code(corpus: Callable[[Texts], Documents], texts: Texts) -> Documents:
    """A corpus, with source code for training beside it: there a model learns to look up what it has read."""
    train, test = corpus(texts)
    return [*train, *code(texts)[0]], test


def _hash(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def _packages() -> Iterator[tuple[str, list[Path]]]:
    for folder in dict.fromkeys(sysconfig.get_path(name) for name in ("stdlib", "purelib")):
        for path in Path(folder).iterdir():
            if path.suffix == ".py":
                yield path.stem, [path]
            elif path.is_dir() and path.name not in _LEFT_OUT and "." not in path.name:
                paths = [one for one in path.rglob("*.py") if not _LEFT_OUT & set(one.relative_to(path).parts)]
                yield path.name, sorted(paths)


def _joined(paths: Iterable[Path], most: int) -> str:
    texts, size = [], 0
    for path in paths:
        if size > most:
            break
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, OSError):
            continue
        texts.append(text)
        size += len(text)
    return "\n".join(texts)[:most]


def _read(path: Path) -> str:
    if not path.exists():
        raise UserError(f"{path}: no such file: give the folder of the texts with --data")
    return path.read_text(encoding="utf-8")


CORPORA: dict[str, Callable[[Texts], Documents]] = {
    "wikitext": wikitext,
    "books": books,
    "code": code,
    "wikitext-with-code": functools.partial(with_code, wikitext),
    "books-with-code": functools.partial(with_code, books),
}


@dataclass(frozen=True)
class Corpus:
    """A corpus ready to be trained on.

    Attributes:
        tokenizer: of its tokens.
        train: the streams for training.
        test: files, each a stream for the test.
        shards: the folder of the training streams.
    """

    tokenizer: Tokenizer
    train: TokenShards
    test: tuple[Path, ...]
    shards: Path


def open_corpus(name: str, texts: Texts) -> Corpus:
    """Return a corpus, and make it if it is not there yet; later changes to its sources change nothing.

    Args:
        name: one of `CORPORA`.
        texts: how, and where.

    Raises:
        UserError: if a source is missing, or the corpus in the folder was made in another way.
    """
    folder, least = texts.work / name, texts.stream
    made = {"name": name} | {key: value for key, value in asdict(texts).items() if key not in ("data", "work")}
    record = folder / "corpus.json"
    if not record.exists():
        train, test = CORPORA[name](texts)
        own = texts.tokenizer or _train_tokenizer(train, texts.vocabulary, folder)
        chosen = load_tokenizer(own)
        lines = folder / "train.jsonl"
        with atomic_path(lines) as temporary, temporary.open("w", encoding="utf-8") as stream:
            stream.writelines(json.dumps({"text": text}) + "\n" for text in streams(train, chosen, least))
        prepare([lines], chosen, folder / "shards", overwrite=True)
        kept, tokens = [], 0
        for text in streams(test, chosen, least):
            if tokens < texts.test_tokens:
                kept.append(text)
                tokens += len(chosen.encode_array(text))
        if not kept:
            raise UserError(
                f"{name}: no stream of {least:,} tokens is left for the test: take a shorter --stream, or of code more "
                "--corpus-bytes"
            )
        for number, text in enumerate(kept):
            write_text(folder / "test" / f"{number:04d}.txt", text)
        write_text(record, json.dumps(made | {"streams": len(kept)}))
    found = read_json(record)
    files = tuple(folder / "test" / f"{number:04d}.txt" for number in range(found.pop("streams")))
    if found != made:
        raise UserError(f"{folder} holds a corpus made with {found}, expected {made}: give another --work folder")
    return Corpus(load_tokenizer(folder / "shards"), TokenShards.open(folder / "shards"), files, folder / "shards")


def streams(documents: Iterable[str], tokenizer: Tokenizer, least: int) -> Iterator[str]:
    """Whole documents joined, and very long ones cut, to streams of about `least` to `LONGEST * least` tokens.

    What is left at the end of all documents is dropped if it is shorter.
    """
    waiting, tokens = "", 0
    for text in documents:
        waiting, tokens = waiting + text, tokens + len(tokenizer.encode_array(text))
        while tokens >= least:
            # By the mean length of a token.
            cut = len(waiting) if tokens <= LONGEST * least else len(waiting) * LONGEST * least // tokens
            yield waiting[:cut]
            waiting = waiting[cut:]
            tokens = len(tokenizer.encode_array(waiting))


def _train_tokenizer(texts: list[str], vocabulary: int, folder: Path) -> Path:
    """Train a byte-level BPE, which loses nothing."""
    library = load_optional("tokenizers", "a tokenizer of one's own")
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    with atomic_path(folder / "tokenizer.json") as temporary:
        tokenizer.save(str(temporary))
    return folder / "tokenizer.json"
