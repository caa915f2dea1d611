"""Known models as points of the space: each names its four choices, its equation and its paper."""

from dataclasses import dataclass

from titans_seq.memory.algorithm import GradientDescent, ImplicitGradientDescent, Muon, SlidingWindow
from titans_seq.memory.architecture import GatedMLPMemory, LinearMemory, MLPMemory
from titans_seq.memory.bias import DotProduct, Huber, Lp
from titans_seq.memory.retention import (
    ConstantDecay,
    LqNormalisation,
    NoRetention,
    RowNormalisation,
    SoftmaxRetention,
    WeightDecay,
)
from titans_seq.memory.rule import MemoryRule


@dataclass(frozen=True)
class Preset:
    """A published memory.

    Attributes:
        rule: its point in the space.
        equation: its recurrence, in this project's names: W weights, S momentum, u the inner gradient.
        paper: where it is from.
        note: where the point is not the whole of the paper's layer, or what we chose; empty if there is nothing to say.

    Example:
        >>> PRESETS["titans_linear"].equation
        'S = momentum S - lr (W k - v) k^T; W = keep W + S'
        >>> PRESETS["titans_linear"].paper
        'arXiv 2501.00663'
    """

    rule: MemoryRule
    equation: str
    paper: str
    note: str = ""


_MATRIX, _DEEP = LinearMemory(), MLPMemory()
_PLAIN = GradientDescent()

PRESETS: dict[str, Preset] = {
    "linear_attention": Preset(
        MemoryRule(_MATRIX, DotProduct(), NoRetention(), _PLAIN),
        "W += lr v k^T",
        "arXiv 2006.16236",
        "The paper has no lr: set it to 1. Feature maps belong to the layer's keys.",
    ),
    "retnet": Preset(
        MemoryRule(_MATRIX, DotProduct(), ConstantDecay(), _PLAIN),
        "W = gamma_h W + lr v k^T",
        "arXiv 2307.08621",
        "lr is 1 in the paper, and the rotation of q and k belongs to the layer.",
    ),
    "gated_linear_attention": Preset(
        MemoryRule(_MATRIX, DotProduct(), WeightDecay(), _PLAIN),
        "W = keep W + lr v k^T",
        "arXiv 2405.21060, 2312.06635",
        "The scalar gate of Mamba-2; GLA's own gate is a vector over the keys.",
    ),
    "deltanet": Preset(
        MemoryRule(_MATRIX, retention=NoRetention(), algorithm=_PLAIN),
        "W += lr (v - W k) k^T",
        "arXiv 2102.11174, 2406.06484",
        "Exact in chunks of one token.",
    ),
    "gated_deltanet": Preset(
        MemoryRule(_MATRIX, retention=WeightDecay(before_gradient=True), algorithm=_PLAIN),
        "W' = keep W; W = W' + lr (v - W' k) k^T",
        "arXiv 2412.06464",
        "Exact in chunks of one token.",
    ),
    "longhorn": Preset(
        MemoryRule(_MATRIX, retention=NoRetention(), algorithm=ImplicitGradientDescent()),
        "W += lr / (1 + lr |k|^2) (v - W k) k^T",
        "arXiv 2407.14207",
        "Exact in chunks of one token; the paper then keeps the diagonal of k k^T alone.",
    ),
    "ttt_linear": Preset(
        MemoryRule(MLPMemory(depth=1), retention=NoRetention(), algorithm=_PLAIN),
        "W -= lr u, M(k) = k + LN(W k)",
        "arXiv 2407.04620",
        "LayerNorm without the paper's learned scale and shift.",
    ),
    "ttt_mlp": Preset(
        MemoryRule(_DEEP, retention=NoRetention(), algorithm=_PLAIN),
        "W -= lr u, M(k) = k + LN(W_2 gelu(W_1 k))",
        "arXiv 2407.04620",
        "LayerNorm without the paper's learned scale and shift.",
    ),
    "titans": Preset(
        MemoryRule(),
        "S = momentum S - lr u; W = keep W + S",
        "arXiv 2501.00663",
    ),
    "titans_linear": Preset(
        MemoryRule(_MATRIX),
        "S = momentum S - lr (W k - v) k^T; W = keep W + S",
        "arXiv 2501.00663",
    ),
    "moneta": Preset(
        MemoryRule(_DEEP, Lp(3), LqNormalisation(q=4), _PLAIN),
        "A = keep A - lr u_3; W = A / |A|_4^2",
        "arXiv 2504.13173",
        "Gates per head; the paper's decay (LqNormalisation(ChannelDecay()) here) and lr are per channel.",
    ),
    "yaad": Preset(
        MemoryRule(_DEEP, Huber("switch"), WeightDecay(), _PLAIN),
        "W = keep W - lr (u_2 if |r| <= delta, else delta u_1)",
        "arXiv 2504.13173",
        "Gates per head; the paper's decay (ChannelDecay() here), lr and threshold are per channel.",
    ),
    "memora": Preset(
        MemoryRule(_DEEP, retention=SoftmaxRetention(), algorithm=_PLAIN),
        "W = c softmax(keep log W - lr u)",
        "arXiv 2504.13173",
        "Gates per head; the paper's decay (SoftmaxRetention(ChannelDecay()) here) and lr are per channel.",
    ),
    "atlas": Preset(
        MemoryRule(_DEEP, algorithm=SlidingWindow(Muon("step"), window=4)),
        "S = momentum S - sum of u over the window; W = keep W + lr NS(S)",
        "arXiv 2505.23735",
        "Its polynomial features belong to the layer's keys. One orthogonalised step a chunk.",
    ),
    "lact": Preset(
        MemoryRule(
            GatedMLPMemory(), DotProduct(), RowNormalisation(), Muon("token", momentum=False), read="chunk_start"
        ),
        "W = rownorm(W + NS(-sum of lr u over the chunk))",
        "arXiv 2505.23884",
        "Made for chunks of 2,048 tokens and more, with window attention beside it. The paper's code has other "
        "coefficients in Newton-Schulz and an lr for each matrix; ours shares one within a layer.",
    ),
}


def preset(name: str) -> MemoryRule:
    """Return a published memory's rule.

    Args:
        name: a key of `PRESETS`.

    Raises:
        ValueError: if there is none of that name; the message lists them.

    Example:
        >>> preset("deltanet").architecture
        LinearMemory()
    """
    if name not in PRESETS:
        raise ValueError(f"unknown memory {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name].rule
