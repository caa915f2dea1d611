"""What classifiers and ensembles of them do in Python: predict tables, evaluate and explain."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pandas as pd

from titans_seq.errors import UserError

from .evaluation import BootstrapOptions, Evaluation, evaluate
from .runs.comparison import with_classes
from .runs.decision import Decision, calibrated
from .runs.members import Members
from .runs.predictor import Predictor, prediction_row
from .sequences.alphabet import IUPAC
from .sequences.loading import load_splits, read_all
from .sequences.options import LoadOptions
from .sequences.tables import NAME
from .sequences.values import LabelledSequences, Record, Splits

if TYPE_CHECKING:
    from .explain import Attribution

Labelled = str | os.PathLike[str] | pd.DataFrame | LabelledSequences | Splits
"""Labelled sequences: a path that `load_splits` reads, a table, or what was read before."""
Sequences = str | os.PathLike[str] | pd.DataFrame | pd.Series | Mapping[str, str] | Iterable[Record | str]
"""Sequences without labels: a file (FASTA and others), a table, sequences by name, or the sequences themselves.

Records of a table or series have the names of an `id` or `name` column, or else of an index that is no row number.
"""


_ARGUMENTS = {
    "--kind regression": "reading=LoadOptions(kind='regression')",
    "--sequence": "reading=LoadOptions(sequence=...)",
    "--label once for each": "reading=LoadOptions(labels=(...))",
    "--label": "reading=LoadOptions(labels=(...))",
    "--reference": "reading=LoadOptions(reference=...)",
    "--skip-bad": "reading=LoadOptions(skip_bad=True)",
}
"""What stands in Python for options that messages name."""


class Using:
    """Make tables of what a `Predictor` or `Members` predicts.

    Attributes:
        parts: what it was trained, validated and may be tested on, where that is known.
        decision: threshold and temperature of `predict` and `evaluate`, see `titans dna decide`.
    """

    parts: Splits | None
    decision: Decision

    @property
    def _own(self) -> Predictor | Members:
        assert isinstance(self, (Predictor, Members))
        return self

    def predict(self, sequences: Sequences, reading: LoadOptions | None = None) -> pd.DataFrame:
        """Predict sequences: the likeliest class and the probability of each, or a regression's value.

        Args:
            sequences: of any number and length.
            reading: what files and tables do not say.

        Returns:
            One row a sequence, in their order: `name`, `predicted` (for classes), `probability_...` or `value`, and of
            an ensemble `spread_...`, the standard deviation of the latter over its members.

        Raises:
            UserError: if a sequence is empty or no DNA, naming it.
        """
        model, threshold = self._own, self.decision.threshold
        found = calibrated(model, self.decision).predictions(_records(sequences, reading))
        rows = [
            [*prediction_row(one, model.kind, model.classes, threshold), *([] if one.spread is None else one.spread)]
            for one in found
        ]
        return pd.DataFrame(rows, columns=pd.Index(model.columns))

    def evaluate(
        self,
        data: Labelled | Literal["validation", "test"] = "test",
        reading: LoadOptions | None = None,
        bootstrap: BootstrapOptions | None = None,
    ) -> Evaluation:
        """Score the classifier on labelled sequences, or on a part of the data that it was fitted on.

        It is scored as `predict` gives it, with its decision.

        Args:
            data: labelled sequences, of which the test part is scored if there is one; or the name of a part.
            reading: what paths and tables do not say.
            bootstrap: how intervals are made.

        Raises:
            UserError: if there is no such part, or labels are not the classifier's.
        """
        own = isinstance(data, str) and data in ("validation", "test")
        if own and self.parts is not None:
            part = self.parts.test if data == "test" else self.parts.validation
            if part is None:
                raise UserError(f"the data it was fitted on has no {data} part: give labelled sequences")
        elif own:
            raise UserError(
                f"this classifier has no {data} part, as it was loaded or trained on all parts: give labelled sequences"
            )
        else:
            splits = read_labelled(data, reading, to_train=False)
            part = with_classes(splits.test or splits.train, self._own)
        model, held = self._own, self.decision
        notes = held.notes(model.classes)
        return evaluate(calibrated(model, held), part, bootstrap, threshold=held.threshold, notes=notes)

    def explain(
        self,
        sequence: str,
        target: str | None = None,
        method: Literal["saliency", "mutagenesis"] = "saliency",
    ) -> "Attribution":
        """Say what each base contributes to a prediction.

        Args:
            sequence: of any length.
            target: class or label; the second of two classes, the likeliest of several if None.
            method: every base replaced by each of the others, or an estimate of that by one gradient.

        Raises:
            UserError: if there is no such class, or the sequence is empty or no DNA.
        """
        from .explain import likeliest_target, mutagenesis, saliency, target_column, target_names

        model = self._own
        column = target_column(model, target or likeliest_target(model, sequence))
        chosen = target_names(model)[column]
        return mutagenesis(model, sequence, chosen) if method == "mutagenesis" else saliency(model, sequence, chosen)


def read_labelled(data: Labelled, reading: LoadOptions | None = None, *, to_train: bool = True) -> Splits:
    """Return labelled sequences in their parts.

    Args:
        data: see `Labelled`.
        reading: what paths and tables do not say.
        to_train: refuse data of one class, on which nothing can be trained.

    Raises:
        UserError: see `load_splits`.

    Example:
        >>> table = pd.DataFrame({"sequence": ["ACGT", "GGCC"], "label": ["a", "b"]})
        >>> read_labelled(table).train.classes
        ('a', 'b')
    """
    if isinstance(data, Splits):
        return data
    if isinstance(data, LabelledSequences):
        return Splits(data)
    if isinstance(data, pd.DataFrame):
        with _table(data) as path:
            return load_splits(path, reading, to_train=to_train)
    return load_splits(data, reading, to_train=to_train)


def _records(sequences: Sequences, reading: LoadOptions | None) -> Iterable[Record | str]:
    if isinstance(sequences, pd.DataFrame):
        with _table(sequences) as path:
            return list(read_all([path], reading))
    if isinstance(sequences, pd.Series):
        return _records(sequences.to_frame("sequence"), reading)
    if isinstance(sequences, str) and len(sequences) > 1 and set(sequences.upper()) <= set(f"{IUPAC}U"):
        if not os.path.exists(sequences):  # a pathlib.Path of so many letters has an error of its own
            raise UserError(f"{sequences[:20]!r} is a sequence, not a file: give a list of sequences, even of one")
    if isinstance(sequences, (str, os.PathLike)):
        return read_all([sequences], reading)
    return sequences


@contextmanager
def _table(frame: pd.DataFrame) -> Iterator[Path]:
    """A table as a file, whose name in messages is "the DataFrame"."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame.csv"
        named = any(str(name).lower() in NAME for name in frame.columns)
        if not named and frame.index.nlevels == 1 and not pd.api.types.is_integer_dtype(frame.index):
            frame = frame.rename_axis("id").reset_index()
        frame.to_csv(path, index=False)
        try:
            yield path
        except UserError as error:
            text = str(error).replace(str(path), "the DataFrame").replace(path.name, "the DataFrame")
            for option, argument in _ARGUMENTS.items():
                text = text.replace(option, argument)
            raise UserError(text) from error
