"""A classifier of sequences: encoder, pooling and head, blind to padding and, if asked, to the strand."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

import torch
from torch import Tensor, nn

from titans_seq.errors import UserError, require_at_least

from ..sequences.values import Kind
from ..tokens import MOST_BASES, Nucleotides, Tokenizer
from .encoder import Encoder, EncoderConfig
from .places import PlaceWeights
from .pooling import Pooling, PoolingName, WeightedPooling, build_pooling, pooled_width
from .strands import reverse_complement
from .words import WordWeights

Strands = Literal["given", "augment", "average", "equivariant"]

PIECE = 16_384
"""Tokens that are read at once; longer sequences are read piece by piece."""


@dataclass(frozen=True)
class ClassifierConfig:
    """A classifier.

    Attributes:
        encoder: its encoder.
        kind: "classes" (one of several, softmax), "multilabel" (any of several, sigmoid) or "regression".
        outputs: number of classes, at least 2, or of labels, at least 1; 1 for regression.
        tokenizer: what it reads.
        pooling: how a sequence becomes one vector: "mean" of its steps, "mean-max" (mean and maximum side by side),
            the "last" (read in both directions, the mean of both ends) or "attention" with one learned query.
        strands: "given" reads each sequence as it stands; "average" predicts from the mean of both strands' logits;
            "augment" does so, too, and trains on either strand at random; "equivariant" trains on the mean of both.
            With the last three a sequence and its reverse complement have the same logits in prediction.
        places: first tokens of a sequence that have weights of their own at each place, added to the logits, for what
            matters where it stands; see `PlaceWeights`. 0 for none.
        words: bases of the longest k-mers, in [0, 8], that have weights of their own wherever they stand, added to the
            logits; see `WordWeights`. 0 for none.

    Raises:
        UserError: if a value is out of range, or the tokens of the two strands do not correspond.

    Example:
        >>> from genomics.models import encoder_preset
        >>> ClassifierConfig(encoder_preset("tiny"), "classes", outputs=3, strands="average").pooling
        'mean-max'
    """

    encoder: EncoderConfig
    kind: Kind
    outputs: int
    tokenizer: Tokenizer = field(default_factory=Nucleotides)
    pooling: PoolingName = "mean-max"
    strands: Strands = "given"
    places: int = 0
    words: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("kind", Kind), ("pooling", PoolingName), ("strands", Strands)):
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(get_args(choices))
                raise UserError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        least = 2 if self.kind == "classes" else 1
        if self.outputs < least or (self.kind == "regression" and self.outputs != 1):
            expected = "1" if self.kind == "regression" else f"at least {least}"
            raise UserError(f"a model of kind '{self.kind}' has {expected} outputs, got {self.outputs}")
        require_at_least(self, places=0)
        if not 0 <= self.words <= MOST_BASES:
            raise UserError(f"words must be in [0, {MOST_BASES}], got {self.words}")
        if self.words and self.tokenizer.width > 1:
            raise UserError(
                "weights of words are of single nucleotides read one after another, and this model reads longer words: "
                "leave words at 0, or let it read single nucleotides"
            )
        if self.tokenizer.step > 1 and self.strands != "given":
            raise UserError(
                f"tokens {self.tokenizer.step} bases apart are in another frame on the other strand, so that strands "
                f"'{self.strands}' would not agree: take a stride of 1, or strands 'given'"
            )


class Rescaled(nn.Module):
    """Put outputs into the units of a target: times its deviation, plus its mean, both saved with the weights.

    They are float64, for a mean of many deviations leaves float32 no digits for the rest.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("deviation", torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Return float64 shaped like x."""
        return x.double() * self.deviation + self.mean


class Classifier(nn.Module):
    """Give the logits of sequences; of a regression, its values in the target's units.

    Neither padding nor the other rows of a batch change a row's logits.

    Args:
        config: the classifier.

    Example:
        >>> from titans_seq.blocks import LMMConfig
        >>> encoder = EncoderConfig(dim=16, blocks=(LMMConfig(),), depth=1)
        >>> model = Classifier(ClassifierConfig(encoder, "classes", outputs=3)).eval()
        >>> model(torch.randint(5, (2, 9)), torch.tensor([9, 4])).shape
        torch.Size([2, 3])
    """

    complement: Tensor

    def __init__(self, config: ClassifierConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.encoder.dim
        self.encoder = Encoder(config.encoder, config.tokenizer.vocabulary)
        self.pooling = build_pooling(config.pooling, dim, config.encoder.directions == "both")
        self.dropout = nn.Dropout(config.encoder.dropout)
        linear = nn.Linear(pooled_width(config.pooling, dim), config.outputs)
        self.head = nn.Sequential(linear, Rescaled()) if config.kind == "regression" else linear
        self.places = None
        if config.places:
            self.places = PlaceWeights(config.places, config.tokenizer.vocabulary, config.outputs)
        self.words = WordWeights(config.words, config.outputs) if config.words else None
        self.register_buffer("complement", torch.tensor(config.tokenizer.complement), persistent=False)

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Read whole sequences.

        Args:
            ids: int64 `[B, T]`, padded on the right, or shares of the tokens; see `Encoder.forward`.
            lengths: int64 `[B]`, in [1, T].

        Returns:
            `[B, outputs]`.
        """
        if not self.reads_both_strands:
            return self._logits(self._pooled(self.pooling, ids, lengths), ids, lengths)
        ids, lengths = self._with_other_strand(ids, lengths)
        return torch.stack(self._logits(self._pooled(self.pooling, ids, lengths), ids, lengths).chunk(2)).mean(0)

    def stream(self, ids: Tensor, piece: int = PIECE) -> Tensor:
        """Read one sequence of any length piece by piece: the logits that `forward` gives, in bounded memory.

        Args:
            ids: `[T]` of any integer type, or shares of the tokens `[T, vocabulary]`, on the model's device.
            piece: tokens that are read at once, at least 1.

        Returns:
            `[outputs]`.
        """
        lengths = torch.tensor([len(ids)], device=ids.device)
        strands = self._strands(ids)
        logits = [self._logits(self._pooled_stream(self.pooling, one, piece), one[None], lengths) for one in strands]
        return torch.cat(logits).mean(0)

    def embed(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Return the mean features of each sequence's tokens, `[B, dim]`, and of both strands where logits are."""
        if not self.reads_both_strands:
            return self._pooled(WeightedPooling(), ids, lengths)
        ids, lengths = self._with_other_strand(ids, lengths)
        return torch.stack(self._pooled(WeightedPooling(), ids, lengths).chunk(2)).mean(0)

    def embed_stream(self, ids: Tensor, piece: int = PIECE) -> Tensor:
        """Return `embed` of one sequence `[T]` of any length, `[dim]`."""
        return torch.cat([self._pooled_stream(WeightedPooling(), one, piece) for one in self._strands(ids)]).mean(0)

    @property
    def reads_both_strands(self) -> bool:
        """Whether logits are now the mean of both strands' logits."""
        strands = self.config.strands
        return strands == "equivariant" or (strands != "given" and not self.training)

    @property
    def output(self) -> nn.Linear:
        """The linear map from pooled features to logits; of a regression to deviations from the target's mean."""
        return cast(nn.Linear, self.head[0] if isinstance(self.head, nn.Sequential) else self.head)

    @property
    def scale(self) -> Rescaled | None:
        """A regression's mean and deviation; what is added to its output is in units of the latter."""
        return cast(Rescaled, self.head[1]) if isinstance(self.head, nn.Sequential) else None

    def _with_other_strand(self, ids: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([ids, reverse_complement(ids, lengths, self.complement)]), lengths.repeat(2)

    def _strands(self, ids: Tensor) -> list[Tensor]:
        """One sequence, and its other strand where both are read."""
        if not self.reads_both_strands:
            return [ids]
        if ids.is_floating_point():
            return [ids, ids.flip(0)[:, self.complement]]
        return [ids, self.complement.to(ids.dtype)[ids.long()].flip(0)]

    def _pooled(self, pooling: Pooling, ids: Tensor, lengths: Tensor) -> Tensor:
        y = self.encoder(ids, lengths)
        valid = torch.arange(y.shape[1], device=y.device) < self.encoder.steps(lengths)[:, None]
        return pooling.finish(pooling.add(y, valid))

    def _pooled_stream(self, pooling: Pooling, ids: Tensor, piece: int) -> Tensor:
        return pooling.finish(_gathered(pooling, self.encoder.pieces(ids, piece)))

    def _logits(self, pooled: Tensor, ids: Tensor, lengths: Tensor) -> Tensor:
        logits = self.head(self.dropout(pooled))
        unit = 1.0 if self.scale is None else self.scale.deviation
        for term in (self.places, self.words):
            if term is not None:
                logits = logits + unit * term(ids, lengths)
        return logits


def _gathered(pooling: Pooling, pieces: Iterable[Tensor]) -> object:
    gathered = None
    for y in pieces:
        gathered = pooling.add(y, torch.ones(y.shape[:2], dtype=torch.bool, device=y.device), gathered)
    return gathered
