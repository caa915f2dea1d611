"""AdamW with weight decay on matrices only, and the schedule of its settings."""

from typing import Any

import torch
from torch import nn

from titans_seq.experiment.settings import OptimiserConfig


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Split parameters into those that decay and those that do not, for an optimiser.

    Decay acts on the matrices of `nn.Linear` layers. It does not act on embeddings (a tied head included), norms,
    biases, convolutions, persistent tokens and gate vectors, whose scale means something. Nor does it act on a
    memory's initial weights: they are the first value of a state that forgets by a gate of its own, and pulled to zero
    they would be a deep memory that cannot begin to learn.

    Args:
        model: any module; parameters that need no gradient are left out.
        weight_decay: for the first group.

    Returns:
        Two groups, in the order of the model's parameters.

    Example:
        >>> model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3))
        >>> [len(group["params"]) for group in parameter_groups(model, 0.1)]
        [1, 2]
    """
    matrices = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    # A head tied to the embedding is the embedding.
    matrices -= {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in parameters if id(p) in matrices], "weight_decay": weight_decay},
        {"params": [p for p in parameters if id(p) not in matrices], "weight_decay": 0.0},
    ]


def build_optimiser(
    model: nn.Module | list[dict[str, Any]], config: OptimiserConfig, steps: int
) -> tuple[torch.optim.AdamW, Any]:
    """Return AdamW and its schedule over `steps` optimiser steps.

    Args:
        model: what is trained, divided by `parameter_groups`; or groups of its parameters.
        config: the settings.
        steps: of the whole schedule.

    Example:
        >>> optimiser, schedule = build_optimiser(nn.Linear(2, 2), OptimiserConfig(lr=0.1, warmup=10), steps=100)
        >>> round(schedule.get_last_lr()[0], 6)
        0.01
    """
    groups = parameter_groups(model, config.weight_decay) if isinstance(model, nn.Module) else model
    # One call for all parameters, where there are many small ones: a third of the time.
    optimiser = torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, fused=True)
    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: config.factor(step, steps))
