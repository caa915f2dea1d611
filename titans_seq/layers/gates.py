"""Gates: how fast each token is learnt, how long surprise lasts, how much is forgotten, what counts as an outlier."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.autodiff import full_precision
from titans_seq.checks import check_types, check_whole
from titans_seq.layers.linear import in_full_precision
from titans_seq.memory import MemoryRule, initial_weights

_FORMS = {"sigmoid": torch.sigmoid, "hard": F.hardsigmoid}


@dataclass(frozen=True)
class GateConfig:
    """Where the input-dependent gates start and how far they reach.

    The papers give neither the form nor the range nor the start of any gate. Here, per token and head, with a linear
    map a of what the gates read:

    | gate | value | range |
    |---|---|---|
    | momentum | sigmoid(a + momentum_bias) | (0, 1) |
    | decay | form(a + decay_bias) | (0, 1); "hard" [0, 1] |
    | lr | form(a + lr_bias) * (1 - momentum) * `largest_lr` | (0, largest_lr); "hard" [0, largest_lr] |
    | threshold | softplus(a + threshold_bias) | > 0 |

    A sigmoid is never zero: what is written or forgotten a little at every token adds up, and after a hundred times
    the length of training little is left of what was stored. The hard sigmoid, a / 6 + 1/2 cut to [0, 1], shuts
    completely. Shut for every token it stays shut, since it has no slope there: let it start inside (-3, 3).

    Attributes:
        max_step: the largest summed step of a chunk relative to what its curvature allows, above 0; see `largest_lr`.
            Above 2 a linear memory diverges where one token comes over and over.
        lr_bias: start of the step size's logit.
        momentum_bias: start of the momentum's logit.
        decay_bias: start of the decay's logit; -6 forgets 0.25% a token, half a memory in 280 tokens.
        threshold_bias: start of a robust loss's threshold before the softplus; 0.54 is a threshold of 1.
        per_layer: gates of its own for each layer of the memory that learns (NeurIPS version of Titans, appendix).
        rank: of the map to a decay per channel, which is wide (MIRAS 3.4 has 32 or 64); at least 1.
        form: of lr and decay; "hard" is the hard sigmoid.
        source: what the gates read: the layer's "input", or the queries, keys and values behind their convolution
            (as Mamba's step does), so that a gate may open for a token because of the one before it.

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
        >>> layer = NeuralMemory(NeuralMemoryConfig(heads=2, gates=GateConfig(decay_bias=-4.0)), dim=16)
        >>> layer.gates(torch.zeros(1, 1, 16))["decay"].detach()  # a share of the memory forgotten a token
        tensor([[[0.0180, 0.0180]]])
    """

    max_step: float = 1.0
    lr_bias: float = 0.0
    momentum_bias: float = 0.0
    decay_bias: float = -6.0
    threshold_bias: float = 0.54
    per_layer: bool = False
    rank: int = 32
    form: Literal["sigmoid", "hard"] = "sigmoid"
    source: Literal["input", "convolved"] = "input"

    def __post_init__(self) -> None:
        if not 0 < self.max_step < math.inf:
            raise ValueError(f"max_step must be above 0 and finite, got {self.max_step}")
        for name in ("lr_bias", "momentum_bias", "decay_bias", "threshold_bias"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"{name} must be finite, got {getattr(self, name)}")
        check_types(self)
        check_whole(self, rank=1)
        for name, choices in (("form", _FORMS), ("source", ("input", "convolved"))):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}")


def largest_lr(config: GateConfig, rule: MemoryRule, chunk_size: int, key_dim: int, value_dim: int) -> float:
    """Return the cap on the inner step size of a token without momentum.

    All gradients of a chunk are taken at its first weights, so their steps add up: the memory diverges unless
    lr * C * curvature / (1 - momentum) stays below about 2. Keys have unit length, so a linear memory's curvature is
    at most 1 (reached when all keys of a chunk are equal; unlike keys allow a larger `max_step`), and a deep memory's
    is about the squared length of the features its last layer reads. The cap is `max_step` over the product of

    * the chunk's tokens, and the tokens of a window; 1 for an algorithm that takes one step a chunk,
    * that curvature, and the bias's own (`Bias.curvature`),
    * how much faster the weights move than what is accumulated, for a retention whose weights are a function of it.

    `MemoryGates` multiplies it by 1 - momentum, token by token.

    Args:
        config: its `max_step`.
        rule: the memory.
        chunk_size: tokens of a chunk.
        key_dim: width of a key.
        value_dim: width of a value.

    Example:
        >>> from titans_seq.memory import LinearMemory
        >>> largest_lr(GateConfig(), MemoryRule(LinearMemory()), chunk_size=16, key_dim=32, value_dim=32)
        0.0625
    """
    architecture = rule.architecture
    steps = chunk_size * (rule.algorithm.lookback + 1) if rule.algorithm.linear else 1
    # LayerNorm divides the error by the output's scale, which grows with the features': the two cancel.
    flat = architecture.depth == 1 or architecture.norm
    features = 1.0 if flat else float(architecture.shapes(key_dim, value_dim)[-1][1])
    if architecture.depth == 1 and rule.bias.curvature == 0:
        return config.max_step  # nothing feeds back, so that nothing can diverge
    # In a deep memory one layer's write feeds the next one's, whatever the bias.
    return config.max_step / (steps * features * max(1.0, rule.bias.curvature) * _speed(rule, key_dim, value_dim))


def _speed(rule: MemoryRule, key_dim: int, value_dim: int) -> float:
    """Return how much faster the weights move than what a new memory has accumulated: the fastest layer's rms ratio."""
    if rule.retention.linear:
        return 1.0
    generator, speeds = torch.Generator().manual_seed(0), []
    with torch.device("cpu"):  # also where a model is only counted, on the meta device
        initial = rule.accumulated(initial_weights(rule.architecture, 1, key_dim, value_dim, generator))
        for layer, at in list(enumerate(initial))[rule.architecture.first_learning :]:
            at, along = at.double(), torch.randn(at.shape, generator=generator, dtype=torch.float64)
            small = 1e-6 * at.norm() / along.norm()
            moved = rule.weights(layer, at + small * along) - rule.weights(layer, at)
            speeds.append((moved.norm() / (small * along).norm()).item())
    return max(speeds)


class GateValues(TypedDict):
    """The gates of a piece as `memory_scan` wants them; None where the rule reads none.

    `[B, T, H]`, or `[B, T, H, .]` with gates per layer or channel.
    """

    lr: Tensor
    momentum: Tensor | None
    decay: Tensor | None
    threshold: Tensor | None


class MemoryGates(nn.Module):
    """Compute the gates that a rule reads; see `GateConfig` for forms and ranges.

    Args:
        config: ranges and starts.
        dim: width of what they read.
        heads: number of heads.
        rule: the memory; gates that it does not read are not made.
        rows: rows of the weights of each layer that learns.
        max_lr: cap on the step size, from `largest_lr`.

    Attributes:
        share: scales all step sizes, a scalar that is no part of the weights; None for 1. See `scale_inner_steps`.

    Example:
        >>> gates = MemoryGates(GateConfig(), dim=16, heads=2, rule=MemoryRule(), rows=[32, 8], max_lr=0.1)
        >>> values = gates(torch.zeros(1, 3, 16))
        >>> values["lr"][0, 0].detach(), values["decay"].shape, values["threshold"] is None
        (tensor([0.0250, 0.0250]), torch.Size([1, 3, 2]), True)
    """

    def __init__(
        self, config: GateConfig, dim: int, heads: int, rule: MemoryRule, rows: Sequence[int], max_lr: float
    ) -> None:
        super().__init__()
        self.max_lr, self.heads, self.form = max_lr, heads, _FORMS[config.form]
        self.share: Tensor | None = None
        layers = len(rows) if config.per_layer else 1
        per_channel = rule.retention.gated and rule.retention.per_channel
        wanted = {
            "lr": (True, layers, config.lr_bias),
            "momentum": (rule.algorithm.gated, layers, config.momentum_bias),
            "decay": (rule.retention.gated and not per_channel, layers, config.decay_bias),
            "threshold": (rule.bias.gated, 1, config.threshold_bias),
        }
        made = {name: (width, bias) for name, (read, width, bias) in wanted.items() if read}
        self.outputs = {name: width * heads for name, (width, _) in made.items()}
        biases = [torch.full((width * heads,), bias) for width, bias in made.values()]
        self.project = _linear(dim, torch.cat(biases))
        self.narrow = nn.Linear(dim, config.rank, bias=False) if per_channel else None
        wide = torch.full((heads * sum(rows),), config.decay_bias)
        self.widen = _linear(config.rank, wide) if per_channel else None

    def forward(self, x: Tensor) -> GateValues:
        """Compute the gates.

        Args:
            x: `[B, T, dim]`.

        Returns:
            The gates that the rule reads, float32 or wider; shapes in `GateValues`.
        """
        with full_precision(x.device.type):
            # Gates near 0 and 1 need more digits than half precision has.
            logits = in_full_precision(self.project, x)
            values = self._opened(logits)
            lr, momentum = values["lr"] * self.max_lr, values.get("momentum")
            if self.share is not None:
                lr = lr * self.share
            decay = values.get("decay")
            if self.narrow is not None and self.widen is not None:
                wide = in_full_precision(self.widen, in_full_precision(self.narrow, x))
                decay = self.form(wide).unflatten(-1, (self.heads, -1))
            return GateValues(
                lr=lr if momentum is None else torch.addcmul(lr, lr, momentum, value=-1),
                momentum=momentum,
                decay=decay,
                threshold=F.softplus(logits[..., -self.heads :]) if "threshold" in self.outputs else None,
            )

    def _opened(self, logits: Tensor) -> dict[str, Tensor]:
        """Return how far each gate is open, in [0, 1], by name; the threshold, the last of them, is no such gate."""
        if self.form is torch.sigmoid:  # one call for all
            return self._by_name(torch.sigmoid(logits))
        parts = self._by_name(logits).items()
        return {name: torch.sigmoid(part) if name == "momentum" else self.form(part) for name, part in parts}

    def _by_name(self, logits: Tensor) -> dict[str, Tensor]:
        """Split outputs into `[B, T, H]`, or `[B, T, H, layers]` where each layer has its own."""
        parts = logits.split_with_sizes([*self.outputs.values()], -1)
        by_head = (x if x.shape[-1] == self.heads else x.unflatten(-1, (-1, self.heads)).mT for x in parts)
        return dict(zip(self.outputs, by_head, strict=True))


def _linear(dim: int, bias: Tensor) -> nn.Linear:
    """A linear map that starts close to its bias."""
    linear = nn.Linear(dim, len(bias))
    with torch.no_grad():
        linear.weight.mul_(0.1)
        linear.bias.copy_(bias)
    return linear


def scale_inner_steps(model: nn.Module, share: float) -> None:
    """Scale the inner steps of all memories of a model, for a schedule that warms them up from near zero.

    It is not saved with the weights, so let a schedule end at 1. A compiled model is not compiled anew.

    Args:
        model: any module.
        share: of the step sizes that the gates give, at least 0.

    Raises:
        ValueError: if `share` is negative.

    Example:
        >>> from titans_seq.layers import NeuralMemory, NeuralMemoryConfig
        >>> layer, x = NeuralMemory(NeuralMemoryConfig(), 32), torch.randn(1, 4, 32)
        >>> before = layer.gates(x)["lr"]
        >>> scale_inner_steps(layer, 0.5)
        >>> torch.equal(layer.gates(x)["lr"], 0.5 * before)
        True
    """
    if not share >= 0:
        raise ValueError(f"the share of the inner steps must be at least 0, got {share}")
    for gates in model.modules():
        if not isinstance(gates, MemoryGates):
            continue
        if gates.share is None:
            gates.share = torch.ones(())  # on the CPU, from where a scalar goes with tensors on any device
        gates.share.fill_(share)
