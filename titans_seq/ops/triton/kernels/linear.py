"""The launches of a linear memory."""

from typing import Any

from titans_seq.ops.triton.buffers import Inputs, Results, Saved
from titans_seq.ops.triton.kernels.carry_backward import carry_backward
from titans_seq.ops.triton.kernels.launch import Launch, precision_of, tokens_of
from titans_seq.ops.triton.kernels.layer import GateGradients, Layer, empty_errors, empty_slots, prepare_launch
from titans_seq.ops.triton.kernels.state import state


def forward(x: Inputs, results: Results, saved: Saved) -> list[Launch]:
    """Plan the forward pass."""
    (layer,) = saved.layers
    arguments = {
        "K_": x.k,
        "V_": x.v,
        "READ": saved.read,
        "WRITE": saved.write,
        "FADE": saved.fade,
        "WEIGHTS": x.weights[0],
        "PAST": (x.past or x.weights)[0],
        "ANCHOR": (x.rounded_anchor or x.weights)[0],
        "WEIGHTS_AT": layer.weights_at,
        "PAST_AT": layer.past_at,
        "ERRORS": layer.errors,
        "WEIGHTS_AFTER": results.weights[0],
        "PAST_AFTER": results.past_or_weights()[0],
        "ANCHOR_AFTER": results.anchor_or_weights()[0],
        "OPEN": bool(x.anchor),
    }
    tiles = x.tiles(0)
    grid = (x.groups, x.v.shape[-1] // tiles.carried)
    return [
        prepare_launch(x, saved),
        Launch(state, grid, arguments | _sizes(x), tiles.carried_warps[0], tiles.carried_stages),
        Layer(x, saved, 0, x.q, x.k).output(results.y),
    ]


def backward(x: Inputs, saved: Saved, d_results: Results, d: Inputs) -> list[Launch]:
    """Plan the backward pass, which fills `d`."""
    layer = Layer(x, saved, 0, x.q, x.k)
    gates, d_errors, d_slots = GateGradients.empty([layer]), empty_errors(x, 0), empty_slots(x, 0)
    arguments = {
        "Q": x.q,
        "K_": x.k,
        "READ": saved.read,
        "WRITE": saved.write,
        "FADE": saved.fade,
        "D_Y": d_results.y,
        "D_ERRORS": d_errors,
        "D_WEIGHTS_AFTER": d_results.weights[0],
        "D_PAST_AFTER": d_results.past_or_weights()[0],
        "D_ANCHOR_AFTER": d_results.anchor_or_weights()[0],
        "D_V": d.v,
        "D_WEIGHTS_AT": d_slots[0],
        "D_PAST_AT": d_slots[-1],
        "D_WEIGHTS": d.weights[0],
        "D_PAST": (d.past or d.weights)[0],
        "D_ANCHOR": (d.anchor or d.weights)[0],
        "OPEN": bool(x.anchor),
    }
    tiles = x.tiles(0)
    grid = (x.groups, x.v.shape[-1] // tiles.carried)
    keys = {"KEYED": True, "RESIDUAL": False, "D_Y": d_results.y, "D_V": d.v, "D_OUT": d.v, "D_K": d.k}
    return [
        layer.queries_backward(d_results.y, d.q, gates, d_out=None),
        layer.mixed_backward(d_results.y, d_errors, gates),
        Launch(carry_backward, grid, arguments | _sizes(x), tiles.carried_warps[1], tiles.carried_stages),
        layer.keys_backward(d_slots, gates, keys),
        gates.launch(x, d),
    ]


def _sizes(x: Inputs) -> dict[str, Any]:
    """Return the arguments that both sequential kernels have."""
    return {
        "STAYS_OPEN": x.stays_open,
        "SLOTS": x.slots,
        "K": x.q.shape[-1],
        "V": x.v.shape[-1],
        "VALUES": x.tiles(0).carried,
        **tokens_of(x),
        **precision_of(x),
    }
