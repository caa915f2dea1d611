"""Laws that every causal sequence module keeps: `forward(x, state, *, return_state) -> (y, state)`."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tests.tolerances import assert_all_close, assert_close


def tensors_of(value: Any, name: str = "state") -> dict[str, Tensor]:
    """Name every tensor in a nesting of dataclasses and tuples."""
    if isinstance(value, Tensor):
        return {name: value}
    if dataclasses.is_dataclass(value):
        parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, (tuple, list)):
        parts = {str(i): item for i, item in enumerate(value)}
    else:
        return {}
    return {n: x for part, item in parts.items() for n, x in tensors_of(item, f"{name}.{part}").items()}


def in_pieces(module: nn.Module, x: Tensor, cuts: Sequence[int]) -> dict[str, Tensor]:
    """Run x cut before the tokens `cuts`; return the joined output and the final state's tensors."""
    outputs, state = [], None
    for piece in torch.tensor_split(x, sorted(set(cuts) - {0, x.shape[1]}), dim=1):
        y, state = module(piece, state)
        outputs.append(y)
    return {"y": torch.cat(outputs, 1), **tensors_of(state)}


def assert_split_invariant(module: nn.Module, x: Tensor, cuts: Sequence[int], relative: float) -> None:
    """Assert that cutting x anywhere changes neither outputs nor the final state."""
    assert_all_close(in_pieces(module, x, cuts), in_pieces(module, x, []), relative)


def assert_causal(module: nn.Module, x: Tensor) -> None:
    """Assert at every position that another future leaves all past outputs as they were.

    The sequences with other futures are rows of one batch, which round alike up to the last digits.
    """
    other = x + torch.randn(x.shape, dtype=x.dtype, generator=torch.Generator().manual_seed(1))
    futures = [torch.cat([x[:, :t], other[:, t:]], 1) for t in range(1, x.shape[1])]
    y, *changed = module(torch.cat([x, *futures]))[0].split(len(x))
    for t, seen in enumerate(changed, 1):
        assert_close(seen[:, :t], y[:, :t], 1e-13, f"the past of another future from token {t} on")
        assert not torch.allclose(seen[:, t], y[:, t]), f"token {t} does not see itself"


def assert_sequences_independent(module: nn.Module, x: Tensor, relative: float) -> None:
    """Assert that each sequence of a batch gives what it gives alone."""
    y, _ = module(x)
    for b in range(x.shape[0]):
        alone, _ = module(x[b : b + 1])
        assert_close(alone, y[b : b + 1], relative, f"sequence {b}")


def assert_state_optional_and_untouched(module: nn.Module, x: Tensor, relative: float) -> None:
    """Assert that `return_state=False` changes no output, and that a call changes no tensor of its state."""
    half = x.shape[1] // 2
    first, state = module(x[:, :half])
    before = {name: tensor.clone() for name, tensor in tensors_of(state).items()}
    second, _ = module(x[:, half:], state)
    short, nothing = module(x[:, half:], state, return_state=False)
    assert nothing is None or not tensors_of(nothing)
    assert_close(short, second, relative)
    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors_of(state).items())
    assert first.shape[1] + second.shape[1] == x.shape[1]


def assert_every_parameter_learns(module: nn.Module, x: Tensor) -> None:
    """Assert that every parameter gets a finite gradient that is not zero throughout."""
    module.zero_grad()
    y, _ = module(x)
    (y * torch.randn(y.shape, dtype=y.dtype, generator=torch.Generator().manual_seed(2))).sum().backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, f"{name} has no gradient"
        assert parameter.grad.isfinite().all(), f"{name}: gradient not finite"
        assert parameter.grad.any(), f"{name}: gradient zero"
