"""The options of the neural memory as a layer."""

from dataclasses import dataclass, field
from typing import Literal

from titans_seq.checks import check_choice, check_types, check_whole
from titans_seq.layers.gates import GateConfig
from titans_seq.memory import MemoryRule
from titans_seq.ops import Backend

Convolves = Literal["all", "context"]


@dataclass(frozen=True)
class NeuralMemoryConfig:
    """A neural memory layer; its width is given when it is built.

    The paper's ablation (Table 5) leaves out one part at a time: the convolution with `convolution=0`, momentum with
    `rule=MemoryRule(algorithm=GradientDescent())`, decay with `rule=MemoryRule(retention=NoRetention())`, persistent
    memory with `persistent_tokens=0`, depth with `rule=MemoryRule(architecture=LinearMemory())`.

    Attributes:
        heads: independent memories, at least 1.
        head_dim: width of each head's keys and values; the layer's width over `heads` if None.
        chunk_size: tokens whose gradients share their weights; part of the model (`memory_scan`).
        rule: the memory's four choices.
        gates: ranges and starts of the gates.
        convolution: width of the causal convolution, at least 2; 0 leaves it out.
        convolves: what it serves: "all" (q, k and v, and with them what else reads them), or "context", which is the
            gates of convolved source and what the slow weights are asked, so that a token finds its like whatever
            stands around it.
        persistent_tokens: learned tokens written before a sequence's first (Titans eq. 19).
        slow_weights: whether a learned matrix S a head stands beside the memory: read with it, and the memory stores
            what S does not know, `v - S k`. Not from the paper, whose decay forgets the learned initial weights with
            all else: a carried memory has lost what training taught them after some hundred tokens. A matrix memory
            that begins empty beside S is a matrix that decays towards its initial weights rather than to nothing.
        values_ahead: whether each value is stored under the key of the token before it, so that a token's query finds
            what came next after tokens like it. The write waits for that next token: nothing looks ahead. Queries and
            keys then begin alike, without which a small model learned none of it; the convolution may serve the
            context alone. Not from the paper; `benchmarks.long_text_recall` has what it is worth.
        zero_output: whether the last projection starts at zero, so that a memory added to a trained model changes
            nothing at first. Not where a norm reads the memory alone (MAG's and MAC's fusion), which zeros stop: there
            `fusion="sum"` does it.
        backend: which implementation runs, see `titans_seq.ops.explain_backend`.

    Raises:
        ValueError: if a value is out of its range, or two of them have no meaning together.

    Example:
        >>> import torch
        >>> from titans_seq.layers import NeuralMemory
        >>> from titans_seq.memory import preset
        >>> config = NeuralMemoryConfig(heads=2, chunk_size=1, rule=preset("gated_deltanet"))
        >>> y, state = NeuralMemory(config, dim=16)(torch.randn(1, 5, 16))
        >>> y.shape, state.memory.weights[0].shape
        (torch.Size([1, 5, 16]), torch.Size([1, 2, 8, 8]))
    """

    heads: int = 4
    head_dim: int | None = None
    chunk_size: int = 16
    rule: MemoryRule = field(default_factory=MemoryRule)
    gates: GateConfig = field(default_factory=GateConfig)
    convolution: int = 4
    convolves: Convolves = "all"
    persistent_tokens: int = 0
    slow_weights: bool = False
    values_ahead: bool = False
    zero_output: bool = False
    backend: Backend = "auto"

    def __post_init__(self) -> None:
        if not isinstance(self.rule, MemoryRule):
            name = self.rule if isinstance(self.rule, str) else "titans"
            raise ValueError(f"rule must be a MemoryRule, got {self.rule!r}: take titans_seq.memory.preset({name!r})")
        check_types(self)
        check_whole(self, heads=1, chunk_size=1, convolution=0, persistent_tokens=0)
        if self.convolution == 1:
            raise ValueError("a convolution sees at least 2 values, got convolution=1: 0 leaves it out")
        if self.head_dim is not None:
            check_whole(self, ", or None for the width over the heads", head_dim=1)
        check_choice("convolves", self.convolves, Convolves)
        check_choice("backend", self.backend, Backend)
        self.rule.retention.check_heads(self.heads)
        if self.convolution and self.values_ahead and self.convolves == "all":
            # Not taken silently for "context": models were saved that did either and said neither.
            raise ValueError(
                "values_ahead goes with convolves='context' or convolution=0; a model saved without 'convolves' until "
                "30 November 2026, 04:16 UTC, convolved its keys and has to be trained again, and a later one needs "
                "'convolves: context' in its configuration"
            )
        if self.convolution and self.convolves == "context" and not self.slow_weights:
            if self.gates.source != "convolved":
                raise ValueError(
                    "with convolves='context' the convolution serves slow weights and gates of convolved source, and "
                    "there are none: pass convolution=0, slow_weights=True or gates with source 'convolved'"
                )
