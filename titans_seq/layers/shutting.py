"""Memories that are read and not written: what a model owes to what it has learnt while reading."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from titans_seq.layers.gates import GateValues
from titans_seq.layers.neural_memory import NeuralMemory
from titans_seq.memory import MemoryRule, NoRetention, Retention


@contextmanager
def shut_memories(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Keep memories from learning while they read: they write and forget nothing, whatever their rule.

    Args:
        modules: such as `model.modules()`; those that are no `NeuralMemory` are left alone.

    Example:
        >>> from titans_seq.models import CausalLM, language_model
        >>> model = CausalLM(language_model("tiny-lmm", vocabulary=10))
        >>> with shut_memories(model.modules()):
        ...     _, state = model(torch.randint(10, (1, 64)))
        >>> torch.equal(state.blocks[0].memory.weights[0][0], model.backbone.blocks[0].mixer.initial[0])
        True
    """
    with ExitStack() as stack:
        for memory in modules:
            if isinstance(memory, NeuralMemory):
                stack.enter_context(_shut(memory))
        yield


@contextmanager
def _shut(memory: NeuralMemory) -> Iterator[None]:
    config = memory.config
    memory.config = replace(config, rule=_keeping(config.rule))
    hook = memory.gates.register_forward_hook(_without_writes)
    try:
        yield
    finally:
        hook.remove()
        memory.config = config


def _keeping(rule: MemoryRule) -> MemoryRule:
    """The rule with a retention that keeps everything."""
    retention: Any = rule.retention
    if type(retention).weights is Retention.weights:
        return replace(rule, retention=NoRetention())
    # What it accumulates is not the weights: then only the decay under it forgets.
    return replace(rule, retention=replace(retention, decay=NoRetention()))


def _without_writes(module: nn.Module, inputs: Any, gates: GateValues) -> GateValues:
    # The momentum of what was written before goes on to move the weights.
    momentum = gates["momentum"]
    return GateValues(
        lr=torch.zeros_like(gates["lr"]),
        momentum=None if momentum is None else torch.zeros_like(momentum),
        decay=None,
        threshold=gates["threshold"],
    )
