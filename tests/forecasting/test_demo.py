from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.demo import demo_config, main, write_co2
from forecasting.network.mixers import MemoryMixer


def test_the_series_is_the_real_one(tmp_path: Path):
    write_co2(tmp_path / "co2.csv")
    frame = pd.read_csv(tmp_path / "co2.csv", parse_dates=["week"])
    assert list(frame.columns) == ["week", "CO2 (ppm)"]
    assert len(frame) == 2284
    assert frame["CO2 (ppm)"].isna().sum() == 59
    assert frame["CO2 (ppm)"].iloc[0] == pytest.approx(316.1)
    assert set(np.diff(frame["week"].to_numpy())) == {np.timedelta64(7, "D")}


def test_it_is_of_the_memory_with_quantiles():
    config = demo_config(3)
    assert isinstance(config.network.mixer, MemoryMixer)
    assert config.output.size == 9
    assert (config.context, config.horizon, config.optimiser.epochs) == (208, 104, 3)


def test_it_writes_a_dated_forecast_a_picture_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "demo"
    assert main(["--out", str(out), "--epochs", "1"]) == 0
    said = capsys.readouterr().out
    assert "every one of 353 test windows" in said
    for name in ("model", "repeat last", "seasonal naive 52", "closed-form linear"):
        assert f"\n{name} " in said
    last = said[said.index("done:") :]
    assert str(out / "forecast.csv") in last
    assert str(out / "forecast.png") in last
    forecast = pd.read_csv(out / "forecast.csv", parse_dates=["week"]).rename(columns={"week": "time"})
    assert len(forecast) == 104
    assert forecast["time"].iloc[0] == pd.Timestamp("2002-01-05")
    assert forecast["time"].iloc[-1] == pd.Timestamp("2003-12-27")
    assert forecast["0.5"].between(350, 400).all()
    assert (forecast["0.9"] > forecast["0.1"]).all()
    assert (out / "forecast.png").read_bytes().startswith(b"\x89PNG")
    assert {entry.name for entry in out.iterdir()} == {"co2.csv", "run", "forecast.csv", "forecast.png"}


def test_a_folder_that_is_taken_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep")
    assert main(["--out", str(tmp_path), "--epochs", "1"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert (tmp_path / "run" / "mine.txt").read_text() == "keep"
