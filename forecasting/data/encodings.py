"""Bytes of a text file to UTF-8: which encoding they have, and what to ask where that is open."""

from pathlib import Path

import numpy as np

from titans_seq.errors import UserError

from .wording import enumerate_some

_OTHER_SCRIPTS = ("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256")


def decode(path: Path, raw: bytes, encoding: str | None = None, first: int = 1) -> tuple[bytes, list[str]]:
    """Return the bytes of a text in UTF-8 without a mark, with notes on the encoding it had.

    UTF-8, UTF-16 and UTF-32 are recognised. Other bytes are read as cp1252 where they are letters with accents; where
    they are of another script, the user is asked.

    Args:
        path: of the file, for messages.
        raw: its bytes, or some of its lines.
        encoding: a Python codec name; None finds it.
        first: the number of the first line of `raw`.

    Raises:
        UserError: if the encoding is unknown or not that of the file, or the file is not text.
    """
    notes: list[str] = []
    if encoding is None:
        encoding, note = find_encoding(path, raw, first)
        notes = [note] if note else []
    try:
        text = raw if encoding == "utf-8" else raw.decode(encoding).encode("utf-8")
        if encoding == "utf-8":
            raw.decode("utf-8")
    except LookupError as error:
        raise UserError(f"{path}: unknown encoding {encoding!r}: give a name such as utf-8 or cp1252") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + first
        raise UserError(
            f"{path}: byte {raw[error.start]:#04x} on line {line} is not {encoding}: "
            "give another --encoding, one for the whole file"
        ) from error
    text = text.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in text:
        raise UserError(f"{path}: the file holds zero bytes, so it is not text: expected a text table")
    return text, notes


def find_encoding(path: Path, raw: bytes, first: int = 1) -> tuple[str, str]:
    """Return the encoding of a text whose first line has the number `first`, and a note where the file does not say it.

    Raises:
        UserError: if it is that of a script for which there are several.
    """
    if raw[:4] in (b"\xff\xfe\0\0", b"\0\0\xfe\xff"):
        return "utf-32", ""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16", ""
    head = raw[:2000]
    for encoding, high in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
        if len(high) > 8 and high.count(0) > 0.6 * len(high):
            return encoding, f"read as {encoding}, which the file does not say"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + first
        fault = f"byte {raw[error.start]:#04x} on line {line} is not utf-8"
        if _is_other_script(raw):
            raise UserError(
                f"{path}: {fault}: name the encoding with --encoding{_readings(raw, error.start)}"
            ) from error
        # latin-1 takes the few bytes that cp1252 leaves undefined, so this cannot fail.
        encoding = "latin-1" if set(raw) & set(b"\x81\x8d\x8f\x90\x9d") else "cp1252"
        return encoding, f"{fault}; read as {encoding}"
    return "utf-8", ""


def _is_other_script(raw: bytes) -> bool:
    """Whether bytes above ASCII stand together: letters with accents stand alone among others."""
    high = np.frombuffer(raw[:100_000], dtype=np.uint8) >= 0x80
    return bool(high.sum() >= 4 and (high[1:] & high[:-1]).sum() >= 0.4 * high.sum())


def _readings(raw: bytes, at: int) -> str:
    """What the line that holds a byte reads as, in each encoding that makes letters of it."""
    begin = raw.rfind(b"\n", 0, at) + 1
    line = raw[begin:].partition(b"\n")[0][:40]
    shown = []
    for encoding in _OTHER_SCRIPTS:
        text = line.decode(encoding, "replace")
        if all(letter.isalpha() for letter in text if not letter.isascii()):
            shown.append(f"{encoding} ({text.strip()!r})")
    return f", such as {enumerate_some(shown, 6)}" if shown else ""
