"""Tables of forecasts that are written in parts."""

from pathlib import Path

import pandas as pd
import pytest

from forecasting.data.writing import TableWriter, check_not_read
from titans_seq.errors import UserError


def test_midnights_keep_their_clock_where_other_parts_have_hours(tmp_path: Path) -> None:
    with TableWriter(tmp_path / "a.csv") as writer:
        for time in ("2024-01-01 00:00", "2024-01-01 05:00"):
            writer.write(pd.DataFrame({"t": [pd.Timestamp(time)], "a": [1]}), clock=True)
    assert (tmp_path / "a.csv").read_text().split("\n") == ["t,a", "2024-01-01 00:00:00,1", "2024-01-01 05:00:00,1", ""]


def test_what_is_read_is_not_written_over(tmp_path: Path) -> None:
    check_not_read(tmp_path / "a.csv", None, tmp_path / "b.csv")
    with pytest.raises(UserError, match="is read, and would be written over"):
        check_not_read(tmp_path / "x" / ".." / "a.csv", tmp_path / "a.csv")
