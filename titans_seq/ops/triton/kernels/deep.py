"""The launches of a memory of two layers."""

from typing import Any

import torch

from titans_seq.ops.triton.buffers import Inputs, NetworkSaved, Results, Saved
from titans_seq.ops.triton.kernels.deep_carry_backward import deep_carry_backward
from titans_seq.ops.triton.kernels.deep_state import deep_state
from titans_seq.ops.triton.kernels.launch import Launch, precision_of, tokens_of
from titans_seq.ops.triton.kernels.layer import GateGradients, Layer, empty_errors, empty_slots, prepare_launch
from titans_seq.ops.triton.kernels.norm import finish, norm_backward
from titans_seq.ops.triton.tiles import deep_tiles_for

# Of a program that normalises a chunk's outputs.
_ROW_WARPS = 4


def forward(x: Inputs, results: Results, saved: Saved) -> list[Launch]:
    """Plan the forward pass."""
    kept = _network(saved)
    arguments = {
        "K_": x.k,
        "V_": x.v,
        "RESIDUAL": x.network.residual,
        "ACTIVE": kept.active,
        "SLOPE": kept.slope,
        "BEND": kept.bend,
        "ACTIVATION": x.network.activation,
        "SAVES": x.saves,
        **_per_layer("WEIGHTS", x.weights),
        **_per_layer("PAST", x.past or x.weights),
        **_per_layer("ANCHOR", x.rounded_anchor or x.weights),
        **_per_layer("WEIGHTS_AT", [layer.weights_at for layer in saved.layers]),
        **_per_layer("PAST_AT", [layer.past_at for layer in saved.layers]),
        **_per_layer("ERRORS", [layer.errors for layer in saved.layers]),
        **_per_layer("WEIGHTS_AFTER", results.weights),
        **_per_layer("PAST_AFTER", results.past_or_weights()),
        **_per_layer("ANCHOR_AFTER", results.anchor_or_weights()),
    }
    first, second = _layers(x, saved)
    tiles = deep_tiles_for(x.weights[0].shape[2], x.chunk_size, x.q.dtype)
    last = {"Q": x.q, "LAST": kept.last, "Y": results.y, "V": x.v.shape[-1]}
    options = {"NORM": x.network.norm, "RESIDUAL": x.network.residual}
    return [
        prepare_launch(x, saved),
        Launch(deep_state, (x.groups,), arguments | _sizes(x, saved), tiles.warps, tiles.stages[0]),
        first.output(kept.read, kept.read_slope),
        second.output(kept.last),
        Launch(finish, (x.groups * x.chunks,), last | options | tokens_of(x), _ROW_WARPS),
    ]


def backward(x: Inputs, saved: Saved, d_results: Results, d: Inputs) -> list[Launch]:
    """Plan the backward pass, which fills `d`."""
    kept, layers = _network(saved), _layers(x, saved)
    first, second = layers
    d_out = d_results.y if x.network.residual else None
    gates, d_errors = GateGradients.empty(layers), [empty_errors(x, layer) for layer in range(2)]
    d_slots = [empty_slots(x, layer) for layer in range(2)]
    d_last = torch.empty_like(kept.last) if x.network.norm else d_results.y
    d_hidden, d_active, d_target = (torch.empty_like(kept.read) for _ in range(3))
    carry = {
        "Q": x.q,
        "K_": x.k,
        "X": kept.read,
        "D_Y1": d_hidden,
        "D_Y2": d_last,
        "WEIGHTS_AT2": saved.layers[1].weights_at,
        "ANCHOR2": x.rounded_anchor[1] if x.anchor else saved.layers[1].weights_at,
        "ERRORS2": saved.layers[1].errors,
        "ACTIVE": kept.active,
        "SLOPE": kept.slope,
        "BEND": kept.bend,
        "D_ACTIVE": d_active,
        "D_V": d.v,
        "D_TARGET": d_target,
        **_per_layer("D_ERRORS", d_errors),
        **_per_layer("D_WEIGHTS_AFTER", d_results.weights),
        **_per_layer("D_PAST_AFTER", d_results.past_or_weights()),
        **_per_layer("D_ANCHOR_AFTER", d_results.anchor_or_weights()),
        **_per_layer("D_WEIGHTS_AT", [slots[0] for slots in d_slots]),
        **_per_layer("D_PAST_AT", [slots[-1] for slots in d_slots]),
        **_per_layer("D_WEIGHTS", d.weights),
        **_per_layer("D_PAST", d.past or d.weights),
        **_per_layer("D_ANCHOR", d.anchor or d.weights),
    }
    tiles = deep_tiles_for(x.weights[0].shape[2], x.chunk_size, x.q.dtype)
    norm = {"LAST": kept.last, "D_Y": d_results.y, "D_LAST": d_last, "V": x.v.shape[-1]}
    keys = {"RESIDUAL": x.network.residual, "D_Y": d_hidden, "D_V": d_target, "D_OUT": d.v, "D_K": d.k}
    unused = {"RESIDUAL": False, "D_Y": d_last, "D_V": d_last, "D_OUT": d_last, "D_K": d_last}
    launches = [
        second.queries_backward(d_last, d_hidden, gates, slope=kept.read_slope, d_out=None),
        second.mixed_backward(d_last, d_errors[1], gates, d_active),
        first.queries_backward(d_hidden, d.q, gates, d_out=d_out),
        first.mixed_backward(d_hidden, d_errors[0], gates),
        Launch(deep_carry_backward, (x.groups,), carry | _sizes(x, saved), tiles.warps, tiles.stages[1]),
        first.keys_backward(d_slots[0], gates, {"KEYED": True, **keys}),
        second.keys_backward(d_slots[1], gates, {"KEYED": False, **unused}),
        gates.launch(x, d),
    ]
    if not x.network.norm:
        return launches
    return [Launch(norm_backward, (x.groups * x.chunks,), norm | tokens_of(x), _ROW_WARPS), *launches]


def _network(saved: Saved) -> NetworkSaved:
    assert saved.network is not None  # as there are two layers
    return saved.network


def _layers(x: Inputs, saved: Saved) -> list[Layer]:
    kept = _network(saved)
    return [Layer(x, saved, 0, x.q, x.k), Layer(x, saved, 1, kept.read, kept.active)]


def _per_layer(name: str, tensors: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"{name}{layer}": tensor for layer, tensor in enumerate(tensors, 1)}


def _sizes(x: Inputs, saved: Saved) -> dict[str, Any]:
    """Return the arguments that both sequential kernels have."""
    kept, (key_dim, hidden) = _network(saved), x.weights[0].shape[1:]
    return {
        "READ": saved.read,
        "WRITE": saved.write,
        "FADE": saved.fade,
        "NORMED": kept.normed,
        "SCALE": kept.scale,
        "ALONG": kept.along,
        "NORM": x.network.norm,
        "OPEN": bool(x.anchor),
        "STAYS_OPEN": x.stays_open,
        "SLOTS": x.slots,
        "K": key_dim,
        "HIDDEN": hidden,
        "V": x.v.shape[-1],
        **tokens_of(x),
        **precision_of(x),
    }
