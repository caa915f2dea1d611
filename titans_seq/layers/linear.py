"""Linear maps called as modules, so that adapters, hooks and quantised layers in their place take part."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

_FULL = (torch.float32, torch.float64)


def some_outputs(linear: nn.Module, x: Tensor, begin: int, end: int) -> Tensor:
    """Return the outputs begin .. end of a linear map without bias.

    A plain `nn.Linear` computes no more than these. Whatever else stands in its place (LoRA, a quantised layer), has
    hooks or another `forward` (accelerate's offloading), is called, and the rest of what it returns is dropped.

    Example:
        >>> linear, x = nn.Linear(3, 4, bias=False), torch.randn(2, 3)
        >>> torch.allclose(some_outputs(linear, x, 1, 3), linear(x)[:, 1:3], atol=1e-6)
        True
    """
    if type(linear) is nn.Linear and is_plain(linear):
        return F.linear(x, linear.weight[begin:end])
    return linear(x)[..., begin:end]


def is_plain(module: nn.Module) -> bool:
    """Say whether a call does what the module's class says and no more: no hook, no `forward` put in its place.

    Example:
        >>> is_plain(nn.Linear(3, 4))
        True
    """
    before = module._forward_pre_hooks or module._backward_pre_hooks
    return not (before or module._forward_hooks or module._backward_hooks or "forward" in vars(module))


def in_full_precision(linear: nn.Module, x: Tensor) -> Tensor:
    """Call a module in float32 at least, whatever its own dtype.

    Autocast has to be off. Parameters in half precision are cast for this call alone.

    Example:
        >>> in_full_precision(nn.Linear(3, 4).bfloat16(), torch.randn(2, 3)).dtype
        torch.float32
    """
    if type(linear) is nn.Linear and linear.weight.dtype == x.dtype in _FULL:
        return linear(x)
    dtypes = {p.dtype for p in linear.parameters() if p.is_floating_point()}
    dtype = torch.float32
    for known in dtypes or {x.dtype}:  # a quantised layer has no parameters of that kind
        dtype = torch.promote_types(dtype, known)
    if dtypes <= {dtype}:
        return linear(x.to(dtype))
    cast: Mapping[str, Tensor] = {
        name: p.to(dtype) if p.is_floating_point() else p for name, p in linear.named_parameters()
    }
    return functional_call(linear, dict(cast), (x.to(dtype),))
