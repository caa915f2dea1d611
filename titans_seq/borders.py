"""Documents packed behind each other in one row: their borders, those asked for, and where a batch finds its tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor


def borders_of(cu_seqlens: Tensor, rows: int, length: int) -> list[int]:
    """Return the borders of packed documents.

    Args:
        cu_seqlens: whole numbers `[documents + 1]`, from 0 to the number of tokens; read on the host.
        rows: of what they cut.
        length: tokens of a row.

    Raises:
        ValueError: if there is more than one row, or the borders are not whole numbers that rise from 0 to its length.

    Example:
        >>> borders_of(torch.tensor([0, 2, 2, 5]), rows=1, length=5)
        [0, 2, 2, 5]
    """
    if rows != 1:
        raise ValueError(
            f"packed documents lie behind each other in one row, [1, N, ...], got {rows} rows: lay them end to end "
            f"with x.flatten(0, 1).unsqueeze(0)"
        )
    cu_seqlens = torch.as_tensor(cu_seqlens)  # it may be a list
    if cu_seqlens.is_floating_point():
        raise ValueError(
            f"cu_seqlens must be whole numbers, got {cu_seqlens.dtype}: convert them with cu_seqlens.long()"
        )
    borders = cu_seqlens.tolist()
    rising = cu_seqlens.dim() == 1 and all(a <= b for a, b in zip(borders, borders[1:], strict=False))
    if not rising or len(borders) < 2 or borders[0] != 0 or borders[-1] != length:
        raise ValueError(
            f"cu_seqlens must be [documents + 1] and rise from 0 to the {length} tokens, got {_shown(borders)}"
        )
    return borders


def wanted_of(return_state: bool | Sequence[int], count: int) -> list[int]:
    """Return the documents after which a state is wanted.

    Args:
        return_state: all, none, or which.
        count: how many documents there are.

    Raises:
        ValueError: if one is named that there is not, or one twice.

    Example:
        >>> wanted_of(True, 2), wanted_of([1], 2), wanted_of(False, 2)
        ([0, 1], [1], [])
    """
    wanted = list(range(count)) if return_state is True else list(return_state or ())
    if len(set(wanted)) < len(wanted) or any(not 0 <= document < count for document in wanted):
        raise ValueError(f"return_state must name documents of 0 .. {count - 1}, each once, got {_shown(wanted)}")
    return wanted


def tokens_at(documents: Sequence[tuple[int, int]], begins: Sequence[int], length: int) -> tuple[Tensor, Tensor]:
    """Say where a batch of pieces of documents finds its tokens.

    Args:
        documents: where each begins, and how long it is.
        begins: of each piece, counted from its document's first token.
        length: of the pieces.

    Returns:
        The tokens' places, `[documents, length]`, and which of them there are: behind its end a document repeats its
        last token.

    Example:
        >>> places, there = tokens_at([(0, 3), (10, 1)], [1, 0], 2)
        >>> places.tolist(), there.tolist()
        ([[1, 2], [10, 10]], [[True, True], [True, False]])
    """
    starts, lengths = torch.tensor(documents).unsqueeze(-1).unbind(1)
    tokens = torch.tensor(begins).unsqueeze(1) + torch.arange(length)
    return starts + torch.minimum(tokens, lengths - 1), tokens < lengths


def _shown(numbers: Sequence[int]) -> str:
    return str(numbers) if len(numbers) <= 8 else f"[{', '.join(map(str, numbers[:6]))}, ... {numbers[-1]}]"
