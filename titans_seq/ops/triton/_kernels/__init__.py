"""The kernels themselves. Nothing above this package imports triton.

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
| read, write | `[G, N, slots, TOKENS]` | float32, see `_coefficients` |
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
