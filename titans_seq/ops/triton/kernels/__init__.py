"""The kernels and what a call launches of them, in which order; nothing outside this package imports triton.

`linear` and `deep` plan a memory's launches, `layer` those that both share; every other module is one kernel, or what
kernels share.

Names. A chunk is padded to `TOKENS` rows, a power of two; its last tokens are those that it lacks. `K` and `V` are the
widths of keys and values, of which a program holds slices of `KEYS` and `VALUES`. `g` is a sequence's head, batch
first. A memory of two layers has HIDDEN units between them, and tensors of its layers carry the layer's number. In
memory:

| tensor | shape | |
|---|---|---|
| queries, keys, values, outputs | `[B, T, H, .]` | |
| gates | `[B, T, H]` | float32 |
| activations, their slopes | `[B, T, H, HIDDEN]` | the operands' dtype |
| weights, momentum, anchor | `[G, K, V]` | float32 |
| the two at each chunk's start | `[G, N, K, V]` | the operands' dtype |
| errors: v - k W, or minus the gradient at a layer's output | `[G, N, TOKENS, V]` | the operands' dtype |
| read, write | `[G, N, slots, TOKENS]` | float32, see `coefficients` |
| mix | `[G, N, TOKENS, TOKENS]` | the operands' dtype |
| fade | `[G, N]` | float32 |

Products take operands of the queries' dtype and add up in float32; whatever is carried is float32.

Branches that are always taken (`if always`) are there for the compiler. Where a product's result reaches another
product, it gives each warp rows of its own, so that 8 warps compute a tile of 64 rows twice and hold it twice; and it
looks for such products along values, but not through a branch. Without them the sequential kernels of two layers
spilled 400 and 1,800 bytes a thread (hidden 64, chunk 64, bfloat16), with them none.

Modules with kernels begin with `type: ignore`: a type checker knows neither triton's language nor, where it is not
installed, triton.
"""

from titans_seq.ops.triton.buffers import Inputs, Results, Saved, empty_gradients, empty_results, empty_saved
from titans_seq.ops.triton.kernels import deep, linear
from titans_seq.ops.triton.kernels.launch import Launch, run

__all__ = ["plan_backward", "plan_forward", "run"]


def plan_forward(x: Inputs) -> tuple[list[Launch], Results, Saved]:
    """Return what to launch, the results that it fills, and what it leaves for the backward pass."""
    results, saved = empty_results(x), empty_saved(x)
    forward = linear.forward if x.depth == 1 else deep.forward
    return forward(x, results, saved), results, saved


def plan_backward(x: Inputs, saved: Saved, d_results: Results) -> tuple[list[Launch], Inputs]:
    """Return what to launch, and the gradients that it fills.

    Args:
        x: what went in.
        saved: what the forward pass left.
        d_results: gradients of its results.
    """
    d = empty_gradients(x)
    backward = linear.backward if x.depth == 1 else deep.backward
    return backward(x, saved, d_results, d), d
