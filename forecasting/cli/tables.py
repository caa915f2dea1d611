"""Scores, and what was read, as text for a terminal."""

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from titans_seq.tables import align

from ..data import SeriesData, describe_series
from ..data.wording import counted, enumerate_some
from ..forecasts.quantiles import level_name

if TYPE_CHECKING:
    from titans_seq.experiment.record import DataRecord, Origin

_TITLES = {
    "quantile_loss": "quantile loss",
    "mse_original": "mse (data)",
    "mae_original": "mae (data)",
}


def score_text(table: pd.DataFrame, interval: tuple[float, float] | None) -> str:
    """Return the scores of a model and its baselines, one line each, aligned; "-" where a score does not apply.

    Args:
        table: as `Evaluation.table`.
        interval: the levels between which coverage counts, for its title.

    Example:
        >>> table = pd.DataFrame({"model": ["model"], "mse": [0.5], "coverage": [float("nan")]})
        >>> print(score_text(table, None))
        model     mse  coverage
        model  0.5000         -
    """
    titles = dict(_TITLES)
    if interval is not None:
        titles["coverage"] = f"coverage {'-'.join(map(level_name, interval))}"
    header = [titles.get(str(name), str(name)) for name in table.columns]
    return align([header, *([_cell(value) for value in row] for row in table.itertuples(index=False))])


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "-"
    return f"{value:.4f}" if value == 0 or 0.01 <= abs(value) < 1e4 else f"{value:.3g}"


def moment(time: object) -> str:
    """Return a time as text, without a midnight that every row shares; a step number as it is.

    Example:
        >>> moment(pd.Timestamp("2024-01-05")), moment(pd.Timestamp("2024-01-05 06:00")), moment(7)
        ('2024-01-05', '2024-01-05 06:00:00', '7')
    """
    return str(time).removesuffix(" 00:00:00")


def tell_run(data: "DataRecord", origin: "Origin", facts: Mapping[str, str]) -> None:
    """Say what a run was trained on, how, and by which programs.

    Args:
        data: its data file.
        origin: what it was made with.
        facts: what it forecasts and how it was trained.
    """
    rows = {
        "data": f"{data.path} (sha256 {data.sha256[:12]}...)",
        **facts,
        "made with": ", ".join(f"{name} {number}" for name, number in origin.versions.items()),
        "commit": origin.commit or "not known",
    }
    for name, value in rows.items():
        print(f"{name:<12} {value}")


def tell_series(data: SeriesData, calendar: bool) -> None:
    """Say what is to be forecast, by which columns, and what reading found.

    Args:
        data: the series.
        calendar: whether the model gets features of the calendar.
    """
    for line in describe_series(data, calendar):
        print(line)
    tell_notes(data.notes)


def tell_notes(notes: Iterable[str], told: Collection[str] = ()) -> None:
    """Print notes, a line each, but for those that were told before."""
    for note in notes:
        if note not in told:
            print(f"note: {note}", flush=True)


class PartNotes:
    """Tells the notes on further parts of a long file: each kind where it first comes, then in how many it came.

    Args:
        told: the notes that the user has seen, those on the first part.

    Example:
        >>> notes = PartNotes(["3 missing time steps inserted (fill-missing)"])
        >>> for number in (2, 3):
        ...     notes.tell(number, ["5 missing time steps inserted (fill-missing)", "2 cells marked as missing"])
        note: part 2: 2 cells marked as missing
        >>> notes.tell_repeated()
        note: in 2 more parts, with counts of their own: 3 missing time steps inserted (fill-missing)
        note: in 1 more part, with counts of their own: 2 cells marked as missing
    """

    def __init__(self, told: Iterable[str]) -> None:
        self._told = {_kind(note): note for note in told}
        self._repeated: Counter[str] = Counter()

    def tell(self, number: int, notes: Iterable[str]) -> None:
        """Print those of a kind that has not been told; `number` is that of the part, from 1."""
        for note in notes:
            kind = _kind(note)
            if kind not in self._told:
                self._told[kind] = note
                print(f"note: part {number}: {note}", flush=True)
            elif any(map(str.isdigit, note)):
                self._repeated[self._told[kind]] += 1

    def tell_repeated(self) -> None:
        """Print in how many parts a note came again; one without a number says the same of all."""
        for note, count in self._repeated.items():
            print(f"note: in {counted(count, 'more part')}, with counts of their own: {note}")


def _kind(note: str) -> str:
    """A note without its numbers, and what follows a colon or a bracket: names and examples."""
    return re.sub(r"\d\S*", "#", re.split(r"[:(]", note)[0])


def tell_pretrained(data: SeriesData) -> None:
    """Say the same before a forecaster that is pretrained, and which columns it leaves out."""
    tell_series(data.with_static(()), calendar=False)
    if data.static_names:
        print(
            f"note: {enumerate_some(data.static_names)}: the same in all rows of a series, which pretrained "
            "forecasters do not use; titans forecast train --init none does",
            flush=True,
        )
    if data.past_names:
        print(
            f"note: {enumerate_some(data.past_names)}: known up to now alone: pretrained forecasters use what was "
            "one horizon before, titans forecast train --init none learns from all of them",
            flush=True,
        )
