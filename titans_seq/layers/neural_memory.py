"""The neural memory as a layer: projections, convolution, gates, memory, normalisation, output gate."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.autodiff import full_precision
from titans_seq.checks import check_input
from titans_seq.layers.configured import Configured
from titans_seq.layers.convolution import CausalConvolution
from titans_seq.layers.documents import ReturnState, States, by_documents, without_padding
from titans_seq.layers.gates import GateValues, MemoryGates, largest_lr
from titans_seq.layers.linear import some_outputs
from titans_seq.layers.memory_pieces import PackedDocuments, Piece, RowsInStep, in_step
from titans_seq.layers.neural_memory_config import NeuralMemoryConfig
from titans_seq.layers.neural_memory_state import NeuralMemoryState
from titans_seq.layers.norm import RMSNorm
from titans_seq.layers.row_state import Ragged, check_state
from titans_seq.layers.unit_length import unit_queries_and_keys
from titans_seq.memory import LinearMemory, MemoryState, initial_weights, read_memory
from titans_seq.ops import memory_scan
from titans_seq.ops.inputs import Scan

# A longer sequence runs in pieces of so many tokens, which gives the same numbers with temporaries of bounded size.
TOKENS_PER_PIECE = 16384


@dataclass(frozen=True)
class _Inputs:
    """What the memory is asked at each token.

    Attributes:
        q: queries, `[B, T, H, D]`.
        k: keys, likewise.
        v: values, likewise.
        gates: of the memory.
        slow: what the slow weights are asked, like q.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    gates: GateValues
    slow: Tensor


class NeuralMemory(Configured):
    """Mix a sequence by a memory that learns while it reads (Titans, arXiv 2501.00663, sections 3 and 4.4).

    q, k and v are projected, convolved and passed through SiLU; q and k get unit length; the memory writes and reads
    every token; its output is normalised per head, gated by `silu(W x)` and projected. The order follows Gated
    DeltaNet's figure, which the paper refers to and does not print.

    Args:
        config: the layer's options.
        dim: width of inputs and outputs.

    Raises:
        ValueError: if `dim` is not a multiple of the heads and no `head_dim` is given, or the rule's architecture has
            no matrices for the width of a head.

    Example:
        >>> layer = NeuralMemory(NeuralMemoryConfig(heads=2, chunk_size=4), dim=16)
        >>> x = torch.randn(1, 10, 16)
        >>> whole, _ = layer(x)
        >>> first, state = layer(x[:, :7])
        >>> second, _ = layer(x[:, 7:], state)
        >>> torch.allclose(whole, torch.cat([first, second], 1), atol=1e-5)
        True
    """

    meaning = ("chunk_size", "rule", "values_ahead", "convolves", "gates.form", "gates.source", "gates.max_step")

    def __init__(self, config: NeuralMemoryConfig, dim: int) -> None:
        super().__init__()
        heads, rule = config.heads, config.rule
        if config.head_dim is None and dim % heads:
            raise ValueError(f"width {dim} is not a multiple of {heads} heads: change either, or give head_dim")
        self.config, self.dim = config, dim
        self.head_dim = config.head_dim or dim // heads
        inner = heads * self.head_dim
        self.project = nn.Linear(dim, 3 * inner, bias=False)
        self.convolution = CausalConvolution(3 * inner, config.convolution) if config.convolution else None
        max_lr = largest_lr(config.gates, rule, config.chunk_size, self.head_dim, self.head_dim)
        shapes = rule.architecture.shapes(self.head_dim, self.head_dim)
        rows = [out for out, _ in shapes[rule.architecture.first_learning :]]
        read = dim if config.gates.source == "input" else 3 * inner
        self.gates = MemoryGates(config.gates, read, heads, rule, rows, max_lr)
        initial = initial_weights(rule.architecture, heads, self.head_dim, self.head_dim)
        if config.slow_weights and not rule.architecture.norm:
            initial[-1].zero_()  # what is known at the start is the slow weights' part
        self.initial = nn.ParameterList(nn.Parameter(w) for w in initial)
        self.slow = None
        if config.slow_weights:
            self.slow = nn.Parameter(initial_weights(LinearMemory(), heads, self.head_dim, self.head_dim)[0])
        self.persistent = nn.Parameter(torch.randn(config.persistent_tokens, dim)) if config.persistent_tokens else None
        self.norm = RMSNorm(self.head_dim)
        self.output_gate = nn.Linear(dim, inner, bias=False)
        self.output = nn.Linear(inner, dim, bias=False)
        if config.zero_output:
            nn.init.zeros_(self.output.weight)
        if config.values_ahead:
            self._begin_alike()

    @torch.no_grad()
    def _begin_alike(self) -> None:
        """Let queries begin as keys, so that a token finds what was stored under its like from the first step on."""
        inner = self.config.heads * self.head_dim
        self.project.weight[inner : 2 * inner] = self.project.weight[:inner]

    def forward(
        self,
        x: Tensor,
        state: NeuralMemoryState | Ragged | None = None,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        return_state: ReturnState = True,
    ) -> tuple[Tensor, Any]:
        """Write and read a piece of a sequence.

        Args:
            x: `[B, T, dim]`, T >= 1.
            state: what the previous piece returned; None starts a sequence.
            attention_mask: see `titans_seq.layers.documents`, as for the next two.
            cu_seqlens: borders of documents packed in one row.
            return_state: pass False to skip the last chunk's update when no piece follows.

        Returns:
            Outputs shaped like x, and the state after the piece (None without `return_state`).

        Raises:
            ValueError: if x is empty or of another width, or the state is of another batch, dtype or model.
        """
        check_input(x, self.dim)
        if attention_mask is not None:
            return without_padding(self, x, state, attention_mask, cu_seqlens, return_state)
        if cu_seqlens is not None or isinstance(state, Ragged):
            step = self.config.chunk_size
            y, after = by_documents(self._forward, x, state, cu_seqlens, return_state, step, self._together)
        else:
            y, after = self._forward(x, state, return_state=bool(return_state))
        if state is not None and self.training and torch.is_grad_enabled():
            # Where no sequence begins, a new memory's parameters have no part; but processes wait for all gradients.
            begin = [*self.initial] if self.persistent is None else [*self.initial, self.persistent]
            y = y + 0 * torch.stack([parameter.sum() for parameter in begin]).sum().to(y.dtype)
        return y, after

    def _forward(self, x: Tensor, state: NeuralMemoryState | None, *, return_state: bool) -> tuple[Tensor, Any]:
        """Write and read for rows in step."""
        if state is not None:
            self._check(state, x)
        if x.shape[1] <= TOKENS_PER_PIECE:
            return self._forward_piece(x, RowsInStep(x.shape[1], state, return_state))
        outputs = []
        pieces = x.split(TOKENS_PER_PIECE, 1)
        for number, tokens in enumerate(pieces, 1):
            wanted = return_state or number < len(pieces)
            y, state = self._forward_piece(tokens, RowsInStep(tokens.shape[1], state, wanted))
            outputs.append(y)
        return torch.cat(outputs, 1), state

    def _check(self, state: Any, x: Tensor) -> None:
        """Refuse a state that rows like x cannot go on from."""
        past = self.config.convolution - 1
        recent = (x.shape[0], past, 3 * self.config.heads * self.head_dim) if past > 0 else None
        check_state(state, NeuralMemoryState, x, recent=recent)
        if state.batch != x.shape[0]:
            raise ValueError(
                f"the state is of {state.batch} rows and the input of {x.shape[0]}: pick rows with state.rows"
            )
        held, own = state.memory.weights[-1].dtype, torch.promote_types(self.initial[-1].dtype, torch.float32)
        if held != own:
            raise ValueError(f"the memory is {held} and the layer makes {own}: convert the state with state.to({own})")

    def _together(
        self, x: Tensor, borders: Sequence[int], states: States, wanted: Sequence[int]
    ) -> tuple[Tensor, list[tuple[NeuralMemoryState, list[int]]]]:
        """Write and read packed documents in one pass; see `by_documents`."""
        for state, members in states:
            if state is not None:
                self._check(state, x.expand(len(members), -1, -1))
        y, after = self._forward_piece(x, PackedDocuments(borders, states, wanted, self.config.persistent_tokens))
        return y, in_step(after)

    def retrieve(self, x: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Read a memory without writing (Titans eq. 21).

        Args:
            x: `[B, T, dim]`; its queries pass the layer's projection, SiLU and norm, and no convolution.
            weights: from `MemoryRule.current_weights`, which stay as they are for all queries. Layers that do not learn
                are taken from the model.

        Returns:
            What was read, normalised and projected, and not gated, shaped like x.
        """
        inner = self.config.heads * self.head_dim
        q = F.silu(some_outputs(self.project, x, 0, inner)).unflatten(-1, (self.config.heads, -1)).transpose(1, 2)
        q = F.normalize(q, dim=-1, eps=1e-6).to(weights[-1].dtype)
        if first := self.config.rule.architecture.first_learning:
            weights = (*self._starting()[:first], *weights[first:])
        with full_precision(x.device.type):
            y = read_memory(self.config.rule.architecture, weights, q).to(x.dtype)
        y = y.transpose(1, 2)
        if self.slow is not None:
            y = y + self._slow(q.transpose(1, 2).to(x.dtype))
        return self.output(self.norm(y).flatten(-2))

    def scan(self, x: Tensor, state: NeuralMemoryState | None = None) -> Scan:
        """Return what a piece asks of the memory, as one value: queries, keys, values, gates and the state before.

        Args:
            x: `[B, T, dim]`.
            state: as in `forward`.

        Returns:
            A call of the memory over T tokens, behind the persistent ones where a sequence starts. Values are those
            that the slow weights do not know.
        """
        piece = RowsInStep(x.shape[1], state)
        inputs, _ = self._memory_inputs(piece.begun(x, self.persistent), piece)
        before = self.initial_state() if state is None else self._at_present(state.memory)
        options = {"state": before, "rule": self.config.rule, "chunk_size": self.config.chunk_size}
        return Scan(inputs.q, inputs.k, inputs.v, **inputs.gates, **options)

    def inspect(self, x: Tensor, state: NeuralMemoryState | None = None) -> dict[str, Tensor]:
        """Return what happens at each token of a piece: its gates, and how much it surprises.

        Args:
            x: `[B, T, dim]`.
            state: as in `forward`.

        Returns:
            Of `lr`, `momentum`, `decay` and `threshold` those that the rule reads, `[B, T, H]` or `[B, T, H, .]` with
            gates per layer or channel, and `surprise`, the inner loss at the weights that its gradient is taken at,
            `[B, T, H]`. `titans_seq.inspection` has more.
        """
        scan = self.scan(x, state)
        gates = {name: getattr(scan, name) for name in ("lr", "momentum", "decay", "threshold")}
        predicted, _ = memory_scan(
            scan.k,
            scan.k,
            scan.v,
            **gates,
            state=scan.state,
            rule=replace(scan.rule, read="chunk_start"),
            chunk_size=scan.chunk_size,
            backend=self.config.backend,
            return_state=False,
        )
        dtype = scan.lr.dtype
        threshold = None if scan.threshold is None else scan.threshold.unsqueeze(-1)
        surprise = scan.rule.bias.loss(predicted.to(dtype), scan.v.to(dtype), threshold)
        seen = {**gates, "surprise": surprise}
        return {name: values[:, -x.shape[1] :] for name, values in seen.items() if values is not None}

    def _forward_piece(self, x: Tensor, piece: Piece) -> tuple[Tensor, NeuralMemoryState | None]:
        inputs, (recent, key) = self._memory_inputs(piece.begun(x, self.persistent), piece)
        options = piece.options(self.initial_state)
        options["state"] = self._at_present(options["state"])
        read, memory = memory_scan(
            inputs.q,
            inputs.k,
            inputs.v,
            **inputs.gates,
            rule=self.config.rule,
            chunk_size=self.config.chunk_size,
            backend=self.config.backend,
            **options,
        )
        if self.slow is not None:
            read = read + self._slow(inputs.slow)
        y = self.output(self.norm(piece.own(read)).flatten(-2) * F.silu(self.output_gate(x)))
        return y, None if memory is None else NeuralMemoryState(memory, recent, key)

    def _memory_inputs(self, x: Tensor, piece: Piece) -> tuple[_Inputs, tuple[Tensor | None, Tensor | None]]:
        """Keys that values are stored under, values that the slow weights do not know; and what to pass on."""
        projected = convolved = self.project(x)
        recent = key = None
        if self.convolution is not None:
            convolved, recent = piece.convolved(self.convolution, projected)
        inputs = self._inputs(x, projected, convolved)
        k = inputs.k
        if not self.config.values_ahead and self.slow is None:
            return inputs, (recent, None)
        if self.config.values_ahead:
            k, key = piece.ahead(k)
        return replace(inputs, k=k, v=self._unknown(k, inputs.v)), (recent, key)

    def _inputs(self, x: Tensor, projected: Tensor, convolved: Tensor) -> _Inputs:
        """What tokens x are to ask of the memory, with keys under the tokens that they belong to."""
        near = F.silu(convolved)
        gates = self.gates(x if self.config.gates.source == "input" else near)
        q, k, v = slow = self._split(near)
        if self.config.convolves == "context" and self.convolution is not None:
            # A token must find its like whatever stands around it.
            q, k, v = self._split(F.silu(projected))
        return _Inputs(q, k, v, gates, slow[0])

    def _split(self, qkv: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values a head."""
        return unit_queries_and_keys(qkv.view(*qkv.shape[:-1], 3, self.config.heads, self.head_dim))

    def _unknown(self, k: Tensor, v: Tensor) -> Tensor:
        """What the slow weights do not know of the values."""
        return v if self.slow is None else v - self._slow(k)

    def _slow(self, keys: Tensor) -> Tensor:
        """What the slow weights answer to keys `[B, T, H, D]`."""
        assert self.slow is not None
        return torch.einsum("bthi,hoi->btho", keys, self.slow.to(keys.dtype))

    def begun(self, rows: int) -> NeuralMemoryState:
        """Return the state of rows before their first token, when the persistent tokens have been written."""
        past = self.config.convolution - 1
        recent = self.project.weight.new_zeros(1, past, self.project.out_features) if past > 0 else None
        # A key of zero writes nothing: no key waits for the first token's value.
        shape = (1, 1, self.config.heads, self.head_dim)
        key = self.project.weight.new_zeros(shape) if self.config.values_ahead else None
        state = NeuralMemoryState(self._at_present(self.initial_state().spread(1)), recent, key)
        if self.persistent is not None:
            _, state = self._forward(self.persistent.unsqueeze(0), state, return_state=True)
        return state.rows([0] * rows)

    def _at_present(self, memory: MemoryState) -> MemoryState:
        """Return a memory with the layers that do not learn as they are now: they are the model's, not a sequence's."""
        first = self.config.rule.architecture.first_learning
        if memory.is_new or not first:
            return memory
        new = MemoryState.initial(self._starting()[:first])
        parts = ((new.weights, memory.weights), (new.momentum, memory.momentum), (new.weights, memory.anchor))
        weights, momentum, anchor = ((*still, *own[first:]) for still, own in parts)
        return replace(memory, weights=weights, momentum=momentum, anchor=anchor)

    def initial_state(self) -> MemoryState:
        """Return a new memory, with the learned initial weights."""
        first, weights = self.config.rule.architecture.first_learning, self._starting()
        # Copies, because a state is a value, and an optimiser changes parameters in place. Layers that do not learn are
        # the model's own in every state, see `_at_present`.
        weights = [*weights[:first], *map(torch.clone, weights[first:])]
        return MemoryState.initial(self.config.rule.accumulated(weights))

    def _starting(self) -> list[Tensor]:
        """The learned initial weights, float32 or wider whatever the layer was cast to."""
        return [w if w.dtype == torch.float64 else w.float() for w in self.initial]
