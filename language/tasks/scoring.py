"""How well a model's outputs answer what a batch asks."""

import torch
from torch import Tensor

from .base import IGNORE


def token_accuracy(output: Tensor, targets: Tensor) -> float:
    """Return the share of asked positions that are answered rightly.

    Args:
        output: logits `[B, T, vocabulary]`, or predicted tokens, int64 `[B, T]`.
        targets: int64 `[B, T]`, `IGNORE` where nothing is asked.

    Returns:
        In [0, 1].

    Raises:
        ValueError: if the shapes do not belong together or nothing is asked.

    Example:
        >>> token_accuracy(torch.tensor([[1, 2, 3]]), torch.tensor([[-100, 2, 4]]))
        0.5
    """
    right, asked = _compare(output, targets)
    return right[asked].float().mean().item()


def exact_match(output: Tensor, targets: Tensor) -> float:
    """Return the share of sequences, among those of which something is asked, with every answer right.

    Arguments and errors are those of `token_accuracy`.

    Example:
        >>> exact_match(torch.tensor([[1, 2], [3, 4]]), torch.tensor([[1, 2], [3, 9]]))
        0.5
    """
    right, asked = _compare(output, targets)
    return (right | ~asked).all(dim=1)[asked.any(dim=1)].float().mean().item()


def class_accuracy(output: Tensor, targets: Tensor) -> float:
    """Return the token accuracy of each answer by itself, averaged over the answers that occur.

    MAD (arXiv 2403.17844) scores this way: its code uses torchmetrics' MulticlassAccuracy, whose default it is. A
    token that is predicted but never the answer counts there as one more class, answered wrongly; here too.

    Arguments and errors are those of `token_accuracy`.

    Example:
        >>> class_accuracy(torch.tensor([[1, 1, 1, 1]]), torch.tensor([[1, 1, 1, 2]]))
        0.5
    """
    predicted = _predicted(output, targets)
    right, asked = _compare(predicted, targets)
    answers = targets[asked]
    classes, index = torch.cat([answers, predicted[asked]]).unique(return_inverse=True)
    hits = torch.zeros(len(classes)).index_add_(0, index[: len(answers)], right[asked].float())
    counts = torch.bincount(index[: len(answers)], minlength=len(classes))
    return (hits / counts.clamp(min=1)).mean().item()


def _predicted(output: Tensor, targets: Tensor) -> Tensor:
    predicted = output.argmax(dim=-1) if output.ndim == targets.ndim + 1 else output
    if targets.ndim != 2 or predicted.shape != targets.shape:
        raise ValueError(
            f"expected targets [B, T] and an output [B, T] or [B, T, vocabulary], got targets {list(targets.shape)} "
            f"and an output {list(output.shape)}"
        )
    return predicted


def _compare(output: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return where the answer is right and where one is asked, both bool `[B, T]`."""
    predicted = _predicted(output, targets)
    asked = targets != IGNORE
    if not asked.any():
        raise ValueError(f"nothing is asked: every target is {IGNORE}")
    return (predicted == targets) & asked, asked
