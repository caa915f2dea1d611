"""Totals of series, and forecasts of them that add up."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting.data import FrameOptions, SeriesData, from_frame
from forecasting.data.hierarchies import TOTAL, Hierarchy, add_totals
from forecasting.evaluation.coherent import Coherent, Reconciliation
from forecasting.evaluation.origins import cut_origins
from forecasting.evaluation.statistical import SeasonalNaive
from forecasting.forecasts.forecaster import Forecast
from forecasting.zero_shot.model import ZeroShotModel
from titans_seq.cli import main
from titans_seq.errors import UserError

SHOPS = (("n", "a"), ("n", "b"), ("n", "c"), ("s", "a"), ("s", "b"))


def sales(rows: int = 40, scale: float = 1.5) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    week = np.sin(np.arange(rows) * 2 * np.pi / 7)
    days = pd.date_range("2024-01-01", periods=rows)
    frames = [
        pd.DataFrame(
            {"area": area, "shop": shop, "day": days, "sold": scale * (5 + number + week + rng.normal(size=rows))}
        )
        for number, (area, shop) in enumerate(SHOPS)
    ]
    return pd.concat(frames, ignore_index=True)


def read(frame: pd.DataFrame) -> SeriesData:
    return from_frame(frame, FrameOptions(id=("area", "shop"), target=("sold",)))


@pytest.fixture(scope="module")
def hierarchy() -> Hierarchy:
    return add_totals(read(sales()))


class Stub:
    """The last value and a spread of its own, by the level of the node, far from adding up."""

    def forecast(self, data: SeriesData, horizon: int, levels: Any = (0.1, 0.5, 0.9)) -> Forecast:
        mean = np.stack(
            [np.resize(item.values[-1:], (horizon, 1)) * (1.3 if TOTAL in item.ids else 1) for item in data.items]
        )
        return Forecast(mean, mean[..., None] + np.array([-1.0, 0.0, 2.0]), (0.1, 0.5, 0.9))


def test_every_level_is_the_sum_of_its_series(hierarchy: Hierarchy) -> None:
    assert hierarchy.levels == ("total", "area", "area", *["area/shop"] * 5)
    assert [item.ids for item in hierarchy.data.items[:4]] == [(TOTAL, TOTAL), ("n", TOTAL), ("s", TOTAL), ("n", "a")]
    frame = sales()
    by_day = frame.groupby("day")["sold"].sum().to_numpy()
    south = frame[frame["area"] == "s"].groupby("day")["sold"].sum().to_numpy()
    np.testing.assert_allclose(hierarchy.data.items[0].values[:, 0], by_day, rtol=1e-12)
    np.testing.assert_allclose(hierarchy.data.items[2].values[:, 0], south, rtol=1e-12)
    north = frame.loc[frame["area"] == "n", ["shop", "day", "sold"]]
    one = add_totals(from_frame(north, FrameOptions(id="shop")))
    assert one.describe() == "1 total and 3 shop"


def test_totals_have_names_of_their_own_where_identifiers_hold_slashes() -> None:
    rows = [("n/x", "p"), ("n", "x"), ("s", "y")]
    frame = pd.concat([sales(12)[:12].assign(area=area, shop=shop) for area, shop in rows])
    names = [item.name for item in add_totals(read(frame)).data.items]
    assert len(set(names)) == len(names) == 1 + 3 + 3


def assert_adds_up(hierarchy: Hierarchy, mean: np.ndarray) -> None:
    below = mean[3:, :, 0]
    expected = np.stack([below.sum(0), below[:3].sum(0), below[3:].sum(0), *below])
    np.testing.assert_allclose(mean[..., 0], expected, rtol=0, atol=1e-8)


def test_from_the_bottom(hierarchy: Hierarchy) -> None:
    own, made = (Coherent(Stub(), hierarchy, way).forecast(hierarchy.data, 3) for way in ("none", "bottom-up"))
    assert_adds_up(hierarchy, made.mean)
    np.testing.assert_array_equal(made.mean[3:], own.mean[3:])
    # Quantiles keep their distances from the mean.
    np.testing.assert_allclose(made.quantiles - made.mean[..., None], own.quantiles - own.mean[..., None], atol=1e-9)
    with pytest.raises(AssertionError):
        assert_adds_up(hierarchy, own.mean)


def test_mint_is_the_projection_by_the_shrunk_covariance_of_past_errors(hierarchy: Hierarchy) -> None:
    pytest.importorskip("hierarchicalforecast")
    horizon, naive = 4, SeasonalNaive()
    made = Coherent(naive, hierarchy, "mint").forecast(hierarchy.data, horizon)
    assert_adds_up(hierarchy, made.mean)
    origins = cut_origins(hierarchy.data, horizon, windows=5)
    errors = [one.actual - naive.forecast(one.past, horizon).mean for one in origins]
    residuals = np.concatenate(errors, 1)[..., 0]
    weights = _shrunk(residuals)
    summing = hierarchy.summing.toarray()
    inverse = np.linalg.inv(weights)
    own = naive.forecast(hierarchy.data, horizon).mean[..., 0]
    expected = summing @ np.linalg.solve(summing.T @ inverse @ summing, summing.T @ inverse @ own)
    np.testing.assert_allclose(made.mean[..., 0], expected, rtol=1e-4)


def _shrunk(residuals: np.ndarray) -> np.ndarray:
    """Schäfer and Strimmer's covariance, correlations shrunk towards none, as Wickramasuriya et al. have it."""
    count = residuals.shape[1]
    centred = residuals - residuals.mean(1, keepdims=True)
    covariance = centred @ centred.T / (count - 1)
    deviation = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviation, deviation)
    standard = centred / deviation[:, None]
    products = standard[:, None] * standard[None]
    variance = count / (count - 1) ** 3 * ((products - products.mean(-1, keepdims=True)) ** 2).sum(-1)
    off = ~np.eye(len(residuals), dtype=bool)
    share = np.clip(variance[off].sum() / (correlation[off] ** 2).sum(), 0, 1)
    return np.where(off, (1 - share) * covariance, covariance)


@pytest.mark.parametrize("scale", [1e-9, 1e12])
def test_mint_knows_no_units(scale: float) -> None:
    pytest.importorskip("hierarchicalforecast")
    plain, scaled = (add_totals(read(sales(scale=size))) for size in (1.0, scale))
    made, other = (Coherent(SeasonalNaive(), one, "mint").forecast(one.data, 4) for one in (plain, scaled))
    np.testing.assert_allclose(other.mean / scale, made.mean, rtol=1e-6)


def test_mint_without_errors_is_refused() -> None:
    pytest.importorskip("hierarchicalforecast")
    hierarchy = add_totals(read(sales().assign(sold=0.0)))
    with pytest.raises(UserError, match="nearly all of these were exact"):
        Coherent(SeasonalNaive(), hierarchy, "mint").forecast(hierarchy.data, 4)


def test_mint_leaves_out_values_that_were_put_into_holes() -> None:
    frame = sales()
    kept = frame.loc[(frame["shop"] != "a") | ~frame["day"].between("2024-01-31", "2024-02-03")]
    filled = add_totals(
        from_frame(pd.DataFrame(kept), FrameOptions(id=("area", "shop"), target=("sold",), holes="interpolate"))
    )
    assert filled.data.items[0].inserted.sum() == filled.data.items[3].inserted.sum() == 4
    assert not filled.data.items[4].inserted.any()
    forecast = Coherent(SeasonalNaive(), filled, "mint").forecast(filled.data, 7)
    assert np.isfinite(forecast.mean).all()


def test_counts_stay_counts_and_add_up() -> None:
    frame = sales()
    frame["sold"] = (frame["sold"] > 14).astype(float)
    hierarchy = add_totals(read(frame))

    class Below(Stub):
        def forecast(self, data: SeriesData, horizon: int, levels: Any = ()) -> Forecast:
            made = super().forecast(data, horizon)
            return replace(made, mean=made.mean - 0.5, quantiles=made.quantiles - 0.5)

    made = Coherent(Below(), hierarchy, "bottom-up").forecast(hierarchy.data, 3)
    assert made.mean.min() == 0
    assert made.quantiles.min() == 0
    assert_adds_up(hierarchy, made.mean)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.iloc[:-1], "do not end together"),
        (lambda frame: frame.iloc[1:], "do not begin together"),
        (lambda frame: frame.assign(sold=frame["sold"].where(frame.index != 50)), "'n/b' has no value at 2024-01-11"),
        (lambda frame: frame.iloc[:40], "the file has one"),
        (lambda frame: frame.assign(area=frame["area"].replace("s", TOTAL)), "itself called a total"),
        (lambda frame: frame.assign(shop=frame["shop"].where(frame.index != 3)), "no id in column 'shop'"),
    ],
)
def test_what_has_no_total_is_refused(change: Any, message: str) -> None:
    with pytest.raises(UserError, match=message.replace("(", r"\(").replace(")", r"\)")):
        add_totals(read(change(sales())))


def test_other_columns_that_have_no_total() -> None:
    wide = from_frame(sales().pivot_table(index="day", columns=["area", "shop"], values="sold").reset_index())
    with pytest.raises(UserError, match="the file has none: name their columns with --id"):
        add_totals(wide)
    known = from_frame(sales().assign(price=1.0), FrameOptions(id=("area", "shop"), target=("sold",), known=("price",)))
    with pytest.raises(UserError, match="known ahead .price. has no total"):
        add_totals(known)
    named = from_frame(sales().rename(columns={"area": "level"}), FrameOptions(id=("level", "shop")))
    with pytest.raises(UserError, match="'level' has the name of the one"):
        add_totals(named)


@pytest.mark.parametrize("method", ["bottom-up", "mint"])
def test_the_command_line_writes_all_levels(
    method: Reconciliation, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if method == "mint":
        pytest.importorskip("hierarchicalforecast")
    sales().to_csv(tmp_path / "a.csv", index=False)
    command = [str(tmp_path / "a.csv"), *"--id area --id shop --horizon 4 --hierarchy".split(), method, "--out"]
    assert main(["forecast", "predict", *command, str(tmp_path / "f.csv")]) == 0
    said = capsys.readouterr().out
    assert "hierarchy    1 total, 2 area and 5 area/shop: means " in said
    made = pd.read_csv(tmp_path / "f.csv")
    assert made.columns.tolist()[:5] == ["area", "shop", "level", "day", "mean"]
    assert made["level"].value_counts().to_dict() == {"total": 4, "area": 8, "area/shop": 20}
    assert (made.loc[made["level"] == "area", "shop"] == TOTAL).all()
    by_level = made.groupby(["level", "day"])["mean"].sum().unstack()
    np.testing.assert_allclose(by_level.loc["total"], by_level.loc["area/shop"], rtol=0, atol=1e-8)
    np.testing.assert_allclose(by_level.loc["total"], by_level.loc["area"], rtol=0, atol=1e-8)
    model = replace(ZeroShotModel.pretrained(), options=FrameOptions(id=("area", "shop")))
    same = model.calibrated(sales(), 4, hierarchy=True).predict(sales(), 4, hierarchy=method)
    np.testing.assert_allclose(made[["mean", "0.1", "0.9"]], same[["mean", "0.1", "0.9"]], rtol=1e-6)
    if method == "mint":
        return
    assert main(["forecast", "backtest", *command, str(tmp_path / "b.csv"), "--windows", "2"]) == 0
    said = capsys.readouterr().out
    assert "bottom-up  " in said
    past = pd.read_csv(tmp_path / "b.csv")
    by_level = past.groupby(["level", "cutoff", "day"])[["mean", "actual"]].sum()
    np.testing.assert_allclose(by_level.loc["total"], by_level.loc["area/shop"], rtol=0, atol=1e-8)
    assert len(past) == 8 * 4 * 2


def test_mint_without_its_extra_is_one_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "hierarchicalforecast", None)
    sales().to_csv(tmp_path / "a.csv", index=False)
    command = [str(tmp_path / "a.csv"), *"--id area --id shop --horizon 4 --hierarchy mint --no-calibration".split()]
    assert main(["forecast", "predict", *command, "--out", str(tmp_path / "f.csv")]) == 2
    said = capsys.readouterr()
    assert said.out == ""  # nothing was computed in vain
    assert "--hierarchy mint needs the package 'hierarchicalforecast', which is not installed: " in said.err
    assert "titans-seq[hierarchies]" in said.err
    assert not (tmp_path / "f.csv").exists()
