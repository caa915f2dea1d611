"""Sizes of language models: the paper's table, and small ones for a CPU."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from titans_seq.blocks import AttentionBlockConfig, BlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.layers import AttentionConfig, GateConfig, NeuralMemoryConfig
from titans_seq.memory import Architecture, ChannelDecay, LinearMemory, MemoryRule, MLPMemory, WeightDecay
from titans_seq.models.causal_lm import CausalLM, CausalLMConfig


@dataclass(frozen=True)
class Size:
    """What the models of one size share.

    Attributes:
        parameters: in all, which the feed-forward's width is chosen to reach; None keeps its default width.
        depth: number of blocks.
        dim: width.
        heads: of attention and of the memory.
        window: tokens that attention sees.
        segment: tokens of a segment of MAC.
        persistent_tokens: learned tokens in front.
        architecture: of the memory.
        chunk_size: of the memory.
        slow_weights: whether a learned matrix stands beside the memory, see `NeuralMemoryConfig`.
    """

    parameters: int | None
    depth: int
    dim: int
    heads: int
    window: int = 2048
    segment: int = 512
    persistent_tokens: int = 128
    architecture: Architecture = MLPMemory(expansion=4)
    chunk_size: int = 16
    slow_weights: bool = False


# Depth, width and heads as in the NeurIPS version's Table 5; window, segment, persistent tokens as in its appendix E.
# It names a size of 400M and gives no dimensions for it: those are ours, its 340M with a wider feed-forward. Nor does
# it give the feed-forward's width for any model: all models of a size have the size's parameters here.
SIZES = {
    # For a CPU: a matrix is cheaper than a deep memory, and learns to recall sooner; and carried through a book it must
    # not forget what it was trained to know (benchmarks/RESULTS.md).
    "tiny": Size(
        None, 4, 128, 4, 64, 64, persistent_tokens=4, architecture=LinearMemory(), chunk_size=32, slow_weights=True
    ),
    "170m": Size(170_000_000, 12, 768, 16),
    "340m": Size(340_000_000, 24, 1024, 16),
    "400m": Size(400_000_000, 24, 1024, 16),
    "760m": Size(760_000_000, 24, 1536, 16),
    "1.3b": Size(1_300_000_000, 18, 2048, 8),
}

VARIANTS: dict[str, Callable[[Size], BlockConfig]] = {
    "mac": lambda s: MACConfig(_memory(s), s.heads, s.segment, s.persistent_tokens),
    "mag": lambda s: MAGConfig(_attention(s), replace(_memory(s), persistent_tokens=s.persistent_tokens)),
    "mal": lambda s: MALConfig(replace(_memory(s), persistent_tokens=s.persistent_tokens), _attention(s)),
    "lmm": lambda s: LMMConfig(replace(_memory(s), persistent_tokens=s.persistent_tokens)),
    "window": lambda s: AttentionBlockConfig(_attention(s)),
    "transformer": lambda s: AttentionBlockConfig(AttentionConfig(s.heads, window=None)),
}


WITH_MEMORY = (MACConfig, MAGConfig, MALConfig, LMMConfig)
"""Blocks that have a memory."""

_RECALL = "recall"
_MATRIX = MemoryRule(LinearMemory())


def _memory(size: Size) -> NeuralMemoryConfig:
    return NeuralMemoryConfig(
        heads=size.heads,
        chunk_size=size.chunk_size,
        rule=MemoryRule(size.architecture),
        slow_weights=size.slow_weights,
    )


def _attention(size: Size) -> AttentionConfig:
    return AttentionConfig(size.heads, size.window, size.persistent_tokens)


def language_model(name: str, vocabulary: int = 32_000) -> CausalLMConfig:
    """Return a language model by name.

    Window, segment and persistent tokens of the larger sizes are those of the NeurIPS version. Not taken from it are a
    decay per channel and gates per memory layer, which its appendix has too: `with_paper_gates` turns them on. They
    cost time, and the fused kernels do not run them. The peak learning rate is not part of a size: that version's table
    has one for each.

    Args:
        name: `variant-size` or `size-variant`, e.g. `mac-170m` or `tiny-lmm`; a size alone is MAC's. Besides the
            paper's mac, mag, mal and lmm there are `transformer` and `window`, the controls. `recall` as a third word
            is `with_recall`.
        vocabulary: number of token ids; the sizes count 32,000.

    Raises:
        ValueError: if there is none of that name.

    Example:
        >>> language_model("tiny-lmm", vocabulary=256).depth
        4
    """
    parts = name.lower().split("-")
    recall, parts = _RECALL in parts, [part for part in parts if part != _RECALL]
    sizes, variants = [p for p in parts if p in SIZES], [p for p in parts if p in VARIANTS]
    if len(sizes) != 1 or len(sizes) + len(variants) != len(parts) or len(variants) > 1:
        raise ValueError(
            f"unknown language model {name!r}: expected VARIANT-SIZE with a variant of {', '.join(VARIANTS)} and a "
            f"size of {', '.join(SIZES)}, or VARIANT-SIZE-{_RECALL}"
        )
    size = SIZES[sizes[0]]
    block = VARIANTS[variants[0] if variants else "mac"](size)
    config = CausalLMConfig(vocabulary, size.dim, (block,), size.depth)
    config = with_recall(config) if recall else config
    if size.parameters is None:
        return config
    return replace(sized(replace(config, vocabulary=32_000), size.parameters), vocabulary=vocabulary)


def with_hard_gates(config: CausalLMConfig) -> CausalLMConfig:
    """Return a model whose memories' gates can shut completely, and open because of the token before.

    `GateConfig(form="hard", source="convolved")`, with gates as far open at the start as they were. On their own they
    need not shut: a cost of writing makes them (`titans_seq.training.writes`).

    Raises:
        ValueError: if the model has no memory.

    Example:
        >>> gates = with_hard_gates(language_model("tiny-lmm")).blocks[0].memory.gates
        >>> gates.form, gates.source, round(gates.decay_bias, 3)
        ('hard', 'convolved', -2.985)
    """
    if not any(isinstance(block, WITH_MEMORY) for block in config.blocks):
        raise ValueError("the model has no memory whose gates could be hard")
    return replace(config, blocks=tuple(map(_hard_gated, config.blocks)))


def has_hard_gates(config: CausalLMConfig) -> bool:
    """Say whether the gates of some memory are hard ones."""
    return any(isinstance(block, WITH_MEMORY) and block.memory.gates.form == "hard" for block in config.blocks)


def with_recall(config: CausalLMConfig, rule: MemoryRule = _MATRIX, head_dim: int = 128) -> CausalLMConfig:
    """Return a model whose memories look up what followed tokens like the present one, anywhere in what was read.

    Not from the paper. The memory stores each value under the key of the token before it, in few wide heads. Its steps
    are large, so that one writing is enough, in chunks so short that they stay stable. It forgets next to nothing at
    first, and its gates can shut. Beside it the slow weights read through a short convolution.
    `benchmarks.long_text_recall` has what this is worth, in MAL, MAG and LMM. In MAC it is worth nothing: its memory is
    told what attention made of the tokens, and does not know them again. The fused kernels do not run it: their chunks
    have 16 tokens at least.

    Args:
        config: a model.
        rule: of the memories.
        head_dim: width of a head's keys, which bounds how much a matrix can tell apart; a head for each of the width.

    Raises:
        ValueError: if the model has no memory.

    Example:
        >>> memory = with_recall(language_model("tiny-mag")).blocks[0].memory
        >>> memory.values_ahead, memory.heads, memory.head_dim, memory.chunk_size
        (True, 1, 128, 4)
    """
    if not any(isinstance(block, WITH_MEMORY) for block in config.blocks):
        raise ValueError("the model has no memory that could recall: take a variant of mac, mag, mal or lmm")
    heads = max(1, config.dim // head_dim)
    return replace(config, blocks=tuple(_recalling(block, rule, heads, head_dim) for block in config.blocks))


def _recalling(block: BlockConfig, rule: MemoryRule, heads: int, head_dim: int) -> BlockConfig:
    if not isinstance(block, WITH_MEMORY):
        return block
    memory = replace(
        block.memory,
        heads=heads,
        head_dim=head_dim,
        chunk_size=4,
        rule=rule,
        # The largest step that a chunk of equal keys can take; one token is written with up to half of its value.
        gates=GateConfig(2.0, -1.0, -3.0, -2.998, form="hard", source="convolved"),
        convolution=4,
        convolves="context",
        slow_weights=True,
        values_ahead=True,
    )
    return replace(block, memory=memory)


def with_paper_gates(config: CausalLMConfig) -> CausalLMConfig:
    """Return a model whose memories decay by channel and have gates for each layer (NeurIPS version, appendix).

    Raises:
        ValueError: if the model has no memory with a decay.

    Example:
        >>> memory = with_paper_gates(language_model("lmm-170m")).blocks[0].memory
        >>> memory.rule.retention, memory.gates.per_layer
        (ChannelDecay(before_gradient=False), True)
    """
    if not any(map(_decays, config.blocks)):
        raise ValueError("the model has no memory whose decay could be by channel")
    return replace(config, blocks=tuple(map(_paper_gated, config.blocks)))


def _decays(block: BlockConfig) -> bool:
    return isinstance(block, WITH_MEMORY) and isinstance(block.memory.rule.retention, WeightDecay)


def _paper_gated(block: BlockConfig) -> BlockConfig:
    if not isinstance(block, WITH_MEMORY) or not isinstance(block.memory.rule.retention, WeightDecay):
        return block
    memory = block.memory
    decay = ChannelDecay(before_gradient=memory.rule.retention.before_gradient)
    gates = replace(memory.gates, per_layer=True)
    return replace(block, memory=replace(memory, rule=replace(memory.rule, retention=decay), gates=gates))


def _hard_gated(block: BlockConfig) -> BlockConfig:
    if not isinstance(block, WITH_MEMORY):
        return block
    gates = block.memory.gates
    if gates.form == "sigmoid":
        lr, decay = (6 * (1 / (1 + math.exp(-bias)) - 0.5) for bias in (gates.lr_bias, gates.decay_bias))
        gates = replace(gates, form="hard", lr_bias=lr, decay_bias=decay)
    return replace(block, memory=replace(block.memory, gates=replace(gates, source="convolved")))


def count_parameters(config: CausalLMConfig) -> int:
    """Count a model's parameters without making them.

    Example:
        >>> count_parameters(language_model("tiny-transformer", vocabulary=65))
        800000
    """

    def count(depth: int) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in CausalLM(replace(config, depth=depth)).parameters())

    times, rest = divmod(config.depth, len(config.blocks))
    if rest or times < 3:
        return count(config.depth)
    # Blocks that are alike have as many.
    once, twice = (count(number * len(config.blocks)) for number in (1, 2))
    return once + (times - 1) * (twice - once)


def sized(config: CausalLMConfig, parameters: int) -> CausalLMConfig:
    """Return a model with the feed-forward's width chosen so that it has about so many parameters.

    Args:
        config: a model.
        parameters: how many; met to half a percent for models of a hundred thousand and more.

    Raises:
        ValueError: if the model has more without any feed-forward.

    Example:
        >>> config = sized(language_model("tiny-lmm", vocabulary=256), parameters=1_000_000)
        >>> config.blocks[0].hidden, round(count_parameters(config) / 1e6, 2)
        (384, 1.0)
    """
    least = count_parameters(_widened(config, 8)) - 8 * 3 * config.dim * config.depth
    hidden = round((parameters - least) / (8 * 3 * config.dim * config.depth)) * 8
    if hidden < 8:
        raise ValueError(
            f"a model of width {config.dim} and depth {config.depth} has {least:,} parameters without any "
            f"feed-forward, more than the {parameters:,} asked for; lower width or depth"
        )
    return _widened(config, hidden)


def _widened(config: CausalLMConfig, hidden: int) -> CausalLMConfig:
    return replace(config, blocks=tuple(replace(block, hidden=hidden) for block in config.blocks))  # type: ignore[type-var]
