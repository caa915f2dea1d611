"""Static columns as numbers that a network reads: labels as shares of one, numbers standardised."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from titans_seq.errors import UserError

from ..data import Item, SeriesData
from ..data.series import Static
from ..data.wording import enumerate_some


@dataclass(frozen=True)
class StaticColumn:
    """How one column is encoded.

    The average series is 0 everywhere, and so is one of which nothing is known: a label that was not seen, no value.

    Attributes:
        name: of the column.
        labels: those seen, each with a feature of its own, 1 less the share of the series that have it; none for a
            column of numbers.
        share: the shares of the labels, or the mean of the numbers.
        spread: deviation of the numbers; 1 for labels.
    """

    name: str
    labels: tuple[str, ...]
    share: tuple[float, ...]
    spread: float = 1.0

    @classmethod
    def fit(cls, name: str, values: tuple[Static, ...]) -> "StaticColumn":
        """Learn labels or scale from the values of all series.

        Example:
            >>> column = StaticColumn.fit("region", ("n", "s", "n", "n", None))
            >>> column.labels, column.share, column.encode("n")
            (('n', 's'), (0.75, 0.25), [0.25, -0.25])
        """
        counts = Counter(value for value in values if isinstance(value, str))
        if counts:
            labels = tuple(sorted(counts))
            return cls(name, labels, tuple(counts[label] / counts.total() for label in labels))
        numbers = np.array([value for value in values if value is not None] or [0.0], dtype=np.float64)
        return cls(name, (), (float(numbers.mean()),), float(numbers.std()) or 1.0)

    def encode(self, value: Static) -> list[float]:
        """Return the features of a value.

        Raises:
            UserError: for a label where numbers are expected, or a number where labels are.
        """
        if value is None:
            return [0.0] * len(self.share)
        if isinstance(value, str) != bool(self.labels):
            kinds = ("labels", "numbers") if self.labels else ("numbers", "labels")
            raise UserError(
                f"the static column {self.name!r} held {kinds[0]} in training, and now {kinds[1]} ({value}): give the "
                "same column"
            )
        if not isinstance(value, str):
            return [(value - self.share[0]) / self.spread]
        if value not in self.labels:
            return [0.0] * len(self.share)
        return [(value == label) - share for label, share in zip(self.labels, self.share, strict=True)]


@dataclass(frozen=True)
class StaticEncoding:
    """How all static columns are encoded, in their order.

    Example:
        >>> size, area = StaticColumn("size", (), (3.0,), 2.0), StaticColumn("area", ("a", "b"), (0.5, 0.5))
        >>> StaticEncoding((size, area)).width
        3
    """

    columns: tuple[StaticColumn, ...] = ()

    @classmethod
    def fit(cls, data: SeriesData) -> "StaticEncoding":
        """Learn from all series."""
        values = zip(*(item.static for item in data.items), strict=True)
        return cls(tuple(StaticColumn.fit(*pair) for pair in zip(data.static_names, values, strict=False)))

    @property
    def width(self) -> int:
        """Number of features."""
        return sum(len(column.share) for column in self.columns)

    def encode(self, item: Item) -> np.ndarray:
        """Return the features of a series, float32 `[S]`.

        Raises:
            UserError: as `StaticColumn.encode`.
        """
        pairs = zip(self.columns, item.static, strict=True)
        return np.array([x for column, value in pairs for x in column.encode(value)], dtype=np.float32)

    def strangers(self, data: SeriesData) -> tuple[str, ...]:
        """Say in a note for each column which labels were not seen."""
        notes = []
        for at, column in enumerate(self.columns):
            new = {item.static[at] for item in data.items if isinstance(item.static[at], str)} - set(column.labels)
            if new and column.labels:
                named = enumerate_some([repr(label) for label in sorted(map(str, new))], 4)
                notes.append(f"{column.name}: {named} did not occur in training, and counts as the average series")
        return tuple(notes)
