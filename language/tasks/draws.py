"""Random draws and look-ups for whole batches, without loops over tokens."""

import numpy as np
import torch
from torch import Tensor

_MOST_NUMBERS_AT_ONCE = 1 << 24


def draw_distinct(rows: int, count: int, choices: int, generator: torch.Generator) -> Tensor:
    """Draw, in every row, different numbers in random order.

    Args:
        rows: number of draws.
        count: numbers in a row, at most `choices`.
        choices: numbers are below it.
        generator: source of chance.

    Returns:
        int64 `[rows, count]` in [0, choices).

    Example:
        >>> draw_distinct(2, 3, 3, torch.Generator().manual_seed(0)).sort().values.tolist()
        [[0, 1, 2], [0, 1, 2]]
    """
    step = max(1, _MOST_NUMBERS_AT_ONCE // choices)
    sizes = [min(step, rows - start) for start in range(0, rows, step)]
    parts = [torch.rand(size, choices, generator=generator).topk(count).indices for size in sizes]
    return torch.cat(parts) if parts else torch.empty(0, count, dtype=torch.long)


def draw_lengths(rows: int, shortest: int | None, longest: int, generator: torch.Generator) -> Tensor:
    """Draw how long each row's content is.

    Args:
        rows: number of draws.
        shortest: least length; lengths are uniform from there on. None makes every row as long as possible.
        longest: greatest length.
        generator: source of chance.

    Returns:
        int64 `[rows, 1]`.

    Example:
        >>> draw_lengths(2, None, 5, torch.Generator())
        tensor([[5],
                [5]])
    """
    least = longest if shortest is None else shortest
    return torch.randint(least, longest + 1, (rows, 1), generator=generator)


def first_occurrence(codes: Tensor) -> Tensor:
    """Return where each element of a row was first seen.

    Args:
        codes: int64 `[B, N]`.

    Returns:
        int64 `[B, N]`: the smallest index with the same code in the row; an element's own index if it is new.

    Example:
        >>> first_occurrence(torch.tensor([[7, 3, 7, 3, 5]]))
        tensor([[0, 1, 0, 1, 4]])
    """
    ordered, order = codes.sort(dim=1, stable=True)
    new = torch.ones_like(ordered, dtype=torch.bool)
    new[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    index = torch.arange(codes.shape[1]).expand_as(codes)
    group = torch.where(new, index, 0).cummax(dim=1).values
    return torch.empty_like(codes).scatter_(1, order, order.gather(1, group))


def numpy_generator(generator: torch.Generator) -> np.random.Generator:
    """Return a NumPy generator that is seeded by the next draw of PyTorch's.

    Example:
        >>> numpy_generator(torch.Generator().manual_seed(0)).integers(0, 1)
        np.int64(0)
    """
    seed = torch.randint(2**62, (), generator=generator)
    return np.random.default_rng(int(seed))
