"""What happens to a record that cannot be used: an error, or a note about what was left out."""

from collections.abc import Callable

from titans_seq.errors import UserError

Refuse = Callable[[UserError], None]
"""Called with what is wrong with a record; if it returns, the record is left out."""


def refusal(skip_bad: bool, left_out: list[str] | None = None) -> Refuse:
    """How to treat records that cannot be used.

    Args:
        skip_bad: False raises the error; True leaves the record out.
        left_out: where the message of each record left out goes.

    Example:
        >>> left_out: list[str] = []
        >>> refusal(True, left_out)(UserError("a.fa, record 2: no sequence"))
        >>> left_out
        ['a.fa, record 2: no sequence']
    """

    def refuse(error: UserError) -> None:
        if not skip_bad:
            raise error
        if left_out is not None:
            left_out.append(str(error))

    return refuse
