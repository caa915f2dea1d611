"""Turning padded rows around within their own lengths, and reading the other strand."""

import torch
from torch import Tensor


def turned(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverse each row within its own length; padding stays where it is.

    Args:
        x: `[B, T]` or `[B, T, D]`.
        lengths: int64 `[B]`, in [1, T].

    Returns:
        A tensor shaped like x; turning it again gives x.

    Example:
        >>> turned(torch.tensor([[1, 2, 3, 0], [1, 2, 3, 4]]), torch.tensor([3, 4])).tolist()
        [[3, 2, 1, 0], [4, 3, 2, 1]]
    """
    place = torch.arange(x.shape[1], device=x.device)
    source = torch.where(place < lengths[:, None], lengths[:, None] - 1 - place, place)
    return x.gather(1, source.view(*source.shape, *[1] * (x.dim() - 2)).expand_as(x))


def reverse_complement(ids: Tensor, lengths: Tensor, complement: Tensor) -> Tensor:
    """Return the rows as read on the other strand.

    Args:
        ids: int64 `[B, T]`, or shares of the tokens `[B, T, vocabulary]`.
        lengths: int64 `[B]`.
        complement: of each id, int64 `[vocabulary]`; padding is its own.

    Example:
        >>> complement = torch.tensor([3, 2, 1, 0, 4, 5, 6])
        >>> reverse_complement(torch.tensor([[0, 1, 5]]), torch.tensor([2]), complement).tolist()
        [[2, 3, 5]]
    """
    other = turned(ids, lengths)
    return other[..., complement] if ids.is_floating_point() else complement[other]
