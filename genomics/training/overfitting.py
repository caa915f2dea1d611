"""Detect overfitting from the training history."""

from titans_seq.experiment.history import History

_WORSE = 1.25
"""Times the least validation loss: seeds and small validation parts make the last epochs differ by less."""


def overfitting(history: History) -> str | None:
    """Say so if the validation loss rose far above its least while the training loss fell below that.

    The best epoch is kept in any case: what is lost is what the later epochs, of a lower learning rate, could have
    added.

    Args:
        history: every epoch.

    Returns:
        Two sentences; None if it is not so, or if there was no validation part.

    Example:
        >>> first = {"epoch": 1, "loss": 0.5, "validation_loss": 0.4}
        >>> last = {"epoch": 2, "loss": 0.1, "validation_loss": 0.6}
        >>> overfitting(History((first, last)))  # doctest: +ELLIPSIS
        'The validation loss rose from 0.400 (epoch 1) to 0.600 while the training loss fell to 0.100: ...'
    """
    losses = [row["validation_loss"] for row in history.epochs if "validation_loss" in row]
    if not losses or "loss" not in history.epochs[-1]:
        return None
    least, last, trained = min(losses), losses[-1], history.epochs[-1]["loss"]
    if last < _WORSE * least or trained > least:
        return None
    return (
        f"The validation loss rose from {least:.3f} (epoch {losses.index(least) + 1}) to {last:.3f} while the training "
        f"loss fell to {trained:.3f}: the model learns sequences by heart. More of them, or larger --mutations "
        "or --dropout, may help: compare validation scores."
    )
