"""The long-horizon benchmark sets: what they are, where they come from, and reading them unaltered."""

import difflib
import gzip
import hashlib
import io
import urllib.request
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from titans_seq.errors import UserError
from titans_seq.files import atomic_path

SplitKind = Literal["ett_hour", "ett_minute", "ratio"]
DOWNLOAD_TIMEOUT_S = 60


@dataclass(frozen=True)
class Benchmark:
    """One benchmark set.

    Args:
        name: as papers call it.
        file: name of its CSV file; the same name with `.gz` is accepted too.
        rows: data rows.
        channels: columns besides the date.
        split: how the protocol cuts it into train, validation and test rows.
        step: time between rows, as pandas writes it.
        season: steps of the most natural season (1 where there is none).
        blob_sha1: git's hash of the uncompressed file, None where no reference is known.
        url: plain published address, None where there is none.
    """

    name: str
    file: str
    rows: int
    channels: int
    split: SplitKind
    step: str
    season: int
    blob_sha1: str | None = None
    url: str | None = None


class BenchmarkData(NamedTuple):
    """Contents of a set: `values` float64 [T, V], `dates` as the file gives them, `columns` (V names)."""

    values: np.ndarray
    dates: pd.DatetimeIndex
    columns: tuple[str, ...]


def _ett(name: str, rows: int, split: SplitKind, step: str, season: int, blob_sha1: str) -> Benchmark:
    url = f"https://raw.githubusercontent.com/zhouhaoyi/ETDataset/main/ETT-small/{name}.csv"
    return Benchmark(name, f"{name}.csv", rows, 7, split, step, season, blob_sha1, url)


_ALL = (
    _ett("ETTh1", 17_420, "ett_hour", "1h", 24, "a52c4925778c07c1ef1a2cf6fd01594919717d9e"),
    _ett("ETTh2", 17_420, "ett_hour", "1h", 24, "6e3760778598fdee5208213d3fce122637307eec"),
    _ett("ETTm1", 69_680, "ett_minute", "15min", 96, "62c9f979e2dc5b05d9cc5b38891e60e6baf77417"),
    _ett("ETTm2", 69_680, "ett_minute", "15min", 96, "f9d46027c987d442d2d8f81308d1d8c4d1d35db8"),
    Benchmark(
        "Weather",
        "weather.csv",
        52_696,
        21,
        "ratio",
        "10min",
        144,
        "77d14be4f8a539120eab10d715a1915f2ec5b5d8",
    ),
    Benchmark(
        "Exchange",
        "exchange_rate.csv",
        7_588,
        8,
        "ratio",
        "1D",
        1,
        "6b04ff3158cd1e3b27b708eff0b75e14aaa400fb",
    ),
    Benchmark("ILI", "national_illness.csv", 966, 7, "ratio", "7D", 52, "ae0424af871366ecacc501399fcb730e9200458c"),
    Benchmark("ECL", "electricity.csv", 26_304, 321, "ratio", "1h", 24),
    Benchmark("Traffic", "traffic.csv", 17_544, 862, "ratio", "1h", 24),
)
BENCHMARKS: dict[str, Benchmark] = {benchmark.name: benchmark for benchmark in _ALL}
"""Every known set by name."""


def find_benchmark(name: str) -> Benchmark:
    """Return the set called `name`.

    Raises:
        UserError: no set has this name; close ones are suggested.

    Example:
        >>> find_benchmark("ETTm1").season
        96
    """
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    by_lower = {known.lower(): known for known in BENCHMARKS}
    close = [by_lower[match] for match in difflib.get_close_matches(name.lower(), by_lower)]
    hint = f"did you mean {' or '.join(close)}? " if close else ""
    raise UserError(f"unknown benchmark {name!r}: {hint}known sets are {', '.join(BENCHMARKS)}")


def load_benchmark(name: str, data_dir: Path | str | None, cache_dir: Path | str | None = None) -> BenchmarkData:
    """Read a benchmark set and check that it is the published file.

    Looks for the file, plain or with `.gz`, in `data_dir` and `data_dir/ltsf`, then in `cache_dir`; if it
    lies in none of them and has a published address, downloads it into `cache_dir`.

    Args:
        name: of the set.
        data_dir: folder the user keeps data in, never written to.
        cache_dir: folder for downloads; None forbids downloading.

    Raises:
        UserError: the name is unknown, the file is absent and cannot be downloaded, or its content is not the
            published one.
    """
    benchmark = find_benchmark(name)
    folders = [] if data_dir is None else [Path(data_dir), Path(data_dir) / "ltsf"]
    if cache_dir is not None:
        folders.append(Path(cache_dir))
    path = _find(benchmark, folders)
    if path is None:
        path = _download(benchmark, folders, cache_dir)
    return _parse(benchmark, path, _verified(benchmark, path))


def git_blob_sha1(content: bytes) -> str:
    """Return the hash git gives to a file of this content.

    Example:
        >>> git_blob_sha1(b"")
        'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391'
    """
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _find(benchmark: Benchmark, folders: Sequence[Path]) -> Path | None:
    names = dict.fromkeys([benchmark.file, f"{benchmark.name}.csv"])
    candidates = (folder / (name + suffix) for folder in folders for name in names for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _download(benchmark: Benchmark, searched: Sequence[Path], cache_dir: Path | str | None) -> Path:
    places = " or ".join(str(folder) for folder in searched) or "any folder (none was given)"
    missing = f"{benchmark.name}: no {benchmark.file} or {benchmark.file}.gz in {places}"
    if benchmark.url is None:
        raise UserError(f"{missing}, and it has no published plain address; put the file into the data folder")
    if cache_dir is None:
        raise UserError(f"{missing}; get it from {benchmark.url}, or give a cache folder to download it to")
    try:
        with urllib.request.urlopen(benchmark.url, timeout=DOWNLOAD_TIMEOUT_S) as response:
            content = response.read()
        _check_content(benchmark, benchmark.url, content)
        target = Path(cache_dir) / benchmark.file
        with atomic_path(target) as temporary:
            temporary.write_bytes(content)
        return target
    except (OSError, HTTPException) as error:
        raise UserError(
            f"{missing}, and downloading {benchmark.url} to {cache_dir} failed ({error}); "
            "check the network, or put the file into the data folder by hand"
        ) from error


def _verified(benchmark: Benchmark, path: Path) -> bytes:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error}); delete it and fetch it again") from error
    return _check_content(benchmark, str(path), content)


def _check_content(benchmark: Benchmark, source: str, content: bytes) -> bytes:
    # Copies differ in their line ends; the registered hashes are of files with plain line feeds.
    if benchmark.blob_sha1 not in (
        None,
        git_blob_sha1(content),
        git_blob_sha1(content.replace(b"\r\n", b"\n")),
    ):
        raise UserError(
            f"{source} is not the published {benchmark.name} file: its git blob hash is "
            f"{git_blob_sha1(content)}, expected {benchmark.blob_sha1}; delete it and fetch it again"
        )
    return content


def _parse(benchmark: Benchmark, path: Path, content: bytes) -> BenchmarkData:
    try:
        frame = pd.read_csv(io.BytesIO(content), encoding_errors="replace")
        dates = pd.DatetimeIndex(pd.to_datetime(frame.pop("date")))
        values = frame.to_numpy(dtype=np.float64)
    except (ValueError, KeyError) as error:
        raise UserError(f"{path} is not a table with a column 'date' and numbers besides it: {error}") from error
    if values.shape != (benchmark.rows, benchmark.channels):
        raise UserError(
            f"{path} has {values.shape[0]} rows of {values.shape[1]} channels, the published "
            f"{benchmark.name} file has {benchmark.rows} of {benchmark.channels}; fetch it again"
        )
    return BenchmarkData(values, dates, tuple(frame.columns))
