"""Whether a training went on to learn its sequences by heart, from its epochs."""

from collections.abc import Sequence

from .fitting import Epoch

_WORSE = 1.25
"""Times the least validation loss: seeds and small validation parts make the last epochs differ by less."""


def overfitting(history: Sequence[Epoch]) -> str | None:
    """Say so if the validation loss rose far above its least while the training loss fell below that.

    The best epoch is kept in any case: what is lost is what the later epochs, of a lower learning rate, could have
    added.

    Args:
        history: every epoch.

    Returns:
        Two sentences; None if it is not so, or if there was no validation part.

    Example:
        >>> epochs = [Epoch(1, 0.5, 0.4, 0.6), Epoch(2, 0.1, 0.6, 0.5)]
        >>> overfitting(epochs)  # doctest: +ELLIPSIS
        'The validation loss rose from 0.400 (epoch 1) to 0.600 while the training loss fell to 0.100: ...'
    """
    losses = [epoch.val_loss for epoch in history if epoch.val_loss is not None]
    if not losses:
        return None
    least, last, trained = min(losses), losses[-1], history[-1].train_loss
    if last < _WORSE * least or trained > least:
        return None
    return (
        f"The validation loss rose from {least:.3f} (epoch {losses.index(least) + 1}) to {last:.3f} while the training "
        f"loss fell to {trained:.3f}: the model learns sequences by heart. More of them, --mutations 0.05 or a larger "
        "--dropout may help: compare validation scores."
    )
