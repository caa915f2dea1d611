"""What a call launches, and in which order; with `_kernels` all that imports triton."""

from titans_seq.ops.triton._buffers import Inputs, Results, Saved, empty_gradients, empty_results, empty_saved
from titans_seq.ops.triton._plans import _deep, _linear
from titans_seq.ops.triton._plans._launch import Launch, run

__all__ = ["plan_backward", "plan_forward", "run"]


def plan_forward(x: Inputs) -> tuple[list[Launch], Results, Saved]:
    """Return what to launch, the results that it fills, and what it leaves for the backward pass."""
    results, saved = empty_results(x), empty_saved(x)
    forward = _linear.forward if x.depth == 1 else _deep.forward
    return forward(x, results, saved), results, saved


def plan_backward(x: Inputs, saved: Saved, d_results: Results) -> tuple[list[Launch], Inputs]:
    """Return what to launch, and the gradients that it fills.

    Args:
        x: what went in.
        saved: what the forward pass left.
        d_results: gradients of its results.
    """
    d = empty_gradients(x)
    backward = _linear.backward if x.depth == 1 else _deep.backward
    return backward(x, saved, d_results, d), d
