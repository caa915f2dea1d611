"""Stacking: linear models weighed into a trained classifier, as much of each as lowers the loss of validation.

A network that learns from few sequences knows less of their composition than a linear model with a penalty does. What
is added are weights of the classifier itself, so that whatever reads it (predictions, variants, explanations) sees one
model. Wolpert, "Stacked generalization", Neural Networks 5 (1992).
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize

from titans_seq.config import from_dict
from titans_seq.errors import UserError
from titans_seq.files import write_text

from ..baselines.features import PER_BASES, Features, kmer_frequencies, of_both_strands, one_hot_ends
from ..baselines.linear import LinearModel, fit_linear
from ..baselines.values import by_loss, loss
from ..models.classifier import Classifier
from ..models.words import BASES, word_counts
from ..sequences.kmers import kmer_complements
from ..sequences.values import LabelledSequences
from .config import STACK
from .predictor import Predictor, probabilities

STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
"""Inverse penalties that validation chooses from."""
_LEAST = 0.01
_GIVEN, _BOTH = "as given", "both strands"


@dataclass(frozen=True)
class Share:
    """A linear model's part in a stack.

    Attributes:
        weight: by which its logits are multiplied, at least 0.
        strength: inverse penalty (scikit-learn's C) that it was fitted with.
        features: which features validation preferred.
    """

    weight: float
    strength: float
    features: str


@dataclass(frozen=True)
class Stack:
    """How much of the network and of linear models a classifier's logits are.

    Attributes:
        network: weight of the network's own logits, at least 0.01.
        words: of the regression on k-mers.
        places: of the regression on what stands where; None where places have no weights.
        loss: of validation, in the units of the training log; None where no validation part chose the weights.
        alone: the same of the network before.
    """

    network: float
    words: Share
    places: Share | None
    loss: float | None
    alone: float | None

    @property
    def shares(self) -> list[Share]:
        """Of all linear models, words first."""
        return [share for share in (self.words, self.places) if share is not None]

    def describe(self) -> str:
        """Return one sentence."""
        parts = [f"{self.network:.2f} of the network", f"{self.words.weight:.2f} of a regression on k-mers"]
        if self.places is not None:
            parts.append(f"{self.places.weight:.2f} of one on places")
        if self.loss is None:
            return f"logits are {' + '.join(parts)}, as validation had it in the runs before"
        return f"logits are {' + '.join(parts)}: validation loss {self.loss:.4f}, of the network alone {self.alone:.4f}"


def stacked(
    model: Classifier,
    train: LabelledSequences,
    validation: LabelledSequences | None,
    device: str,
    earlier: Stack | None = None,
) -> Stack | None:
    """Fit linear models, and add as much of each to a trained classifier as lowers its loss on validation.

    The weights are at least 0, the network's a little more, so that no model answers the same to everything. A prior
    that counts as much as one sequence holds them near the network alone, so that few sequences change little.

    Args:
        model: trained, in evaluation mode; its weights are changed in place, and it is moved to `device`.
        train: what the linear models are fitted on.
        validation: what chooses their penalties and the weights; None takes those of `earlier`.
        device: where the network computes.
        earlier: what other sequences chose.

    Returns:
        What was added; None, and nothing is changed, if the classifier has no words, or there is nothing to choose by.
    """
    features = linear_features(model)
    if not features or (validation is None and earlier is None):
        return None
    if validation is None:
        assert earlier is not None
        linear = [
            fit_linear({share.features: of[share.features]}, (share.strength,), train, train)
            for share, of in zip(earlier.shares, features, strict=True)
        ]
        _add(model, linear, (earlier.network, *(share.weight for share in earlier.shares)))
        return earlier
    linear = [fit_linear(of, STRENGTHS, train, validation, by_loss) for of in features]
    sequences = list(validation.sequences)
    own = Predictor(model, train.classes, device).logits(sequences)
    logits = np.stack([own, *(one.logits(sequences) for one in linear)])
    score = _score(logits, model, validation)
    weights = _weights(score, len(logits), len(validation))
    _add(model, linear, weights)
    shares = [Share(weight, one.strength, one.kept) for weight, one in zip(weights[1:].tolist(), linear, strict=True)]
    alone = score(np.eye(len(logits))[0])
    return Stack(float(weights[0]), shares[0], shares[1] if len(shares) > 1 else None, score(weights), alone)


def mean_of(stacks: Sequence[Stack | None]) -> Stack | None:
    """Return the mean weights of several runs, with the penalties and features that most of them chose.

    Of what is made with it no validation part knows the loss. None if not all runs have weights.
    """
    found = [one for one in stacks if one is not None]
    if not found or len(found) < len(stacks):
        return None
    words, *places = (_mean_share(shares) for shares in zip(*(one.shares for one in found), strict=True))
    network = float(np.mean([one.network for one in found]))
    return Stack(network, words, places[0] if places else None, None, None)


def _mean_share(shares: Sequence[Share]) -> Share:
    (strength, features), _ = Counter((one.strength, one.features) for one in shares).most_common(1)[0]
    return Share(float(np.mean([one.weight for one in shares])), strength, features)


def write_stack(run: Path, stack: Stack) -> None:
    """Keep a stack in a run's folder."""
    write_text(Path(run) / STACK, json.dumps(asdict(stack), indent=2) + "\n")


def read_stack(run: Path) -> Stack | None:
    """Read the stack of a run; None where there is none.

    Raises:
        UserError: if the file is damaged.
    """
    path = Path(run) / STACK
    if not path.is_file():
        return None
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8")), Stack)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{path}: damaged ({error}): restore it, or train again") from error


def linear_features(model: Classifier) -> list[dict[str, Features]]:
    """Return what linear models may read, by name, that a classifier has weights for: of words, then of places."""
    config = model.config
    if not config.words:
        return []
    sizes, both = range(1, config.words + 1), config.strands != "given"
    words: dict[str, Features] = {_BOTH: partial(kmer_frequencies, sizes=sizes, symmetric=True)}
    if not both:
        words[_GIVEN] = partial(kmer_frequencies, sizes=sizes, symmetric=False)
    if not config.places:
        return [words]
    places = partial(one_hot_ends, left=config.places, right=0)
    return [words, {_BOTH: partial(of_both_strands, places)} if both else {_GIVEN: places}]


def _centre(model: Classifier) -> float:
    """What a model that knows nothing answers: a regression's mean."""
    return model.scale.mean.item() if model.scale is not None else 0.0


def _deviation(model: Classifier) -> float:
    """What a regression's output is in units of."""
    return model.scale.deviation.item() if model.scale is not None else 1.0


def _score(logits: np.ndarray, model: Classifier, data: LabelledSequences) -> Callable[[np.ndarray], float]:
    """From weights `[M]` to the loss of logits `[M, N, C]` weighed so, in the units of the training log."""
    centre, unit = _centre(model), _deviation(model) ** 2
    if data.kind == "multilabel":
        unit = model.config.outputs

    def score(weights: np.ndarray) -> float:
        mixed = centre + np.tensordot(weights, logits - centre, 1)
        return loss(probabilities(mixed, data.kind), data) / unit

    return score


def _weights(score: Callable[[np.ndarray], float], count: int, sequences: int) -> np.ndarray:
    start = np.eye(count)[0]

    def objective(weights: np.ndarray) -> float:
        return sequences * score(weights) + ((weights - start) ** 2).sum() / 2

    bounds = [(_LEAST, None), *[(0.0, None)] * (count - 1)]
    return np.asarray(minimize(objective, start, method="L-BFGS-B", bounds=bounds).x)


@torch.no_grad()
def _add(model: Classifier, linear: Sequence[LinearModel], weights: Sequence[float] | np.ndarray) -> None:
    """Weigh the network's own head, and add the linear models to bias, words and places."""
    network, *shares = map(float, weights)
    centre, unit = _centre(model), _deviation(model)
    bias = sum(share * (one.bias - centre) for one, share in zip(linear, shares, strict=True)) / unit
    model.output.weight.mul_(network)
    model.output.bias.mul_(network).add_(torch.as_tensor(bias))
    assert model.words is not None
    model.words.weight.copy_(torch.from_numpy(shares[0] / unit * _word_weights(linear[0], model.words.longest)))
    if model.places is not None:
        added = linear[1].weight.reshape(model.config.places, BASES, -1) * shares[1] / unit
        # Features of both strands add up, logits of both strands are averaged.
        added *= 2 if linear[1].kept == _BOTH else 1
        model.places.weight.mul_(network)
        model.places.weight[:, :BASES].add_(torch.from_numpy(added))


def _word_weights(linear: LinearModel, longest: int) -> np.ndarray:
    """Weights of the counts of every k-mer per base, `[F, C]`; a k-mer has those of its pair where both are one."""
    weight = linear.weight * PER_BASES
    if linear.kept == _GIVEN:
        return weight
    sizes = np.split(weight, np.cumsum(word_counts(longest))[:-1])
    firsts = [np.minimum(np.arange(BASES**size), kmer_complements(size)) for size in range(1, longest + 1)]
    return np.concatenate([weights[first] for weights, first in zip(sizes, firsts, strict=True)])
