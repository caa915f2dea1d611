"""What a scan is given: checked once, and brought into the form that implementations share."""

from dataclasses import dataclass
from numbers import Integral

import torch
from jaxtyping import Float
from torch import Tensor

from titans_seq.autodiff import mixed_precision
from titans_seq.memory import Gates, MemoryRule, MemoryState

_STATE_DTYPES = {torch.float32, torch.float64}


def cast(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return x in a dtype; `Tensor.to` takes as long as a small operator even where it has nothing to do."""
    return x if x.dtype == dtype else x.to(dtype)


@dataclass(frozen=True)
class Traits:
    """What decides whether an implementation can run a call; None where it is not known.

    Attributes:
        device: where the tensors are.
        rule: the memory.
        key_dim: width of a head's queries and keys.
        value_dim: width of a head's values.
        chunk_size: tokens of a chunk.
        dtype: in which products take their operands.
        state_dtype: of the state.
        gates_per_layer: whether a gate has a number for each layer.
    """

    device: torch.device
    rule: MemoryRule | None = None
    key_dim: int | None = None
    value_dim: int | None = None
    chunk_size: int | None = None
    dtype: torch.dtype | None = None
    state_dtype: torch.dtype | None = None
    gates_per_layer: bool = False


@dataclass(frozen=True)
class Scan:
    """One call of `memory_scan`; its arguments, checked when the value is made.

    Attributes:
        sequences: how many the state is of; None for one a row.

    Raises:
        ValueError: if shapes, gates or widths do not fit; the message says which, and why.
    """

    q: Float[Tensor, "B T H K"]
    k: Float[Tensor, "B T H K"]
    v: Float[Tensor, "B T H V"]
    lr: Float[Tensor, "B T H *L"]
    momentum: Float[Tensor, "B T H *L"] | None
    decay: Float[Tensor, "B T H *R"] | None
    threshold: Float[Tensor, "B T H"] | None
    state: MemoryState
    rule: MemoryRule
    chunk_size: int
    sequences: int | None = None

    def __post_init__(self) -> None:
        q, k, v = self.q, self.k, self.v
        if k.dim() != 4 or q.shape != k.shape or v.shape[:3] != k.shape[:3] or v.dim() != 4:
            raise ValueError(
                f"q and k must be [B, T, H, K] and v [B, T, H, V], got q {tuple(q.shape)}, k {tuple(k.shape)}, "
                f"v {tuple(v.shape)}"
            )
        if k.shape[1] == 0:
            raise ValueError("the sequence is empty: memory_scan needs at least one token")
        if not isinstance(self.chunk_size, Integral):
            raise ValueError(f"chunk_size must be a whole number, got {self.chunk_size!r}")
        position = self.state.position
        furthest = position if isinstance(position, int) else max(position)
        if self.chunk_size < 1 or furthest >= self.chunk_size:
            raise ValueError(
                f"chunk_size must be at least 1 and above the state's position, got chunk_size {self.chunk_size}, "
                f"position {furthest}; a state continues with the chunk_size it was made with"
            )
        self._check_gates()
        self._check_state()

    @property
    def layers(self) -> tuple[tuple[int, int], ...]:
        """The memory's matrices, (out, in) each."""
        return self.rule.architecture.shapes(self.k.shape[-1], self.v.shape[-1])

    @property
    def rows(self) -> list[int]:
        """Rows of the matrix of each learning layer."""
        return [out for out, _ in self.layers[self.rule.architecture.first_learning :]]

    @property
    def position(self) -> int:
        """Tokens in the open chunk, where all sequences have as many."""
        assert isinstance(self.state.position, int)  # what else there is, `titans_seq.ops.packed` cuts into such calls
        return self.state.position

    @property
    def dtype(self) -> torch.dtype:
        """The state's, in which exact implementations compute."""
        return self.state.weights[0].dtype

    @property
    def operand_dtype(self) -> torch.dtype:
        """In which fused products take their operands: the inputs', or autocast's where that is on."""
        kind = self.k.device.type
        if mixed_precision(kind):
            return torch.get_autocast_dtype(kind)
        return torch.promote_types(torch.promote_types(self.q.dtype, self.k.dtype), self.v.dtype)

    @property
    def traits(self) -> Traits:
        """What decides which implementations can run the call."""
        gates = (self.lr, self.momentum, self.decay)
        return Traits(
            self.k.device,
            self.rule,
            self.k.shape[-1],
            self.v.shape[-1],
            self.chunk_size,
            self.operand_dtype,
            self.dtype,
            any(gate is not None and gate.dim() == 4 for gate in gates),
        )

    def gates(self, dtype: torch.dtype) -> list[Gates]:
        """Split the gates by layer.

        Args:
            dtype: to compute in.

        Returns:
            One `Gates` if all learning layers share them, else one per learning layer. They are `[B, T, H]`, but a keep
            per channel is `[B, T, H, rows]`.
        """
        lr, k, rule = cast(self.lr, dtype), cast(self.k, dtype), self.rule
        momentum = None if self.momentum is None else cast(self.momentum, dtype)
        decay = None if self.decay is None else cast(self.decay, dtype)
        keep = rule.retention.keep(decay, lr if lr.dim() == 3 else lr[..., 0])
        if not rule.retention.per_channel and all(x is None or x.dim() == 3 for x in (lr, momentum, decay)):
            return [Gates(rule.algorithm.rate(lr, k), momentum, keep)]
        rows = self.rows

        def layer(x: Tensor, number: int) -> Tensor:
            return x if x.dim() == 3 else x[..., number]

        return [
            Gates(
                rule.algorithm.rate(layer(lr, number), k),
                None if momentum is None else layer(momentum, number),
                keep.split(rows, -1)[number] if rule.retention.per_channel else layer(keep, number),
            )
            for number in range(len(rows))
        ]

    def written(self, dtype: torch.dtype) -> list[Tensor]:
        """Return what is written, after the tokens before it that are written again.

        Where the sequence has just begun those are zeros: a key of zero writes nothing into any layer, whatever the
        rule, as no layer has a bias and every activation is 0 at 0.

        Args:
            dtype: to compute in.

        Returns:
            Keys, values and, if given, thresholds, `[B, lookback + T, H, .]` each.
        """
        threshold = [] if self.threshold is None else [self.threshold.unsqueeze(-1)]
        written, lookback = [x.to(dtype) for x in (self.k, self.v, *threshold)], self.rule.algorithm.lookback
        if not lookback:
            return written
        recent = self.state.recent or [x.new_zeros(x.shape[0], lookback, *x.shape[2:]) for x in written]
        return [torch.cat(pair, 1) for pair in zip(recent, written, strict=True)]

    def _check_gates(self) -> None:
        rule, lead = self.rule, tuple(self.k.shape[:3])
        for name, gate, needed, owner in (
            ("lr", self.lr, True, rule.algorithm),
            ("momentum", self.momentum, rule.algorithm.gated, rule.algorithm),
            ("decay", self.decay, rule.retention.gated, rule.retention),
            ("threshold", self.threshold, rule.bias.gated, rule.bias),
        ):
            if needed != (gate is not None):
                raise ValueError(f"{owner} {'needs' if needed else 'has no'} gate {name!r}, got {type(gate).__name__}")
            by_channel = name == "decay" and rule.retention.per_channel
            if gate is None or (gate.shape == lead and not by_channel):
                continue
            admitted = {} if by_channel else {"[B, T, H]": lead}
            if name != "threshold":
                axis, count = ("R", sum(self.rows)) if by_channel else ("L", len(self.rows))
                admitted[f"[B, T, H, {axis}]"] = (*lead, count)
            if tuple(gate.shape) not in admitted.values():
                said = " or ".join(f"{axes} = {shape}" for axes, shape in admitted.items())
                raise ValueError(f"{name} must be {said}, got {tuple(gate.shape)}")

    def _check_state(self) -> None:
        state, architecture, layers = self.state, self.rule.architecture, self.layers
        batch, _, heads, _ = self.k.shape
        lead = (heads,) if state.is_new else (batch if self.sequences is None else self.sequences, heads)
        shapes, expected = [tuple(w.shape) for w in state.weights], [(*lead, *layer) for layer in layers]
        if shapes != expected:
            first = architecture.first_learning
            still = [(heads, *layer) for layer in layers[:first]]  # layers that do not learn may be shared at all times
            if shapes != still + expected[first:]:
                raise ValueError(f"state weights must have shapes {expected} for {architecture}, got {shapes}")
        if not {w.dtype for w in state.weights} <= _STATE_DTYPES:
            raise ValueError(f"state weights must be float32 or float64, got {self.dtype}")
