"""The processes of a parallel run: which one writes files, and what they tell each other."""

from typing import Any

import torch


def is_first_process() -> bool:
    """Say whether this is the process that writes files; known before the processes of a parallel run have met.

    Example:
        >>> is_first_process()
        True
    """
    # Here, for who uses the model of a run needs no Lightning.
    from lightning.fabric.utilities.rank_zero import rank_zero_only

    return getattr(rank_zero_only, "rank", 0) == 0


def gather_ranks(value: Any) -> list[Any]:
    """Return every process's value, in the order of the ranks; one process has its own alone.

    Example:
        >>> gather_ranks("only me")
        ['only me']
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return [value]
    values = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(values, value)
    return values


def of_this_rank(values: list[Any]) -> Any | None:
    """Return this process's value of a list that `gather_ranks` made, or None if their number was another.

    Example:
        >>> of_this_rank(["only me"])
        'only me'
        >>> of_this_rank(["of two", "processes"]) is None
        True
    """
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    world, rank = (torch.distributed.get_world_size(), torch.distributed.get_rank()) if distributed else (1, 0)
    return values[rank] if len(values) == world else None
