"""The small models that a trial compares: by name, of equal size, with the memory and without it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from titans_seq.blocks import AttentionBlockConfig, BlockConfig, LMMConfig, MACConfig, MAGConfig, MALConfig
from titans_seq.errors import UserError, choose, require_at_least
from titans_seq.layers import AttentionConfig, NeuralMemoryConfig
from titans_seq.layers.gates import GateConfig
from titans_seq.memory import preset
from titans_seq.models import CausalLMConfig, sized
from titans_seq.models.presets import WITH_MEMORY, with_recall

NO_MEMORY = "-no-memory"
RECALL = "-recall"
# A sigmoid so far from zero is zero exactly, and so is its derivative: training cannot bring the step back.
_NEVER = -1e4
# Every model of a trial has so many parameters a block, in squares of its width, and the embedding. An attention block
# with the usual feed-forward has 12; the rest is room for a memory beside the attention.
_SQUARES_A_BLOCK = 20


@dataclass(frozen=True)
class ModelOptions:
    """What the models of a trial have in common.

    Attributes:
        dim: width, at least 1.
        depth: number of blocks, at least 1.
        heads: of attention and of the memory.
        window: tokens that window attention sees, and of a segment of MAC.
        memory_rule: a key of `titans_seq.memory.PRESETS`.
        chunk_size: of the memory.
        convolution: width of the memory's convolution; 0 leaves it out.
        gates: of the memory. These shut completely, open because of the token before, and reach far enough for one
            write to be enough.

    Raises:
        UserError: if a value is out of range.

    Example:
        >>> ModelOptions(dim=32, memory_rule="gated_deltanet").chunk_size
        16
    """

    dim: int = 64
    depth: int = 2
    heads: int = 2
    window: int = 32
    memory_rule: str = "titans_linear"
    chunk_size: int = 16
    convolution: int = 4
    gates: GateConfig = field(
        default_factory=lambda: GateConfig(
            max_step=16.0, lr_bias=-1.0, decay_bias=-1.0, form="hard", source="convolved"
        )
    )

    def __post_init__(self) -> None:
        require_at_least(self, dim=1, depth=1, heads=1, window=1)
        if self.dim % (2 * self.heads):
            raise UserError(f"dim must be an even multiple of heads, got {self.dim} and {self.heads}")
        try:
            _memory(self)
        except ValueError as error:
            raise UserError(str(error)) from error


def _memory(options: ModelOptions) -> NeuralMemoryConfig:
    return NeuralMemoryConfig(
        heads=options.heads,
        chunk_size=options.chunk_size,
        rule=preset(options.memory_rule),
        gates=options.gates,
        convolution=options.convolution,
    )


def _attention(options: ModelOptions) -> AttentionConfig:
    return AttentionConfig(options.heads, options.window)


_BLOCKS: dict[str, Callable[[ModelOptions], BlockConfig]] = {
    "mac": lambda o: MACConfig(_memory(o), o.heads, o.window),
    "mag": lambda o: MAGConfig(_attention(o), _memory(o)),
    "mal": lambda o: MALConfig(_memory(o), _attention(o)),
    "lmm": lambda o: LMMConfig(_memory(o)),
    "window": lambda o: AttentionBlockConfig(_attention(o)),
    "transformer": lambda o: AttentionBlockConfig(AttentionConfig(o.heads, window=None)),
}

_WITH_MEMORY = ("mac", "mag", "mal", "lmm")
MODELS = (*_BLOCKS, *(f"{name}{end}" for end in (NO_MEMORY, RECALL) for name in _WITH_MEMORY))
"""Names of models: the four variants, attention over a window and over everything, the four without memory, and the
four with one that looks up what followed tokens like the present one."""


def trial_model(name: str, vocabulary: int, options: ModelOptions | None = None) -> CausalLMConfig:
    """Return a model by name; all of one vocabulary and options have about equally many parameters.

    A `-no-memory` model is the same model, parameter by parameter, whose memory never learns: its step is zero, and so
    is what its gate forgets. What is left of it is a fixed map behind a short convolution. A `-recall` model has the
    memory of `titans_seq.models.presets.with_recall`, whatever the options say of memories.

    Args:
        name: one of `MODELS`.
        vocabulary: number of tokens.
        options: what the models have in common; the defaults if None.

    Raises:
        UserError: if there is no such model, or it cannot be made so small.

    Example:
        >>> from titans_seq.models import count_parameters
        >>> [count_parameters(trial_model(name, 16)) for name in ("lmm", "mac", "lmm-no-memory", "transformer")]
        [163980, 163724, 163980, 166208]
    """
    choose(name, MODELS, "model")
    options = options or ModelOptions()
    block = _BLOCKS[name.removesuffix(NO_MEMORY).removesuffix(RECALL)](options)
    if name.endswith(NO_MEMORY):
        block = without_memory(block)
    config = CausalLMConfig(vocabulary, options.dim, (block,), options.depth)
    if name.endswith(RECALL):
        config = with_recall(config, head_dim=options.dim)
    try:
        return sized(config, vocabulary * options.dim + _SQUARES_A_BLOCK * options.dim**2 * options.depth)
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


def without_memory(block: BlockConfig) -> BlockConfig:
    """Return a block whose memory never learns, with the same parameters; a block without one as it is.

    Example:
        >>> without_memory(LMMConfig()).memory.gates.lr_bias
        -10000.0
    """
    if not isinstance(block, WITH_MEMORY):
        return block
    gates = replace(block.memory.gates, lr_bias=_NEVER, decay_bias=_NEVER)
    return replace(block, memory=replace(block.memory, gates=gates))


def without_slow_weights(block: BlockConfig) -> BlockConfig:
    """Return a block whose memory stands alone; a block without one as it is.

    Example:
        >>> from titans_seq.models import language_model
        >>> without_slow_weights(language_model("tiny-lmm").blocks[0]).memory.slow_weights
        False
    """
    if not isinstance(block, WITH_MEMORY):
        return block
    return replace(block, memory=replace(block.memory, slow_weights=False))
