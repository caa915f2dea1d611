import pandas as pd
import pytest

from forecasting.data import FrameOptions, from_frame
from forecasting.data.naming import describe_renamed, own_names, series_names


@pytest.mark.parametrize(("identifier", "columns"), [("shop", ["shop", "target"]), ("target", ["series"])])
def test_an_identifier_is_not_lost_among_several_channels(identifier: str, columns: list[str]) -> None:
    rows = {identifier: ["a", "b"], "day": ["2024-01-01"] * 2, "sold": [1.0, 2.0], "seen": [3.0, 4.0]}
    data = from_frame(pd.DataFrame(rows), FrameOptions(id=identifier, freq="D"))
    names = [name for group in series_names(data) for name in group]
    forecast = pd.DataFrame({"series": names, "time": 1, "mean": 2.0})
    named = own_names(forecast, data)
    assert named.columns.tolist() == [*columns, "day", "mean"]
    said = ["target of the data is called series in the forecast, whose own columns keep their names"]
    assert describe_renamed(named, data) == (said if identifier == "target" else [])
    told = named[columns].agg("/".join, axis=1).tolist()
    assert told == names
