"""Series shared out among workers: the same forecasts, and one message where a worker fails."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, SeriesData, from_frame
from forecasting.evaluation.statistical import SeasonalNaive
from forecasting.forecasts.forecaster import Forecast
from forecasting.forecasts.sharding import Engine, dask_engine, shards
from titans_seq.cli import main
from titans_seq.errors import UserError

DAYS = pd.date_range("2024-01-01", periods=40)


def sales(shops: int = 7) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.concat(
        [pd.DataFrame({"shop": f"s{n}", "day": DAYS, "sold": n + rng.normal(size=40)}) for n in range(shops)],
        ignore_index=True,
    )


@pytest.fixture(scope="module")
def data() -> SeriesData:
    return from_frame(sales(), FrameOptions(id="shop"))


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """Two workers that are threads of this process, which costs no second import."""
    distributed = pytest.importorskip("distributed")
    local = {"processes": False, "n_workers": 2, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with distributed.LocalCluster(**local) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        yield Engine(client)


def test_shards_hold_every_series_once_and_in_order(data: SeriesData) -> None:
    parts, axis = shards(data, 3)
    assert axis == 0
    assert [[item.name for item in part.items] for part in parts] == [["s0", "s1", "s2"], ["s3", "s4"], ["s5", "s6"]]
    assert len(shards(data, 100)[0]) == 7


def test_forecasts_are_those_of_one_piece(engine: Engine, data: SeriesData) -> None:
    assert engine.workers == 2
    wide = from_frame(sales(5).pivot_table(index="day", columns="shop", values="sold").reset_index())
    for series in (data, wide):
        whole = SeasonalNaive().forecast(series, 4)
        parted = engine.spread(SeasonalNaive()).forecast(series, 4)
        np.testing.assert_array_equal(parted.mean, whole.mean)
        np.testing.assert_array_equal(parted.quantiles, whole.quantiles)
        assert parted.levels == whole.levels


def test_what_a_shard_refuses_is_asked_of_all(engine: Engine, data: SeriesData) -> None:
    class Picky(SeasonalNaive):
        def forecast(self, data: SeriesData, horizon: int, levels: Any = ()) -> Forecast:
            if len(data.items) < 7:
                raise UserError("too few series")
            return super().forecast(data, horizon)

    assert engine.spread(Picky()).forecast(data, 4).mean.shape == (7, 4, 1)


def test_a_failure_on_a_worker_is_one_message(engine: Engine, data: SeriesData) -> None:
    class Broken:
        def forecast(self, data: SeriesData, horizon: int, levels: Any = ()) -> Forecast:
            raise MemoryError("no room")

    with pytest.raises(UserError, match=r"a worker of --engine dask failed \(MemoryError: no room\)"):
        engine.spread(Broken()).forecast(data, 4)


def test_numbers_and_addresses_of_workers_are_checked() -> None:
    with pytest.raises(UserError, match="give one of them"), dask_engine(2, "tcp://127.0.0.1:1"):
        pass
    with pytest.raises(UserError, match="--workers must be at least 1"), dask_engine(0):
        pass


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--workers", "2"], "are for --engine dask"), (["--engine", "dask"], "titans-seq[dask]")],
)
def test_a_refusal_leaves_nothing(
    options: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    sales().to_csv(tmp_path / "a.csv", index=False)
    command = ["forecast", "predict", str(tmp_path / "a.csv"), "--horizon", "4", *options]
    assert main([*command, "--out", str(tmp_path / "f.csv")]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.slow
def test_two_processes_forecast_a_file_as_one_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    sales().to_csv(tmp_path / "a.csv", index=False)
    for verb in ("predict", "backtest"):
        made = []
        for name, engine in (("one.csv", []), ("two.csv", ["--engine", "dask", "--workers", "2"])):
            command = ["forecast", verb, str(tmp_path / "a.csv"), "--horizon", "4", "--out", str(tmp_path / name)]
            assert main([*command, *engine]) == 0
            made.append(pd.read_csv(tmp_path / name))
        # Batches of other sizes round otherwise in float32.
        pd.testing.assert_frame_equal(*made, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_worker_that_dies_is_one_message(data: SeriesData) -> None:
    pytest.importorskip("distributed")

    class Deadly:
        def forecast(self, data: SeriesData, horizon: int, levels: Any = ()) -> Forecast:
            os._exit(1)

    with dask_engine(2) as engine, pytest.raises(UserError, match="a worker of --engine dask failed"):
        engine.spread(Deadly()).forecast(data, 4)
