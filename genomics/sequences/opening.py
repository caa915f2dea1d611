"""Opening files and pipes: plain or compressed with gzip or bgzip, as their first bytes tell, not their names."""

import atexit
import functools
import gzip
import io
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from titans_seq.errors import UserError

BROKEN_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a truncated or damaged gzip file raises."""

STANDARD_INPUT = "-"

_GZIP = b"\x1f\x8b"
_EXTRA = 4
_BGZIP_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_HEAD = 65_536
_SAVE = "save the sheet as CSV"
_UTF16 = "save it as UTF-8 (iconv -f UTF-16 -t UTF-8)"
_PAGE = re.compile(rb"\s*<(!doctype html|html|\?xml)", re.IGNORECASE)
_OTHERS = {
    b"PK\x03\x04": ("a zip archive", "unpack it with 'unzip'"),
    b"BZh": ("compressed with bzip2", "unpack it with 'bunzip2'"),
    b"\xfd7zXZ": ("compressed with xz", "unpack it with 'unxz'"),
    b"\x28\xb5\x2f\xfd": ("compressed with zstd", "unpack it with 'unzstd'"),
    b"\xff\xfe\x00\x00": ("UTF-32 text", "save it as UTF-8 (iconv -f UTF-32 -t UTF-8)"),
    b"\xff\xfe": ("UTF-16 text", _UTF16),
    b"\xfe\xff": ("UTF-16 text", _UTF16),
    b"BAM\x01": ("a BAM file of aligned reads", "convert it with 'samtools fastq' (or 'bedtools bamtobed')"),
    b"CRAM": ("a CRAM file of aligned reads", "convert it with 'samtools fastq'"),
    b"BCF": ("a BCF file of variants", "convert it to VCF with 'bcftools view'"),
    b"\x43\x27\x41\x1a": ("a .2bit genome", "convert it to FASTA with 'twoBitToFa'"),
    b"\x1a\x41\x27\x43": ("a .2bit genome", "convert it to FASTA with 'twoBitToFa'"),
    b"\x26\xfc\x8f\x88": ("a bigWig file", "convert it to bedGraph with 'bigWigToBedGraph'"),
    b"\xeb\xf2\x89\x87": ("a bigBed file", "convert it to BED with 'bigBedToBed'"),
    b"PAR1": ("a Parquet file", "write it as CSV (pandas: read_parquet, then to_csv)"),
    b"\xd0\xcf\x11\xe0": ("an Excel workbook", _SAVE),
    b"\x89HDF": ("an HDF5 file", "write its sequences as FASTA or CSV"),
    b"\x93NUMPY": ("a NumPy array", "write its sequences as FASTA or CSV"),
}
_WORKBOOK = b"[Content_Types].xml"


def regular_file(path: Path) -> Path:
    """Return a file that can be read more than once: the path itself, or a copy of what a pipe gives.

    `-` is standard input. A pipe is read once in the life of the program, into a temporary file that goes with it.

    Raises:
        UserError: if the pipe cannot be read.
    """
    if str(path) != STANDARD_INPUT and (not path.exists() or path.is_file() or path.is_dir()):
        return path
    return _copy_of_pipe(str(path))


def is_pipe(path: Path) -> bool:
    """Say whether a path is that of a pipe, or `-`: what it gives is there once and not again."""
    return str(path) == STANDARD_INPUT or (path.exists() and not path.is_file() and not path.is_dir())


@functools.cache
def _copy_of_pipe(path: str) -> Path:
    kept = tempfile.NamedTemporaryFile(prefix="titans-pipe-")  # noqa: SIM115 - other readers open it by its name
    atexit.register(kept.close)
    try:
        if path in (STANDARD_INPUT, "/dev/stdin"):
            shutil.copyfileobj(sys.stdin.buffer, kept)
        else:
            with open(path, "rb") as stream:
                shutil.copyfileobj(stream, kept)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): write it to a file and give that") from error
    kept.flush()
    return Path(kept.name)


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open the text of a file, unzipped where its content is gzip or bgzip; any system's line ends.

    A byte that is not UTF-8 becomes the replacement sign, which no sequence may hold and a name may.

    Raises:
        UserError: if the file is missing, a folder, cannot be opened or is packed in another way. One of
            `BROKEN_GZIP` is raised while reading; see `broken_gzip`.
    """
    with _open(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace") as text:
        yield text


def read_head(path: Path) -> str:
    """Return the first 65,536 bytes of a file, unzipped, as text; those before the fault if it is a broken gzip.

    Raises:
        UserError: see `open_text`.
    """
    return read_start(path).decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n")


def read_start(path: Path) -> bytes:
    """Return the first 65,536 bytes of a file, unzipped; those before the fault if it is a broken gzip.

    Raises:
        UserError: see `open_text`.
    """
    raw = bytearray()
    with _open(path) as stream:
        try:
            while len(raw) < _HEAD and (piece := stream.read1(_HEAD)):
                raw += piece
        except BROKEN_GZIP:
            pass  # whoever reads the whole file meets it again, and knows the record
    return bytes(raw)


def broken_gzip(path: Path, place: str, error: BaseException | str) -> UserError:
    """Return what to tell about a broken gzip file.

    Args:
        path: the file.
        place: what was being read, such as "record 3".
        error: one of `BROKEN_GZIP`, or what is wrong.
    """
    return UserError(f"{path}, {place}: the gzip file is cut short or damaged here ({error}): get it again")


def is_ordinary_gzip(path: Path) -> bool:
    """Say whether a file can be unzipped only from its beginning; one compressed with bgzip can be entered anywhere.

    Raises:
        UserError: if it is compressed with bgzip and its end is missing.
    """
    path = regular_file(path)
    with path.open("rb") as stream:
        head = stream.read(14)
        blocked = len(head) == 14 and bool(head[3] & _EXTRA) and head[12:14] == b"BC"
        if blocked:
            stream.seek(max(path.stat().st_size - len(_BGZIP_END), 0))
            if stream.read() != _BGZIP_END:
                raise broken_gzip(path, "at its end", "bgzip's last block is missing")
    return head.startswith(_GZIP) and not blocked


@contextmanager
def _open(path: Path) -> Iterator[io.BufferedReader | gzip.GzipFile]:
    if path.is_dir():
        raise UserError(f"{path}: is a folder: give a file")
    try:
        raw = regular_file(path).open("rb")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file or folder: check the path") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): check its permissions") from error
    with raw:
        start = raw.peek(64)[:64]
        refuse_other(path, start)
        if not start.startswith(_GZIP):
            yield raw
            return
        with gzip.GzipFile(fileobj=raw) as stream:
            try:
                start = stream.peek(64)[:64]
                if start.startswith(_GZIP):
                    raise UserError(f"{path}: is compressed with gzip twice: unpack it once with 'gunzip'")
                refuse_other(path, start)
            except BROKEN_GZIP:
                pass  # whoever reads the file meets it again, and knows the record
            yield stream


def refuse_workbook(path: Path, start: bytes) -> None:
    """Refuse a zip archive that is an Excel workbook, by its first bytes.

    Raises:
        UserError: if it is one.
    """
    if start.startswith(b"PK\x03\x04") and (_WORKBOOK in start or b"xl/" in start):
        raise UserError(f"{path}: is an Excel workbook: expected text; {_SAVE}")


def refuse_other(path: Path, start: bytes) -> None:
    """Refuse a file that holds no text, by its first bytes.

    Raises:
        UserError: if it is of another kind, with what to do about it.
    """
    refuse_workbook(path, start)
    for magic, (kind, remedy) in _OTHERS.items():
        if start.startswith(magic):
            raise UserError(f"{path}: is {kind}: expected text, plain or compressed with gzip; {remedy}")
    if _PAGE.match(start):
        raise UserError(f"{path}: is a web page or XML, not data (what a failed download leaves): get the file itself")
    if b"\0" in start and not start.startswith(_GZIP):
        raise UserError(f"{path}: holds zero bytes, as UTF-16 text without its mark and damaged files do: {_UTF16}")
