"""What a tokenizer loses of a text: characters that do not come back when its tokens are decoded."""

from collections import Counter
from dataclasses import dataclass, field

from .base import Tokenizer

SAMPLE = 1 << 12
"""Characters of a document, or of a piece of one, that are looked at."""
_ALWAYS = 64
_SHOWN = 5


@dataclass(frozen=True)
class TextLoss:
    """How much of a text does not come back.

    Attributes:
        characters: that were looked at.
        lost: how often each character is missing in what is decoded.
    """

    characters: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Of the characters, in [0, 1]."""
        return self.lost.total() / self.characters if self.characters else 0.0

    def __add__(self, other: "TextLoss") -> "TextLoss":
        """Of two texts together."""
        return TextLoss(self.characters + other.characters, self.lost + other.lost)

    def __str__(self) -> str:
        """What is lost, in words.

        Example:
            >>> print(TextLoss(1000, Counter({"é": 20, "ï": 1})))
            2.1% of 1,000 characters: 'é' (U+00E9) 20, 'ï' (U+00EF) 1
        """
        common = self.lost.most_common(_SHOWN)
        shown = ", ".join(f"{character!r} (U+{ord(character):04X}) {count:,}" for character, count in common)
        more = len(self.lost) - len(common)
        return f"{100 * self.share:.2g}% of {self.characters:,} characters: {shown}{f', {more} more' if more else ''}"


def text_loss(tokenizer: Tokenizer, text: str) -> TextLoss:
    """Compare a text, of which the first `SAMPLE` characters count, with what its tokens decode to.

    A character that comes back as another one, such as a capital as a small letter, is lost; what is added is not
    counted.

    Raises:
        UserError: if the text cannot be encoded, see `Tokenizer.encode_array`.

    Example:
        >>> from language.tokenizers import ByteTokenizer
        >>> text_loss(ByteTokenizer(), "naïve").share
        0.0
    """
    text = text[:SAMPLE]
    decoded = tokenizer.decode(tokenizer.encode_array(text).tolist())
    lost = Counter() if decoded == text else Counter(text) - Counter(decoded)
    return TextLoss(len(text), lost)


def is_sampled(number: int) -> bool:
    """Say whether the document or piece of that number, from 0, is looked at: the first 64, then ever fewer.

    Example:
        >>> [number for number in range(1000) if is_sampled(number)][-5:]
        [63, 64, 128, 256, 512]
    """
    return number < _ALWAYS or number & (number - 1) == 0
