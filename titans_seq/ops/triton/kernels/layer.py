"""Launches of the kernels that one layer's read, its derivative and its gates take, whatever the memory's depth.

A deep memory's second layer is read like a linear memory whose queries and keys are the first layer's activations.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from titans_seq.ops.triton.buffers import Inputs, Saved
from titans_seq.ops.triton.kernels.coefficients import gates_backward, prepare
from titans_seq.ops.triton.kernels.keys_backward import keys_backward
from titans_seq.ops.triton.kernels.launch import Launch, precision_of, tokens_of
from titans_seq.ops.triton.kernels.output import output
from titans_seq.ops.triton.kernels.queries_backward import mixed_backward, queries_backward


def prepare_launch(x: Inputs, saved: Saved) -> Launch:
    """Plan gates to coefficients."""
    arguments = {
        "LR": x.lr,
        "MOMENTUM": x.lr if x.momentum is None else x.momentum,
        "KEEP": x.keep,
        "READ": saved.read,
        "MIX": saved.mix,
        "WRITE": saved.write,
        "FADE": saved.fade,
        "SLOTS": x.slots,
        "COLUMNS": x.tiles(0).columns,
    }
    return Launch(prepare, (x.groups * x.chunks,), arguments | tokens_of(x), x.tiles(0).column_warps)


@dataclass(frozen=True)
class Layer:
    """One layer of a call.

    Attributes:
        x: what went into the call.
        saved: what its forward pass leaves.
        number: which layer, from 0.
        q: what of the queries the layer reads, `[B, T, H, in]`.
        k: likewise of the keys.
    """

    x: Inputs
    saved: Saved
    number: int
    q: Tensor
    k: Tensor

    @property
    def parts(self) -> int:
        """Slices of the input whose programs leave a part each of the coefficients' gradients."""
        return self.q.shape[-1] // self.x.tiles(self.number).keys

    def output(self, y: Tensor, slope: Tensor | None = None) -> Launch:
        """Plan the layer's read; with `slope` it goes through the activation, whose slope that gets."""
        activation = "none" if slope is None else self.x.network.activation
        extra = {"Y": y, "SLOPE": y if slope is None else slope, "ACTIVATION": activation, "SAVES": self.x.saves}
        slices = y.shape[-1] // self.x.tiles(self.number).values
        return self._launch(output, slices, extra)

    def queries_backward(
        self, d_y: Tensor, d_q: Tensor, gates: "GateGradients", *, slope: Tensor | None = None, d_out: Tensor | None
    ) -> Launch:
        """Plan the queries' gradients.

        Args:
            d_y: gradient of what the layer made.
            d_q: gets the gradient of what it read.
            gates: gets the coefficients' part.
            slope: of the activation that made what it read, whose input's gradient is then wanted; None for none.
            d_out: to be added; None for nothing.
        """
        extra = {
            "D_Y": d_y,
            "D_Q": d_q,
            "D_READ": gates.read,
            "D_OUT": d_y if d_out is None else d_out,
            "RESIDUAL": d_out is not None,
            "SLOPE": d_y if slope is None else slope,
            "SLOPED": slope is not None,
            **gates.parts_of(self),
        }
        return self._launch(queries_backward, self.parts, extra)

    def mixed_backward(
        self, d_y: Tensor, d_errors: Tensor, gates: "GateGradients", d_k: Tensor | None = None
    ) -> Launch:
        """Plan the gradients of the errors as far as queries of their chunk read them, and likewise of the keys."""
        extra = {
            "D_Y": d_y,
            "D_ERRORS": d_errors,
            "D_MIX": gates.mix,
            "D_K": d_y if d_k is None else d_k,
            "KEYED": d_k is not None,
            "LAYERS": self.x.depth,
            "LAYER": self.number,
        }
        return self._launch(mixed_backward, None, extra)

    def keys_backward(self, d_slots: list[Tensor], gates: "GateGradients", extra: dict[str, Any]) -> Launch:
        """Plan the gradients of the coefficients by way of the chunk's end and, with `extra`, those of the keys."""
        x = self.x
        arguments = {
            "ANCHOR": x.rounded_anchor[self.number] if x.anchor else self.saved.layers[self.number].weights_at,
            "OPEN": bool(x.anchor),
            "D_WEIGHTS_AT": d_slots[0],
            "D_PAST_AT": d_slots[-1],
            "D_WRITE": gates.write,
            "D_CARRY": gates.carry,
            **gates.parts_of(self),
        }
        return self._launch(keys_backward, self.parts, arguments | extra)

    def _launch(self, kernel: Any, slices: int | None, extra: dict[str, Any]) -> Launch:
        """Plan a kernel over all chunks and a number of slices, with `extra` and what it takes of the layer's own."""
        x, saved, tiles = self.x, self.saved, self.x.tiles(self.number)
        layer = saved.layers[self.number]
        held = {
            "Q": self.q,
            "K_": self.k,
            "READ": saved.read,
            "WRITE": saved.write,
            "MIX": saved.mix,
            "WEIGHTS_AT": layer.weights_at,
            "PAST_AT": layer.past_at,
            "ERRORS": layer.errors,
            "SLOTS": x.slots,
        }
        arguments = {name: tensor for name, tensor in held.items() if name in kernel.arg_names}
        arguments |= dict(zip(("K", "V"), x.weights[self.number].shape[1:], strict=True))
        arguments |= {"KEYS": tiles.keys, "VALUES": tiles.values}
        programs = x.groups * x.chunks
        grid = (programs,) if slices is None else (programs, slices)
        return Launch(kernel, grid, arguments | extra | tokens_of(x) | precision_of(x), tiles.warps)


@dataclass(frozen=True)
class GateGradients:
    """Gradients of the coefficients, in the parts that layers and slices leave; shapes in `gates_backward`."""

    mix: Tensor
    read: Tensor
    write: Tensor
    carry: Tensor

    @classmethod
    def empty(cls, layers: list[Layer]) -> "GateGradients":
        """Make room for those of all layers."""
        x, parts = layers[0].x, sum(layer.parts for layer in layers)
        read, write = (x.numbers(parts, x.slots, x.tokens) for _ in range(2))
        return cls(x.operands(x.depth, x.tokens, x.tokens), read, write, x.numbers(parts, 3))

    def parts_of(self, layer: Layer) -> dict[str, int]:
        """Return the arguments that say which of the parts are a layer's: the first layer's come first."""
        count = self.read.shape[2]
        return {"PARTS": count, "FIRST": count - layer.parts if layer.number else 0}

    def launch(self, x: Inputs, d: Inputs) -> Launch:
        """Plan coefficients' gradients to gates'."""
        arguments = {
            "LR": x.lr,
            "MOMENTUM": x.lr if x.momentum is None else x.momentum,
            "KEEP": x.keep,
            "D_MIX": self.mix,
            "D_READ": self.read,
            "D_WRITE": self.write,
            "D_CARRY": self.carry,
            "D_LR": d.lr,
            "D_MOMENTUM": d.lr if d.momentum is None else d.momentum,
            "D_KEEP": d.keep,
            "LAYERS": x.depth,
            "SLICES": self.read.shape[2],
            "SLOTS": x.slots,
            "COLUMNS": x.tiles(0).columns,
        }
        programs = x.groups * x.chunks
        return Launch(gates_backward, (programs,), arguments | tokens_of(x), x.tiles(0).column_warps)


def empty_slots(x: Inputs, layer: int) -> list[Tensor]:
    """Make room for the gradients of a layer's slots after each chunk, `[G, N, in, out]`."""
    shape = x.weights[layer].shape[1:]
    return [x.operands(*shape) for _ in range(x.slots)]


def empty_errors(x: Inputs, layer: int) -> Tensor:
    """Make room for the gradients of a layer's errors."""
    return x.operands(x.tokens, x.weights[layer].shape[2])
