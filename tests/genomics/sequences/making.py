"""Files for the tests."""

import gzip
from pathlib import Path

from Bio import bgzf


def write(path: Path, text: str) -> Path:
    """Write a text file, compressed as its name says; folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".bgz":
        with bgzf.BgzfWriter(str(path)) as stream:
            stream.write(text.encode())
    else:
        path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def truncate(path: Path, share: float = 0.5) -> Path:
    """Cut a file short."""
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    return path
