"""`Predictor`: a trained classifier that takes sequences, any number of any length."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from titans_seq.errors import UserError

from ..batching import Batch, in_order, pad
from ..evaluation.values import called
from ..models.classifier import PIECE, Classifier
from ..sequences.alphabet import clean
from ..sequences.values import Kind, Record

_ROWS = 256
_SMALL_VOCABULARY = 8


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says of one sequence.

    Attributes:
        name: of the record.
        logits: float64 `[C]`.
        probabilities: of the classes or labels, float64 `[C]`; of a regression its value, `[1]`.
        members: the latter by each member of an ensemble, `[M, C]`; None of another model.

    Example:
        >>> members = np.array([[0.9, 0.1], [0.7, 0.3]])
        >>> Prediction("a", np.zeros(2), members.mean(0), members).spread.round(3).tolist()
        [0.141, 0.141]
    """

    name: str
    logits: np.ndarray
    probabilities: np.ndarray
    members: np.ndarray | None = None

    @property
    def spread(self) -> np.ndarray | None:
        """Standard deviation of the probabilities over the members, `[C]`; None of a single model."""
        return None if self.members is None or len(self.members) < 2 else self.members.std(0, ddof=1)


@dataclass(frozen=True, eq=False)
class _Encoded:
    name: str
    ids: np.ndarray
    bases: int


def named(sequences: Iterable[Record | str]) -> Iterator[Record]:
    """Give sequences as records: those of a mapping by their names there, others that have no name by their number.

    Raises:
        UserError: if one is empty or no DNA, or neither text nor a record, naming it; or if one text is given for all.

    Example:
        >>> [(record.name, record.sequence) for record in (*named({"one": "acgu"}), *named(["TT"]))]
        [('one', 'ACGT'), ('sequence 1', 'TT')]
    """
    if isinstance(sequences, str):
        raise UserError(f"{sequences[:20]!r} is one text: give a list of sequences, even of one")
    numbered = ((f"sequence {number}", one) for number, one in enumerate(sequences, 1))
    found = sequences.items() if isinstance(sequences, Mapping) else numbered
    for number, (name, one) in enumerate(found, 1):
        if isinstance(one, Record):
            yield one
        elif isinstance(one, str):
            yield Record(str(name), clean(one, str(name)), "", number)
        else:
            raise UserError(f"{name}: expected text or a record, got {type(one).__name__}: leave it out")


class Predictor:
    """Predict with a trained classifier. No prediction depends on the other sequences, their order or number.

    Sequences may be strings, which are cleaned as those of files are, or records.

    Args:
        model: the classifier, in evaluation mode; it is moved.
        classes: names of its classes or labels; none for a regression.
        device: where it computes; None is a GPU if there is one.
        card: a short description, as Markdown.

    Example:
        >>> from genomics.models import ClassifierConfig, encoder_preset
        >>> model = Classifier(ClassifierConfig(encoder_preset("tiny"), "classes", outputs=2)).eval()
        >>> Predictor(model, ("no", "yes"), device="cpu").predict_proba(["ACGT", "ttt"]).shape
        (2, 2)
    """

    def __init__(self, model: Classifier, classes: Sequence[str], device: str | None = None, *, card: str = "") -> None:
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.to(self.device).eval()
        self.classes = tuple(classes)
        self.card = card

    @property
    def kind(self) -> Kind:
        """What is predicted: "classes", "multilabel" or "regression"."""
        return self.model.config.kind

    @property
    def columns(self) -> list[str]:
        """Names of what a table of predictions holds of each sequence; see `prediction_row`."""
        return prediction_columns(self.kind, self.classes)

    @property
    def reads_both_strands(self) -> bool:
        """Whether each prediction is that of both strands."""
        return self.model.reads_both_strands

    def logits(self, sequences: Sequence[str] | Mapping[str, str]) -> np.ndarray:
        """Return logits of sequences, listed or by name, float64 `[N, C]`; values of a regression, `[N, 1]`.

        Raises:
            UserError: if a sequence is empty or no DNA, naming it; or if the model's answer is not finite.
        """
        rows = list(self._logits(self._encoded(sequences)))
        return np.array([row for _, row in rows]).reshape(len(rows), self.model.config.outputs)

    def predict_proba(self, sequences: Sequence[str] | Mapping[str, str]) -> np.ndarray:
        """Return probabilities of the classes or labels, float64 `[N, C]`; values of a regression, `[N, 1]`.

        Raises:
            UserError: see `logits`.
        """
        return probabilities(self.logits(sequences), self.kind)

    def predictions(self, records: Iterable[Record | str]) -> Iterator[Prediction]:
        """Predict a stream of records, in their order; only a few batches of them are held at a time.

        Raises:
            UserError: see `logits`.
        """
        for name, row in self._logits(self._encoded(records)):
            yield Prediction(name, row, probabilities(row[None], self.kind)[0])

    def embed(self, sequences: Sequence[str] | Mapping[str, str]) -> np.ndarray:
        """Return the mean of the encoder's features over each sequence, float32 `[N, dim]`.

        Over both strands if the model's logits are.

        Raises:
            UserError: see `logits`.
        """
        rows = [row for _, row in self.embeddings(sequences)]
        return np.array(rows, dtype=np.float32).reshape(len(rows), self.model.config.encoder.dim)

    def embeddings(self, records: Iterable[Record | str]) -> Iterator[tuple[str, np.ndarray]]:
        """Give name and `embed` of each of a stream of records, in their order."""
        return self._run(self._encoded(records), self.model.embed, self.model.embed_stream)

    def embed_steps(self, sequence: Record | str) -> Iterator[np.ndarray]:
        """Yield the features of every step of one sequence as it stands, float32 `[steps, dim]` piece by piece.

        A step is a token, or a stem's window of them.

        Raises:
            UserError: see `logits`.
        """
        (encoded,) = self._encoded([sequence])
        pieces = self.model.encoder.pieces(self._tensor(encoded), PIECE)
        while True:
            with torch.inference_mode():
                piece = next(pieces, None)
            if piece is None:
                return
            yield _finite(piece[0], encoded.name)

    def substitutions(self, records: Iterable[Record | str], column: int) -> Iterator[np.ndarray]:
        """Estimate what each substitution changes a target's score by, from one gradient a sequence.

        The score is that of `explain.scores`: log odds of a class, a label's logit, a regression's value. The gradient
        is taken with respect to one-hot bases, so that an estimate is the gradient of the new base minus that of the
        old: nothing depends on what the bases have in common.

        Args:
            records: of any lengths.
            column: of the target, in [0, outputs).

        Yields:
            float64 `[T, 4]` for each record, in the order A, C, G, T; 0 for the base that is there.

        Raises:
            UserError: see `logits`.
        """
        tokenizer = self.model.config.tokenizer

        def run(batch: list[_Encoded]) -> list[np.ndarray]:
            padded = pad([one.ids for one in batch], tokenizer.pad).to(self.device)
            shares = functional.one_hot(padded.ids, tokenizer.vocabulary).float().requires_grad_()
            if len(batch[0].ids) > PIECE:
                logits = torch.stack([self.model.stream(row) for row in shares])
            else:
                logits = self.model(shares, padded.lengths)
            score = _target_logit(logits, column, self.kind).sum()
            (gradient,) = torch.autograd.grad(score, shares)
            return [
                tokenizer.substitutions(_finite(row[: len(one.ids)], one.name), one.ids.astype(np.int64), one.bases)
                for row, one in zip(gradient, batch, strict=True)
            ]

        tokens = PIECE // max(1, tokenizer.vocabulary // _SMALL_VOCABULARY)
        return in_order(self._encoded(records), lambda one: len(one.ids), run, rows=_ROWS, tokens=tokens)

    def _encoded(self, records: Iterable[Record | str]) -> Iterator[_Encoded]:
        tokenizer = self.model.config.tokenizer
        small = np.min_scalar_type(tokenizer.vocabulary)
        for record in named(records):
            try:
                ids = tokenizer.encode(record.sequence).astype(small)
                yield _Encoded(record.name, ids, len(record.sequence))
            except UserError as error:
                place = f"{record.source}, record {record.number} ({record.name})" if record.source else record.name
                raise UserError(f"{place}: {error}") from error

    def _tensor(self, encoded: _Encoded) -> Tensor:
        return torch.from_numpy(encoded.ids.astype(np.int32)).to(self.device)

    def _logits(self, sequences: Iterable[_Encoded]) -> Iterator[tuple[str, np.ndarray]]:
        for name, row in self._run(sequences, self.model, self.model.stream):
            yield name, row.astype(np.float64)

    def _run(
        self,
        sequences: Iterable[_Encoded],
        whole: Callable[[Tensor, Tensor], Tensor],
        stream: Callable[[Tensor], Tensor],
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Apply `whole` to batches and `stream` to sequences that are too long for one."""

        def run(batch: list[_Encoded]) -> list[tuple[str, np.ndarray]]:
            with torch.inference_mode():
                if len(batch[0].ids) > PIECE:
                    rows = [stream(self._tensor(one)) for one in batch]
                else:
                    padded: Batch = pad([one.ids for one in batch], self.model.config.tokenizer.pad).to(self.device)
                    rows = whole(padded.ids, padded.lengths)
                values = np.stack([row.cpu().numpy() for row in rows]) if isinstance(rows, list) else rows.cpu().numpy()
                bad = np.flatnonzero(~np.isfinite(values).reshape(len(values), -1).all(1))
                if len(bad):
                    raise _damaged(batch[bad[0]].name)
                return [(one.name, row) for one, row in zip(batch, values, strict=True)]

        return in_order(sequences, lambda one: len(one.ids), run, rows=_ROWS, tokens=PIECE)


def prediction_columns(kind: Kind, classes: Sequence[str]) -> list[str]:
    """Return the names of what a table of predictions holds of each sequence; see `prediction_row`.

    Example:
        >>> prediction_columns("classes", ("no", "yes"))
        ['name', 'predicted', 'probability_no', 'probability_yes']
    """
    if kind == "regression":
        return ["name", "value"]
    return ["name", *(["predicted"] if kind == "classes" else []), *(f"probability_{name}" for name in classes)]


def prediction_row(
    prediction: Prediction, kind: Kind, classes: Sequence[str], threshold: float | None = None
) -> list[str | float]:
    """Return what a table of predictions holds of one sequence: its name, for classes the class, and the numbers.

    Args:
        prediction: of the sequence.
        kind: of the model.
        classes: of the model.
        threshold: smallest probability of the second of two classes that is called so; None for the likeliest class.
    """
    numbers = prediction.probabilities.tolist()
    if kind != "classes":
        return [prediction.name, *numbers]
    return [prediction.name, classes[int(called(prediction.probabilities, threshold))], *numbers]


def probabilities(logits: np.ndarray, kind: Kind) -> np.ndarray:
    """Return the softmax for classes, the sigmoid for labels, and a regression's values as they are.

    Args:
        logits: float64 `[N, C]`.
        kind: what they are of.

    Example:
        >>> probabilities(np.array([[0.0, 0.0]]), "classes").tolist()
        [[0.5, 0.5]]
    """
    if kind == "regression":
        return logits
    if kind == "multilabel":
        return 1 / (1 + np.exp(-np.clip(logits, -700, None)))
    powers = np.exp(logits - logits.max(1, keepdims=True, initial=-np.inf))
    return powers / powers.sum(1, keepdims=True)


def _target_logit(logits: Tensor, column: int, kind: Kind) -> Tensor:
    """Log odds of a class against all others, or the label's logit or value, `[N]` of logits `[N, C]`."""
    if kind != "classes":
        return logits[:, column]
    others = [number for number in range(logits.shape[1]) if number != column]
    return logits[:, column] - logits[:, others].logsumexp(1)


def _finite(x: Tensor, name: str) -> np.ndarray:
    if not x.isfinite().all():
        raise _damaged(name)
    return x.detach().cpu().numpy()


def _damaged(name: str) -> UserError:
    return UserError(f"{name}: the model's answer is not finite: its weights are damaged, restore or train it again")
