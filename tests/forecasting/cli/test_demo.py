from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecasting.cli import demo
from forecasting.cli.demo import write_co2
from titans_seq.cli import main


def test_the_series_is_the_real_one(tmp_path: Path):
    write_co2(tmp_path / "co2.csv")
    frame = pd.read_csv(tmp_path / "co2.csv", parse_dates=["week"])
    assert list(frame.columns) == ["week", "CO2 (ppm)"]
    assert len(frame) == 2284
    assert frame["CO2 (ppm)"].isna().sum() == 59
    assert frame["CO2 (ppm)"].iloc[0] == pytest.approx(316.1)
    assert set(np.diff(frame["week"].to_numpy())) == {np.timedelta64(7, "D")}


@pytest.mark.usefixtures("blank_pictures")
def test_it_forecasts_at_once_and_trained_with_a_picture_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def write_end(path: Path) -> None:
        """The last 700 of 2,284 weeks, as the models that are compared with take long for all."""
        write_co2(path)
        rows = path.read_text().splitlines(keepends=True)
        path.write_text("".join([rows[0], *rows[-700:]]))

    monkeypatch.setattr(demo, "write_co2", write_end)
    out = tmp_path / "demo"
    assert main(["forecast", "demo", "--out", str(out), "--steps", "1"]) == 0
    said = capsys.readouterr().out
    for name in ("zero-shot", "fine-tuned", "seasonal naive", "seasonal naive 52", "AutoTheta"):
        assert f"\n{name} " in said
    for name in ("at_once", "trained"):
        assert str(out / f"{name}.csv") in said
        forecast = pd.read_csv(out / f"{name}.csv", parse_dates=["time"])
        assert len(forecast) == 104
        assert forecast["time"].iloc[[0, -1]].tolist() == [pd.Timestamp("2002-01-05"), pd.Timestamp("2003-12-27")]
        assert forecast["0.5"].between(350, 400).all()
        assert (forecast["0.9"] > forecast["0.1"]).all()
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("steps", ["1", "0"])
def test_what_does_not_fit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], steps: str):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep")
    assert main(["forecast", "demo", "--out", str(tmp_path), "--steps", steps]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert (tmp_path / "run" / "mine.txt").read_text() == "keep"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
