import itertools
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from forecasting.runs.plotting import Panel, plot_forecast, plot_training, quantile_levels
from titans_seq.errors import UserError
from titans_seq.experiment.history import History
from titans_seq.pictures import check_picture


def panel(dates: bool = True, levels: tuple[float, ...] = (0.1, 0.5, 0.9)) -> Panel:
    times = pd.Series(pd.date_range("2020-01-05", periods=60, freq="W") if dates else range(60))
    values = np.sin(np.arange(60) / 4)
    history = pd.DataFrame({"time": times[:50], "value": values[:50]})
    history.loc[5:8, "value"] = np.nan

    def forecast(rows: slice) -> pd.DataFrame:
        frame = pd.DataFrame({"series": "a", "time": times[rows], "mean": values[rows]})
        return frame.assign(**{f"{level:g}": values[rows] + level - 0.5 for level in levels})

    return Panel("sales (pieces)", history, forecast(slice(50, 60)), forecast(slice(40, 50)))


def darkness(path: Path) -> float:
    pixels = matplotlib.image.imread(path)[..., :3]
    return float((pixels.min(axis=2) < 0.9).mean())


@pytest.mark.parametrize(
    ("dates", "levels"),
    [(True, (0.1, 0.5, 0.9)), (False, ()), (True, (0.9,)), (False, tuple(np.arange(1, 10) / 10))],
)
def test_forecast_picture(tmp_path: Path, dates: bool, levels: tuple[float, ...]):
    path = tmp_path / "deep" / "a.png"
    plot_forecast([panel(dates, levels)] * 2, path, "two series")
    # Drawn on, and not blotted out.
    assert 0.01 < darkness(path) < 0.4
    assert [entry.name for entry in path.parent.iterdir()] == ["a.png"]


def test_without_a_check_and_with_an_empty_history(tmp_path: Path):
    whole = panel()
    empty = whole.history.assign(value=np.nan)
    plot_forecast([Panel("a", empty, whole.forecast)], tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text()
    assert text.startswith("<?xml")


def test_dates_are_drawn_in_their_zone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hours = pd.date_range("2024-01-01", periods=12, freq="h", tz="Asia/Kolkata")
    history = pd.DataFrame({"time": hours[:9], "value": np.arange(9.0)})
    forecast = pd.DataFrame({"time": hours[9:], "mean": np.arange(3.0)})
    drawn = []
    monkeypatch.setattr("forecasting.runs.plotting.save_picture", lambda figure, path: drawn.append(figure))
    plot_forecast([Panel("a", history, forecast)], tmp_path / "a.png")
    (axis,) = drawn[0].axes
    drawn[0].draw_without_rendering()
    # In UTC the last of them is 05:30.
    assert "10:00" in [tick.get_text() for tick in axis.get_xticklabels()]
    assert axis.get_xlabel() == "time in Asia/Kolkata"


def test_training_picture(tmp_path: Path):
    losses = [(1, 3.0, 3.0), (2, 2.0, 2.0), (3, 1.0, 2.5)]
    whole = [{"epoch": n, "loss": loss, "validation_loss": held, "best_epoch": 2} for n, loss, held in losses]
    alone = [{"epoch": n, "loss": loss, "best_epoch": n} for n, loss, _ in losses]
    by_step = pd.DataFrame({"model": ["model"] * 2 + ["far"] * 2, "step": [1, 2] * 2, "mse": [1, 2, 1e9, 1e9]})
    plot_training(History(tuple(whole)), by_step, tmp_path / "both.png")
    plot_training(History(tuple(alone)), None, tmp_path / "one.png")
    wide, narrow = (matplotlib.image.imread(tmp_path / f"{name}.png").shape[1] for name in ("both", "one"))
    assert wide == 2 * narrow


def test_a_step_without_a_score_is_left_out(tmp_path: Path):
    history = History(({"epoch": 1, "loss": 1.0, "validation_loss": 1.0, "best_epoch": 1},))
    by_step = pd.DataFrame({"model": ["model"] * 2, "step": [1, 2], "mse": [1.0, np.nan]})
    plot_training(history, by_step, tmp_path / "a.png")
    assert darkness(tmp_path / "a.png") > 0.01


def test_quantile_levels_are_sorted_numbers():
    frame = pd.DataFrame({name: [] for name in ("series", "cutoff", "time", "actual", "mean", "0.9", "0.05")})
    assert quantile_levels(frame) == [0.05, 0.9]


def test_an_unknown_format_is_refused_and_nothing_written(tmp_path: Path):
    with pytest.raises(UserError, match=r"a\.jpeg: expected a name that ends in \.png, \.pdf, \.svg"):
        plot_forecast([panel()], tmp_path / "a.jpeg")
    with pytest.raises(UserError, match="cannot draw to x"):
        check_picture("x")
    assert not list(tmp_path.iterdir())


def test_names_are_drawn_as_written(tmp_path: Path):
    one, names = panel(), (r"50% $\bad$", "price ($/MWh) vs cost $", "$x_{", "_hidden", "100% \\frac{x")
    plot_forecast([Panel(name, one.history, one.forecast) for name in names], tmp_path / "a.svg", "title")
    assert (tmp_path / "a.svg").read_bytes().startswith(b"<?xml")


def test_long_names_keep_to_their_panels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one, drawn = panel(), []
    monkeypatch.setattr("forecasting.runs.plotting.save_picture", lambda figure, path: drawn.append(figure))
    names = ["north " * 50 + "end", "two\nlines " * 20, "STORE_" * 50, "$x_1^2$ " * 40]
    plot_forecast([Panel(name, one.history, one.forecast) for name in names], tmp_path / "a.png")
    drawn[0].draw_without_rendering()
    extents = [axis.yaxis.label.get_window_extent() for axis in drawn[0].axes]
    assert all(lower.y1 < upper.y0 for upper, lower in itertools.pairwise(extents))
    assert drawn[0].axes[0].get_ylabel() == "north north nort…north north end"


def test_letters_that_no_font_has_are_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    one = panel()
    # Of a script that no font of a bare machine has; a Greek name is in the standard font.
    for name, said in (("\N{EGYPTIAN HIEROGLYPH A001}" * 3, 1), ("πωλήσεις", 0)):
        caplog.clear()
        plot_forecast([Panel(name, one.history, one.forecast)] * 2, tmp_path / "a.png")
        assert sum("no font here has the letters" in record.message for record in caplog.records) == said
