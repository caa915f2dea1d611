"""Columns that are the same in all rows of a series: found, encoded, used, kept and checked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from forecasting.data import FrameOptions, from_frame
from forecasting.model import ForecastModel
from forecasting.network.mixers import IdentityMixer
from forecasting.network.normalise import NormaliseConfig
from forecasting.network.outputs import Point
from forecasting.network.simba_network import NetworkConfig, build_network
from forecasting.settings.config import ForecastConfig
from forecasting.settings.optimiser import OptimiserConfig
from forecasting.windows.arrays import ItemArrays
from forecasting.windows.cutting import Windows
from forecasting.windows.static import StaticEncoding
from titans_seq.cli import main
from titans_seq.errors import UserError

SHOP = FrameOptions(id="shop")
NETWORK = NetworkConfig(mixer=IdentityMixer(), width=8, layers=1, dropout=0.0, normalise=NormaliseConfig("last_value"))
CONFIG = ForecastConfig(2, 10, NETWORK, Point(), OptimiserConfig(lr=1e-2, epochs=2), batch_size=32, calendar=False)


def sales(rows: int = 60, shops: int = 12, **regions: str) -> pd.DataFrame:
    """Shops that grow in the north and shrink in the south, by less in two steps than noise moves them."""
    rng = np.random.default_rng(0)
    parts = []
    for number in range(shops):
        north = number % 2
        frame = pd.DataFrame({"shop": f"s{number:02}", "day": pd.date_range("2024-01-01", periods=rows)})
        frame["region"] = regions.get(f"s{number:02}", ("south", "north")[north])
        frame["size"] = number // 2
        frame["sold"] = rng.normal(0, 20) + (2 * north - 1) * np.arange(rows) + rng.normal(0, 2, rows)
        parts.append(frame)
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def model() -> ForecastModel:
    """A model that knows the region."""
    return ForecastModel.fit(sales(), CONFIG, options=SHOP)


def error(model: ForecastModel) -> float:
    return float(model.evaluate(sales()).table["mae"].iloc[0])


def test_a_column_that_decides_the_future_is_used(model: ForecastModel) -> None:
    assert model.context.static_names == ("region", "size")
    blind = ForecastModel.fit(sales(), replace(CONFIG, static=False), options=SHOP)
    assert (blind.context.static_names, blind.context.unused) == ((), ("region", "size"))
    assert blind.network.static is None
    assert error(model) < 0.6 * error(blind)


def test_it_is_kept_with_the_model_and_found_in_a_short_file(model: ForecastModel, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    loaded = ForecastModel.load(tmp_path / "m")
    pd.testing.assert_frame_equal(loaded.predict(), model.predict())
    # In two rows a series no column is found to be static.
    short = sales().groupby("shop").tail(2)
    made = loaded.predict(short)
    assert made["mean"].to_numpy() == pytest.approx(model.predict()["mean"].to_numpy(), rel=1e-4)
    elsewhere = short.assign(region=np.where(short["region"] == "south", "north", "south"))
    moved = loaded.predict(elsewhere)["mean"] - made["mean"]
    south = made["series"].str[-1].astype(int) % 2 == 0
    assert (moved[south] > 0).all()
    assert (moved[~south] < 0).all()


def test_a_label_that_was_not_seen_counts_as_the_average(model: ForecastModel) -> None:
    data = from_frame(sales(s01="west"), replace(SHOP, static=("region", "size")))
    assert model.strangers(data) == ("region: 'west' did not occur in training, and counts as the average series",)
    assert "'west'" in model.evaluate(sales(s01="west")).notes[-1]
    assert model.strangers(model.context) == ()
    features = model.trained.scaling.static.encode(data.items[1])
    assert features[:2].tolist() == [0, 0]
    assert features[2] == pytest.approx((0 - 2.5) / np.std(np.arange(6)))
    last = model.predict(sales(s01="west")).groupby("series")["mean"].last()
    up, down = model.predict()["mean"][19], model.predict(sales(s01="south")).groupby("series")["mean"].last()["s01"]
    assert down < last["s01"] < up


def test_a_column_that_is_gone_is_named(model: ForecastModel) -> None:
    with pytest.raises(UserError, match="trained with the static column 'region', which the data does not have"):
        model.predict(sales().drop(columns="region"))
    with pytest.raises(UserError, match="'size' held numbers in training, and now labels"):
        model.predict(sales().assign(size="large"))


def test_training_goes_on_with_other_series_and_the_same_labels(model: ForecastModel) -> None:
    other = sales(shops=4, s00="west")
    again = model.fit_again(other, optimiser=OptimiserConfig(lr=1e-3, epochs=1))
    assert again.trained.scaling.static == model.trained.scaling.static
    assert not torch.equal(again.network.state_dict()["static.weight"], model.network.state_dict()["static.weight"])


@pytest.mark.parametrize(
    ("change", "options", "static", "unused"),
    [
        ({}, {}, ("region", "size"), ()),
        ({}, {"target": ("sold",)}, ("region", "size"), ()),
        ({}, {"static": ()}, (), ("region", "size")),
        ({}, {"static": ("size",)}, ("size",), ("region",)),
        # A name of each shop tells nothing that holds for others, unless it is asked for.
        ({"name": lambda frame: "shop " + frame["shop"]}, {}, ("region", "size"), ("name",)),
        ({"name": lambda frame: "shop " + frame["shop"]}, {"static": ("name",)}, ("name",), ("region", "size")),
    ],
)
def test_which_columns_are_static(
    change: dict[str, Any], options: dict[str, Any], static: tuple[str, ...], unused: tuple[str, ...]
) -> None:
    data = from_frame(sales(5).assign(**change), replace(SHOP, **options))
    assert (data.channels, data.static_names, data.unused) == (("sold",), static, unused)
    assert data.items[3].name == "s03"
    if static == ("region", "size"):
        assert data.items[3].static == ("north", 1.0)


def test_cells_of_a_static_column() -> None:
    frame = sales(5)
    frame.loc[[0, 1], "region"] = None
    frame.loc[frame["shop"] == "s05", "region"] = None
    data = from_frame(frame, replace(SHOP, static=("region",)))
    assert [item.static[0] for item in data.items[:6]] == ["south", "north", "south", "north", "south", None]
    assert "region: some series have no value there, and count as the average series" in data.notes
    frame.loc[2, "region"] = "north"
    with pytest.raises(
        UserError, match="row 3: column 'region' is named as static, and series 's00' has north and sou"
    ):
        from_frame(frame, replace(SHOP, static=("region",)))


def test_labels_and_numbers_as_features() -> None:
    encoding = StaticEncoding.fit(from_frame(sales(5, 4, s01="east"), SHOP))
    south = encoding.encode(from_frame(sales(5, 4), SHOP).items[0])
    # east 1/4, north 1/4, south 1/2 of the series; sizes 0, 0, 1, 1.
    assert south.tolist() == [-0.25, -0.25, 0.5, -1.0]
    assert encoding.width == 4


def test_forecast_and_gradient_depend_on_it_for_every_kind_of_token() -> None:
    values = np.random.default_rng(0).normal(size=(30, 2)).astype(np.float32)
    items = [ItemArrays(values, static=np.array([number, 1], np.float32)) for number in range(2)]
    batch = Windows(items, context=16, horizon=4).batch([0, 11])
    assert batch.static.tolist() == [[0, 1], [1, 1]]
    for tokens in ("patches", "variates"):
        config = NetworkConfig(tokens=_tokens(tokens), width=8, layers=1)
        network = build_network(config, Point(), channels=2, context=16, horizon=4, static=2).eval()
        forecast = network(batch)
        assert not torch.allclose(forecast[0], forecast[1])
        forecast.sum().backward()
        assert network.static is not None
        assert network.static.weight.grad is not None
        assert network.static.weight.grad.abs().min() > 0
        plain = build_network(config, Point(), channels=2, context=16, horizon=4).state_dict()
        assert all(torch.equal(network.state_dict()[name], tensor) for name, tensor in plain.items())


def _tokens(kind: str) -> Any:
    from forecasting.network.tokens import PatchConfig, VariateConfig

    return PatchConfig(8, 4) if kind == "patches" else VariateConfig()


def test_the_command_line_says_how_columns_are_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], tiny_config: Callable[..., ForecastConfig]
) -> None:
    sales(30, 4).to_csv(tmp_path / "a.csv", index=False)
    sales(30, 4, s01="west").to_csv(tmp_path / "new.csv", index=False)
    run = str(tmp_path / "run")
    small = "--horizon 3 --context 6 --width 8 --layers 1 --epochs 1 --batches-per-epoch 1 --progress none".split()
    command = ["forecast", "train", str(tmp_path / "a.csv"), "--id", "shop", "--out", run, "--init", "none", *small]
    line = "static       region (2 labels) and size (a number)"
    assert main(command) == 0
    assert line in capsys.readouterr().out
    assert main(["forecast", "predict", run, str(tmp_path / "new.csv"), "--out", str(tmp_path / "f.csv")]) == 0
    said = capsys.readouterr().out
    assert "static       region (3 labels) and size (a number)" in said
    assert "note: region: 'west' did not occur in training, and counts as the average series" in said
    assert main(["forecast", "info", run]) == 0
    assert line in capsys.readouterr().out
    sales(30, 4).drop(columns="size").to_csv(tmp_path / "new.csv", index=False)
    assert main(["forecast", "predict", run, str(tmp_path / "new.csv"), "--out", str(tmp_path / "g.csv")]) == 2
    assert "static column 'size', which the data does not have" in capsys.readouterr().err
    assert not (tmp_path / "g.csv").exists()
    # A forecaster at once says that it does not use them.
    assert main(["forecast", "predict", str(tmp_path / "a.csv"), "--id", "shop", "--horizon", "3"]) == 0
    said = capsys.readouterr().out
    assert "not used     region and size" in said
    assert "region and size: the same in all rows of a series, which pretrained forecasters do not use" in said
