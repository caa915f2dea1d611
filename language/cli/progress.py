"""How far a text is read, and how well the model predicts it, on standard error."""

import time

from titans_seq.progress import Display, Progress

from ..evaluation.perplexity import bits_per_byte, perplexity
from ..inference.text import TextTokens


def loss_text(loss: float, tokens: int, text_bytes: float | None) -> str:
    """Return the mean loss of some text in its units.

    Args:
        loss: of all tokens together, in nats.
        tokens: how many.
        text_bytes: that the tokens stand for, in UTF-8; None if that is not known.

    Example:
        >>> loss_text(20.0, tokens=20, text_bytes=20)
        'loss 1.0000 nats a token, perplexity 2.718, 1.4427 bits a byte'
    """
    mean = loss / tokens
    text = f"loss {mean:.4f} nats a token, perplexity {perplexity(mean):.3f}"
    return text if text_bytes is None else f"{text}, {bits_per_byte(loss, text_bytes):.4f} bits a byte"


class ReadingProgress(Display):
    """Show how far the reading of texts is, for the time of a `with` block.

    Args:
        style: see `Display`.
    """

    def __init__(self, style: Progress) -> None:
        super().__init__(style, keep=True)
        self._text: TextTokens | None = None
        self._before = self._latest = self.began

    def advance(self, text: TextTokens, tokens: int, loss: float) -> None:
        """Count in a piece.

        Args:
            text: what is read.
            tokens: of it so far.
            loss: of those, in nats, in all.
        """
        if text is not self._text:
            self._text, self._before = text, self._latest
        self._latest = time.monotonic()
        if not self.is_time():
            return
        # The text is made to tokens ahead of their reading: what is read of its bytes goes by their mean.
        read = text.text_bytes * tokens / text.tokens
        rate = tokens / max(self._latest - self._before, 1e-9)
        facts = f"{tokens:,} tokens, {rate:,.0f}/s, {loss_text(loss, tokens, None if text.loss.lost else read)}"
        self.show(f"{text.path.name}: {facts}", read, text.size)
