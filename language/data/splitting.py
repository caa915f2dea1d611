"""Which split a document belongs to, or how it is cut between both."""

import hashlib
from collections.abc import Iterable, Iterator

from .formats import Document
from .manifest import Settings, Split


def split_document(document: Document, settings: Settings) -> Iterator[tuple[Split, Iterable[str], bool]]:
    """Yield the parts of a document: split, pieces of text, and whether the document ends there.

    What has to be known of the whole text, its hash or its length, is found in a reading of its own.

    Example:
        >>> document = Document.of("To be", "hamlet.txt", 5)
        >>> [(split, list(pieces)) for split, pieces, _ in split_document(document, Settings(validation=0.4,
        ...                                                                           split_by="position"))]
        [('train', ['To ']), ('validation', ['be'])]
    """
    share = settings.validation
    if settings.split_by == "position":
        characters = sum(map(len, document.pieces()))
        cut = int(characters * (1 - share))
        if cut:
            yield "train", _between(document.pieces(), 0, cut), cut == characters
        if cut < characters:
            yield "validation", _between(document.pieces(), cut, characters), True
        return
    chosen = share == 1
    if 0 < share < 1:
        digest = hashlib.blake2b(digest_size=8, key=str(settings.seed).encode())
        for piece in document.pieces():
            digest.update(piece.encode())
        chosen = int.from_bytes(digest.digest(), "big") < share * 2**64
    yield "validation" if chosen else "train", document.pieces(), True


def _between(pieces: Iterable[str], first: int, end: int) -> Iterator[str]:
    """The characters [first, end) of a text in pieces."""
    at = 0
    for piece in pieces:
        if part := piece[max(0, first - at) : max(0, end - at)]:
            yield part
        at += len(piece)
        if at >= end:
            return
