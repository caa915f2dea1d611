"""What code by hand owes to PyTorch's other modes: forward mode, `torch.func`, differentiating twice, autocast."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad


def transformed() -> bool:
    """Return True inside `torch.func` transforms and forward-mode differentiation.

    An operator with a derivative by hand is known to reverse mode alone: forward mode would take its tangent for zero.
    What has one runs its plain PyTorch function here instead.
    """
    if torch.compiler.is_compiling():
        return False
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def by_autograd(*tensors: Tensor) -> bool:
    """Return True where PyTorch is to differentiate what is done with tensors, in whatever mode."""
    return transformed() or (torch.is_grad_enabled() and any(x.requires_grad for x in tensors))


def differentiable_gradients(
    function: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor], gradients: Sequence[Tensor]
) -> list[Tensor | None]:
    """Pull gradients of a function's outputs back to its inputs, so that the result can be differentiated again.

    For the backward pass of an operator, where `torch.is_grad_enabled()` says that there will be a second one.

    Args:
        function: plain PyTorch.
        inputs: what it takes; those that require no gradient get None.
        gradients: of its outputs, in order; further outputs have none.
    """
    with torch.enable_grad():
        # Views, so that the gradient stops at this function even where one input was made of another.
        taken = [x.view_as(x) for x in inputs]
        pairs = zip(function(*taken), gradients, strict=False)
        outputs, d_outputs = zip(*((y, g) for y, g in pairs if y.requires_grad), strict=True)
        wanted = [x for x in taken if x.requires_grad]
        found = torch.autograd.grad(outputs, wanted, d_outputs, create_graph=True, materialize_grads=True)
    rest = iter(found)
    return [next(rest) if x.requires_grad else None for x in taken]


def mixed_precision(device: str) -> bool:
    """Return True where autocast is on; there are kinds of device that know none, such as "meta".

    Args:
        device: kind of device, "cpu" or "cuda".
    """
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def full_precision(device: str) -> AbstractContextManager[Any]:
    """Return a context in which autocast is off; where it is, PyTorch's own would take longer than an operator.

    Args:
        device: kind of device, "cpu" or "cuda".
    """
    return torch.autocast(device, enabled=False) if mixed_precision(device) else nullcontext()
