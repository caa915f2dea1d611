"""The kernels themselves. Nothing above this package imports triton.

Names. A chunk is padded to `TOKENS` rows, a power of two; its last tokens are those that it lacks. `K` and `V` are the
widths of keys and values, of which a program holds slices of `KEYS` and `VALUES`. `g` is a sequence's head, batch
first. In memory:

| tensor | shape | |
|---|---|---|
| queries, keys, values, outputs | `[B, T, H, .]` | |
| gates | `[B, T, H]` | float32 |
| weights, momentum, anchor | `[G, K, V]` | float32 |
| the two at each chunk's start | `[G, N, K, V]` | the operands' dtype |
| errors, v - k W | `[G, N, TOKENS, V]` | the operands' dtype |
| read, write | `[G, N, slots, TOKENS]` | float32, see `_coefficients` |
| mix | `[G, N, TOKENS, TOKENS]` | the operands' dtype |
| fade | `[G, N]` | float32 |

Products take operands of the queries' dtype and add up in float32; whatever is carried is float32.

Modules with kernels begin with `type: ignore`: a type checker knows neither triton's language nor, where it is not
installed, triton.
"""
