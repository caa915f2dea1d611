import dataclasses
import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.benchmark import datasets
from forecasting.benchmark.datasets import Benchmark, find_benchmark, git_blob_sha1, load_benchmark
from titans_seq.errors import UserError

CONTENT = b"date,a,b\n2020-01-01,1.5,2\n2020-01-02,3,-4\n"


@pytest.fixture
def tiny(monkeypatch, tmp_path) -> Benchmark:
    """A two-row set registered as Tiny, published at a file address."""
    published = tmp_path / "published.csv"
    published.write_bytes(CONTENT)
    tiny = Benchmark("Tiny", "tiny_set.csv", 2, 2, "ratio", "1D", 7, git_blob_sha1(CONTENT), published.as_uri())
    monkeypatch.setitem(datasets.BENCHMARKS, "Tiny", tiny)
    return tiny


@pytest.mark.parametrize("place", ["tiny_set.csv", "ltsf/tiny_set.csv.gz", "Tiny.csv", "ltsf/Tiny.csv.gz"])
def test_finds_the_file_as_it_lies(tiny, tmp_path, place):
    path = tmp_path / "data" / place
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(CONTENT) if path.suffix == ".gz" else CONTENT)
    values, dates, columns = load_benchmark("Tiny", tmp_path / "data")
    np.testing.assert_array_equal(values, [[1.5, 2], [3, -4]])
    assert values.dtype == np.float64
    assert dates.tolist() == [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-01-02")]
    assert columns == ("a", "b")


def test_other_line_ends_are_the_same_file(tiny, tmp_path):
    (tmp_path / "tiny_set.csv").write_bytes(CONTENT.replace(b"\n", b"\r\n"))
    assert load_benchmark("Tiny", tmp_path).values.shape == (2, 2)


def test_downloads_once_into_the_cache_folder_only(tiny, tmp_path, monkeypatch):
    data, cache = tmp_path / "data", tmp_path / "cache"
    data.mkdir()
    first = load_benchmark("Tiny", data, cache)
    assert (cache / "tiny_set.csv").read_bytes() == CONTENT
    assert list(data.iterdir()) == []
    monkeypatch.setitem(datasets.BENCHMARKS, "Tiny", dataclasses.replace(tiny, url="file:///gone"))
    np.testing.assert_array_equal(load_benchmark("Tiny", None, cache).values, first.values)


def test_a_download_that_is_not_the_published_file_is_not_kept(tiny, tmp_path):
    (tmp_path / "published.csv").write_bytes(CONTENT + b"2020-01-03,0,0\n")
    with pytest.raises(UserError, match="published.csv is not the published Tiny file: .* delete it and fetch"):
        load_benchmark("Tiny", None, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_absent_files_say_where_they_were_looked_for(tiny, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"no tiny_set.csv or tiny_set.csv.gz in .*nowhere or .*ltsf; get it from file"):
        load_benchmark("Tiny", tmp_path / "nowhere")
    with pytest.raises(UserError, match=r"in any folder \(none was given\)"):
        load_benchmark("Tiny", None)
    (tmp_path / "published.csv").unlink()
    with pytest.raises(UserError, match="downloading file:.* failed .* put the file into the data folder by hand"):
        load_benchmark("Tiny", None, tmp_path / "cache")
    monkeypatch.setitem(datasets.BENCHMARKS, "Tiny", dataclasses.replace(tiny, url=None))
    with pytest.raises(UserError, match="no published plain address; put the file into the data folder"):
        load_benchmark("Tiny", tmp_path / "nowhere", tmp_path / "cache")


def test_damaged_files_are_refused(tiny, tmp_path, monkeypatch):
    path = tmp_path / "tiny_set.csv"
    path.write_bytes(CONTENT.replace(b"-4", b"-5"))
    with pytest.raises(UserError, match=f"{path} is not the published Tiny file: its git blob hash is"):
        load_benchmark("Tiny", tmp_path)
    path.unlink()
    for content in (b"no gzip", gzip.compress(CONTENT)[:-9]):
        path.with_suffix(".csv.gz").write_bytes(content)
        with pytest.raises(UserError, match=r"tiny_set.csv.gz cannot be read .*; delete it and fetch it again"):
            load_benchmark("Tiny", tmp_path)
    monkeypatch.setitem(datasets.BENCHMARKS, "Tiny", dataclasses.replace(tiny, blob_sha1=None, rows=3))
    path.write_bytes(CONTENT)
    with pytest.raises(UserError, match="has 2 rows of 2 channels, the published Tiny file has 3 of 2"):
        load_benchmark("Tiny", tmp_path)
    path.write_bytes(b"day,a,b\n1,2,3\n")
    with pytest.raises(UserError, match="not a table with a column 'date'"):
        load_benchmark("Tiny", tmp_path)
    path.write_bytes(b"date,a,b\n2020-01-01,x,3\n")
    with pytest.raises(UserError, match="could not convert string to float"):
        load_benchmark("Tiny", tmp_path)


def test_unknown_names_suggest_close_ones():
    with pytest.raises(UserError, match="unknown benchmark 'etth1': did you mean ETTh1 .*known sets are ETTh1, ETTh2,"):
        find_benchmark("etth1")
    with pytest.raises(UserError, match="unknown benchmark 'zzz': known sets are"):
        find_benchmark("zzz")


@pytest.mark.parametrize("name", ["ETTh1", "ETTm1", "Weather", "Exchange", "ILI"])
def test_real_files_are_the_published_ones(shared_data: Path, name):
    benchmark = find_benchmark(name)
    data = load_benchmark(name, shared_data / "forecasting")
    assert data.values.shape == (benchmark.rows, benchmark.channels)
    assert len(data.dates) == benchmark.rows
    assert len(data.columns) == benchmark.channels
    assert "date" not in data.columns
    assert np.isfinite(data.values).all()
    steps = np.diff(data.dates.to_numpy())
    assert np.median(steps) == pd.to_timedelta(benchmark.step).to_timedelta64()
