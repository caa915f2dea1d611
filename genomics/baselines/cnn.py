"""A small convolutional network, trained by AdamW with one cycle of the learning rate."""

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..evaluation.values import Kind
from ..sequences.values import LabelledSequences
from .network import Network, PooledNetwork, batches, encoded, mutated, other_strand
from .values import check_parts, preference, targets


@dataclass(frozen=True)
class SmallCNN:
    """Train three convolutions with some 235,000 parameters, and keep the epoch that validation prefers.

    Attributes:
        name: as tables print it.
        both_strands: train on either strand at random and average both when predicting. It helps where the label
            belongs to either strand and hurts where it belongs to one (promoters).
        mutations: share of the bases that training draws anew, in [0, 1).
        epochs: passes over the training part, at least 1.
        batch: sequences a step.
        lr: largest learning rate.
        weight_decay: of AdamW.
        device: of PyTorch.

    Example:
        >>> sequences, labels = ("TTTTACGTTTTT", "TTTTTTTTTTTT") * 4, np.array([1, 0] * 4)
        >>> data = LabelledSequences(tuple("abcdefgh"), sequences, labels, ("no", "yes"), "classes")
        >>> SmallCNN(epochs=1).fit(data, data).predict_proba(["ACGTACGTACGT"]).shape
        (1, 2)
    """

    name: str = "small CNN"
    both_strands: bool = False
    mutations: float = 0.0
    epochs: int = 10
    batch: int = 32
    lr: float = 2e-3
    weight_decay: float = 1e-2
    device: str = "cpu"

    def fit(self, train: LabelledSequences, validation: LabelledSequences, seed: int = 0) -> "CNNModel":
        """Train; the same seed on the same machine gives the same model, and the caller's random state is left alone.

        Raises:
            UserError: if a part is empty, or they are labelled differently.
        """
        check_parts(train, validation)
        return fit_network(Network, train, validation, self, self.epochs, seed)[0]


class FitSettings(Protocol):
    """How a network is trained; `SmallCNN` says what the settings mean."""

    @property
    def both_strands(self) -> bool: ...  # noqa: D102

    @property
    def mutations(self) -> float: ...  # noqa: D102

    @property
    def batch(self) -> int: ...  # noqa: D102

    @property
    def lr(self) -> float: ...  # noqa: D102

    @property
    def weight_decay(self) -> float: ...  # noqa: D102

    @property
    def device(self) -> str: ...  # noqa: D102


def fit_network(
    build: Callable[[int], PooledNetwork],
    train: LabelledSequences,
    validation: LabelledSequences,
    settings: FitSettings,
    epochs: int,
    seed: int,
) -> "tuple[CNNModel, tuple[float, float]]":
    """Train a network by AdamW with one cycle of the learning rate; the epoch that validation prefers is kept.

    Args:
        build: makes the network for a number of outputs.
        train: what it learns from.
        validation: what chooses the epoch.
        settings: how it is trained.
        epochs: passes over the training part, at least 1.
        seed: of everything random; the caller's random state is left alone.

    Returns:
        The model, and its `preference` on validation.
    """
    with torch.random.fork_rng(devices=[] if settings.device == "cpu" else None):
        torch.manual_seed(seed)
        chance = torch.Generator().manual_seed(seed)
        truth = targets(train)
        # Values are learned at mean 0 and deviation 1.
        centre, scale = (truth.mean(), truth.std() or 1.0) if train.kind == "regression" else (0.0, 1.0)
        wanted = torch.from_numpy((truth - centre) / scale).float().to(settings.device)
        network = build(truth.shape[1]).to(settings.device)
        model = CNNModel(train.classes, train.kind, network, settings.both_strands, float(centre), float(scale))
        codes = encoded(train.sequences)
        optimiser = torch.optim.AdamW(network.parameters(), settings.lr, weight_decay=settings.weight_decay)
        best: tuple[tuple[float, float], dict[str, Tensor]] | None = None
        for epoch in range(epochs):
            network.train()
            for done, batch in batches(codes, settings.batch, chance):
                for group in optimiser.param_groups:
                    group["lr"] = settings.lr * one_cycle((epoch + done) / epochs)
                if settings.both_strands and torch.rand((), generator=chance) < 0.5:
                    batch = other_strand(batch)
                if settings.mutations:
                    batch = mutated(batch, settings.mutations, chance)
                logits = network(batch.codes.to(settings.device), batch.lengths.to(settings.device))
                optimiser.zero_grad()
                _loss(logits, wanted[batch.index.to(settings.device)], train.kind).backward()
                optimiser.step()
            score = preference(model.predict_proba(list(validation.sequences)), validation)
            if best is None or score > best[0]:
                best = score, copy.deepcopy(network.state_dict())
        assert best is not None
        network.load_state_dict(best[1])
        return model, best[0]


@dataclass(frozen=True, eq=False)
class CNNModel:
    """Predict with a fitted `SmallCNN` or `TunedResNet`; values are `centre + scale * output`."""

    classes: tuple[str, ...]
    kind: Kind
    network: PooledNetwork
    both_strands: bool
    centre: float
    scale: float

    @torch.no_grad()
    def logits(self, sequences: list[str]) -> np.ndarray:
        """Return logits, float64 `[N, C]`; see `evaluation.Model`."""
        self.network.eval()
        parameter = next(self.network.parameters())
        outputs = np.empty((len(sequences), self.network.head.out_features))
        for _, batch in batches(encoded(sequences), 256):
            strands = [batch, other_strand(batch)] if self.both_strands else [batch]
            logits = [self.network(one.codes.to(parameter.device), one.lengths.to(parameter.device)) for one in strands]
            outputs[batch.index.numpy()] = torch.stack(logits).mean(0).double().cpu().numpy()
        return self.centre + self.scale * outputs

    def predict_proba(self, sequences: list[str]) -> np.ndarray:
        """Return probabilities or values, float64 `[N, C]`; see `evaluation.Model`."""
        logits = torch.from_numpy(self.logits(sequences))
        if self.kind == "regression":
            return logits.numpy()
        return (logits.softmax(1) if self.kind == "classes" else logits.sigmoid()).numpy()


def one_cycle(done: float) -> float:
    """Return the share of the largest learning rate: 4 % up to 1 in the first 30 % of training, then to 0, by cosines.

    Example:
        >>> [round(one_cycle(done), 2) for done in (0.0, 0.3, 0.65, 1.0)]
        [0.04, 1.0, 0.5, 0.0]
    """
    if done < 0.3:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * done / 0.3))
    return 0.5 * (1 + math.cos(math.pi * (done - 0.3) / 0.7))


def _loss(logits: Tensor, wanted: Tensor, kind: Kind) -> Tensor:
    if kind == "classes":
        return functional.cross_entropy(logits, wanted)
    if kind == "multilabel":
        return functional.binary_cross_entropy_with_logits(logits, wanted)
    return functional.mse_loss(logits, wanted)
