"""What the fused kernels can run, and why not where they can't; imports no triton."""

import functools
import importlib.util
import os

import torch

from titans_seq.autodiff import transformed
from titans_seq.memory import (
    L2,
    Architecture,
    GradientDescent,
    ImplicitGradientDescent,
    LinearMemory,
    MemoryRule,
    MLPMemory,
    Momentum,
)
from titans_seq.ops.inputs import Traits

WIDTHS = (32, 64, 128, 256)
SHORTEST_CHUNK, LONGEST_CHUNK = 16, 128

# Of a memory of two layers: one program holds all of it, and more would not fit into a multiprocessor's registers.
DEEP_WIDTHS, DEEP_HIDDEN, DEEP_LONGEST_CHUNK = (32, 64), (64, 128), 64
ACTIVATIONS = ("gelu", "silu", "relu")
DTYPES = (torch.float32, torch.float16, torch.bfloat16)

# Bytes that a program can have on a Hopper GPU, for which the tiles were chosen.
SHARED_MEMORY = 232448

_ALGORITHMS = (GradientDescent, ImplicitGradientDescent, Momentum)


@functools.cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


def interpreted() -> bool:
    """Return True if TRITON_INTERPRET=1: kernels run on the CPU, slowly."""
    return os.environ.get("TRITON_INTERPRET") == "1"


@torch.compiler.assume_constant_result
def refused_by_machine(device: torch.device) -> str | None:
    """Say why no kernel runs on a device; None if kernels run."""
    if device.type != "cuda" and not interpreted():
        return f"fused kernels need an NVIDIA GPU, got {device.type}"
    if not _installed():
        return "triton is not installed: pip install 'titans-seq[kernels]'"
    if device.type != "cuda":
        return None
    if not torch.cuda.is_available():
        return "fused kernels need an NVIDIA GPU, and torch finds none"
    if torch.version.hip is not None:
        return "fused kernels are made for NVIDIA GPUs, and this torch is built for AMD's"
    card = torch.cuda.get_device_properties(device)
    if card.shared_memory_per_block_optin < SHARED_MEMORY:
        return (
            f"fused kernels need {SHARED_MEMORY:,} bytes of shared memory a program, as an H100 or H200 has; "
            f"{card.name} has {card.shared_memory_per_block_optin:,}"
        )
    return None


@torch.compiler.assume_constant_result
def _refused_by_interpreter(dtype: torch.dtype | None) -> str | None:
    if interpreted() and dtype is torch.bfloat16:
        return (
            "Triton's interpreter computes wrong numbers in bfloat16, got TRITON_INTERPRET=1: take float32 or float16"
        )
    return None


def refused_by_triton(traits: Traits) -> str | None:
    """Say why the fused kernels cannot run a call; None if they can."""
    return (
        refused_by_machine(traits.device)
        or _refused_by_interpreter(traits.dtype)
        or ("fused kernels know reverse mode alone" if transformed() else None)
        or refused_by_kernels(traits)
    )


def refused_by_kernels(traits: Traits) -> str | None:
    """Say why there is no fused kernel for a memory of these traits, whatever the machine; None if there is one."""
    rule = traits.rule
    return (None if rule is None else _refused_rule(rule, traits.gates_per_layer)) or _refused_sizes(
        traits, None if rule is None else rule.architecture
    )


def _refused_rule(rule: MemoryRule, gates_per_layer: bool) -> str | None:
    # By exact type where a kernel has a member's formula in it; a class derived from it may have another.
    if refused := _refused_architecture(rule.architecture):
        return refused
    if type(rule.bias) is not L2:
        return f"only the bias L2() is fused, got {rule.bias}"
    if type(rule.algorithm) not in _ALGORITHMS:
        return f"only gradient descent and Momentum() are fused, got {rule.algorithm}"
    retention = rule.retention
    if not retention.linear or retention.per_channel or retention.before_gradient:
        return f"only decay per token and head, after the gradient, is fused, got {retention}"
    if rule.read != "after_write":
        return f"only reads after the write are fused, got read={rule.read!r}"
    if rule.architecture.depth > 1 and gates_per_layer:
        return "only gates that the layers of a deep memory share are fused, got gates per layer"
    return None


def _refused_architecture(architecture: Architecture) -> str | None:
    if type(architecture) is LinearMemory:
        return None
    if type(architecture) is not MLPMemory:
        return f"only LinearMemory() and MLPMemory() are fused, got {architecture}"
    if architecture.depth != 2:
        return f"of deep memories only those of two layers are fused, got depth={architecture.depth}"
    if architecture.learns != "all":
        return f"only memories all of whose layers learn are fused, got learns={architecture.learns!r}"
    if architecture.activation not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        return f"only the activations {known} are fused, got {architecture.activation!r}"
    return None


def _refused_sizes(traits: Traits, architecture: Architecture | None) -> str | None:
    chunk_size, dtype = traits.chunk_size, traits.dtype
    deep = isinstance(architecture, MLPMemory)
    widths, longest = (DEEP_WIDTHS, DEEP_LONGEST_CHUNK) if deep else (WIDTHS, LONGEST_CHUNK)
    of = " of a deep memory" if deep else ""
    for name, width in (("keys", traits.key_dim), ("values", traits.value_dim)):
        if width is not None and width not in widths:
            return f"the width of {name}{of} must be one of {', '.join(map(str, widths))}, got {width}"
    if isinstance(architecture, MLPMemory) and (key_dim := traits.key_dim) is not None:
        hidden = architecture.shapes(key_dim, key_dim)[0][0]
        if hidden not in DEEP_HIDDEN:
            return (
                f"the hidden width of a deep memory must be one of {', '.join(map(str, DEEP_HIDDEN))}, as a program "
                f"holds all of the memory in registers: got {hidden}, which is expansion {architecture.expansion} of "
                f"width {key_dim}"
            )
    if chunk_size is not None and not SHORTEST_CHUNK <= chunk_size <= longest:
        return f"chunk_size{of} must lie between {SHORTEST_CHUNK} and {longest}, got {chunk_size}"
    if dtype is not None and dtype not in DTYPES:
        return f"queries, keys and values must be float32, float16 or bfloat16, got {dtype}"
    if traits.state_dtype not in (None, torch.float32):
        return f"the state must be float32, got {traits.state_dtype}"
    return None
