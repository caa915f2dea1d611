"""What `prepare` puts up with in its input."""

from dataclasses import dataclass
from pathlib import Path

from titans_seq.errors import UserError

from ..tokenizers.loss import TextLoss


@dataclass(frozen=True)
class Limits:
    """What is put up with in the input.

    Args:
        max_loss: see `prepare`.
        skip_bad: see `prepare`.

    Raises:
        UserError: if the share is out of its range.
    """

    max_loss: float
    skip_bad: bool

    def __post_init__(self) -> None:
        if not 0 <= self.max_loss <= 1:
            raise UserError(f"the share that may be lost must be in [0, 1], got {self.max_loss}")

    def check(self, loss: TextLoss, path: Path) -> None:
        """Refuse a file of whose text too much is lost."""
        if loss.share > self.max_loss:
            raise UserError(
                f"{path}: the tokenizer loses {loss}; expected at most {100 * self.max_loss:g}%: take a tokenizer "
                "that keeps all text (bytes, or one with byte fallback), or allow it with --max-loss (max_loss=...)"
            )
