"""What happens to a record that cannot be used, and what is said of records that were changed in reading."""

from collections import Counter
from dataclasses import dataclass

from titans_seq.errors import UserError


@dataclass(frozen=True)
class Refuse:
    """Refuse a record that cannot be used, or leave it out: it is left out if a call returns.

    Args:
        skip_bad: False raises the error; True leaves the record out.
        left_out: where the message of each record left out goes; None for nowhere.
        notes: how many records each sentence about a change speaks of; None if nobody wants to know.

    Example:
        >>> left_out: list[str] = []
        >>> Refuse(True, left_out)(UserError("a.fa, record 2: no sequence"))
        >>> left_out
        ['a.fa, record 2: no sequence']
    """

    skip_bad: bool = False
    left_out: list[str] | None = None
    notes: Counter[str] | None = None

    def __call__(self, error: UserError) -> None:
        """Raise the error, or remember what is left out.

        Raises:
            UserError: the one given, unless records may be left out.
        """
        if not self.skip_bad:
            raise error
        if self.left_out is not None:
            self.left_out.append(str(error))

    def note(self, what: str) -> None:
        """Count one more record of which a sentence is true."""
        if self.notes is not None:
            self.notes[what] += 1
