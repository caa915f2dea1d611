"""The GenomicsBenchmarks archive: one zip file a data set, fetched from where it is published, and read as it is."""

import hashlib
import http.client
import json
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

from .alphabet import clean
from .bad_records import Refuse
from .folders import Part, part_of
from .labels import Labelled
from .opening import refuse_workbook, regular_file
from .values import Record

ADDRESS = "https://zenodo.org"
RECORD = "16605299"
DATASETS = (
    "demo_coding_vs_intergenomic_seqs",
    "demo_human_or_worm",
    "drosophila_enhancers_stark",
    "dummy_mouse_enhancers_ensembl",
    "human_enhancers_cohn",
    "human_enhancers_ensembl",
    "human_ensembl_regulatory",
    "human_nontata_promoters",
    "human_ocr_ensembl",
)

_ZIP = b"PK\x03\x04"
_PIECE = 1 << 20
_TIMEOUT = 60
_DEPTH = 3


def fetch(name: str, folder: Path, address: str = ADDRESS) -> Path:
    """Return the zip file of a data set, downloaded unless it is in the folder already.

    The file is kept only if its MD5 sum is the one that the published record states.

    Args:
        name: one of `DATASETS`.
        folder: where the file goes.
        address: the server.

    Returns:
        Path of the file, for `load_splits`.

    Raises:
        UserError: if the name is unknown, the server cannot be reached, or the file arrived damaged or is so already.
    """
    if name not in DATASETS:
        raise UserError(f"no data set {name!r} in GenomicsBenchmarks: it has {', '.join(DATASETS)}")
    file = f"{name}_v0.zip"
    target = folder / file
    if target.exists():
        _check_whole(target)
        return target
    url = f"{address}/records/{RECORD}/files/{file}"
    try:
        with urllib.request.urlopen(f"{address}/api/records/{RECORD}", timeout=_TIMEOUT) as answer:
            record = json.load(answer)
        expected = _published_sum(record, file)
        with atomic_path(target) as temporary:
            found = _download(url, temporary)
            if found != expected:
                raise UserError(f"{url} arrived damaged: its MD5 sum is {found}, published is {expected}: try again")
    except UserError:
        raise
    # Of what answers in another's place, or breaks off, these are errors too.
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise UserError(
            f"{url} could not be fetched ({error}): without a network, download it elsewhere and put it at {target}"
        ) from error
    return target


def is_archive(path: Path) -> bool:
    """Say whether a file is a zip archive."""
    with regular_file(path).open("rb") as stream:
        return stream.read(len(_ZIP)) == _ZIP


def read_archive(path: Path, refuse: Refuse) -> dict[Part, list[Labelled]]:
    """Read the parts of a data set in an archive with entries such as `name/train/positive/12.txt`, a sequence each.

    Args:
        path: the zip file.
        refuse: what to do about a record that cannot be used.

    Raises:
        UserError: if the file is damaged or has no such entries; from `refuse` also if a sequence is unusable.
    """
    parts: dict[Part, list[Labelled]] = {}
    try:
        with zipfile.ZipFile(regular_file(path)) as archive:
            for entry, part, label in _entries(archive):
                held = parts.setdefault(part, [])
                place = f"{path}, record {entry}"
                try:
                    sequence = clean(archive.read(entry).decode("utf-8-sig", errors="replace"), place, refuse.note)
                except UserError as error:
                    refuse(error)
                else:
                    record = Record(PurePosixPath(entry).stem, sequence, str(path), len(held) + 1)
                    held.append(Labelled(record, (label,)))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UserError(f"{path}: not a whole zip file ({error}): download it again") from error
    if "train" not in parts:
        with regular_file(path).open("rb") as stream:
            refuse_workbook(path, stream.read(4096))
        raise UserError(f"{path}: no entries such as name/train/positive/12.txt: expected a GenomicsBenchmarks archive")
    return parts


def _entries(archive: zipfile.ZipFile) -> Iterator[tuple[str, Part, str]]:
    """Name, part and class of each sequence."""
    for name in sorted(archive.namelist()):
        steps = PurePosixPath(name).parts[-_DEPTH:]
        part = part_of(steps[0]) if len(steps) == _DEPTH and name.endswith(".txt") else None
        if part is not None and not name.startswith("__MACOSX"):
            yield name, part, steps[1]


def _check_whole(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError) as error:
        damaged = error
    if damaged is not None:
        raise UserError(f"{path}: not a whole zip file ({damaged}): remove it, and it is downloaded again")


def _published_sum(record: Any, file: str) -> str:
    try:
        sums = {entry["key"]: str(entry["checksum"]).removeprefix("md5:") for entry in record["files"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"the answer about record {RECORD} lists no files with their sums") from error
    if file in sums:
        return sums[file]
    raise UserError(f"record {RECORD} of {ADDRESS} has no file {file}: it may have moved; look at its page")


def _download(url: str, target: Path) -> str:
    """Write what is at an address to a file; its MD5 sum."""
    digest = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, target.open("wb") as stream:
        while piece := answer.read(_PIECE):
            digest.update(piece)
            stream.write(piece)
    return digest.hexdigest()
