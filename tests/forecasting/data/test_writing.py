"""Tables of forecasts that are written in parts."""

from pathlib import Path

import pandas as pd

from forecasting.data.writing import TableWriter


def test_midnights_keep_their_clock_where_other_parts_have_hours(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "a.csv") as writer:
        for time in ("2024-01-01 00:00", "2024-01-01 05:00"):
            writer.write(pd.DataFrame({"t": [pd.Timestamp(time)], "a": [1]}), clock=True)
    assert (tmp_path / "a.csv").read_text().split("\n") == ["t,a", "2024-01-01 00:00:00,1", "2024-01-01 05:00:00,1", ""]
