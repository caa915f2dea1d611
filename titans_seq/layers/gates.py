"""Gates: how fast each token is learnt, how long surprise lasts, how much is forgotten."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from titans_seq.memory import Architecture, MemoryRule


@dataclass(frozen=True)
class GateConfig:
    """Where the input-dependent gates start and how far they reach.

    The papers give neither the form nor the range nor the start of any gate. Here, per token and head, with a linear
    map a of the layer's input:

    | gate | value | range |
    |---|---|---|
    | momentum | sigmoid(a + momentum_bias) | (0, 1) |
    | decay | sigmoid(a + decay_bias) | (0, 1) |
    | lr | sigmoid(a + lr_bias) * (1 - momentum) * `largest_lr` | (0, largest_lr) |

    Attributes:
        max_step: the largest summed step of a chunk relative to what its curvature allows, above 0; see `largest_lr`.
        lr_bias: start of the step size's logit.
        momentum_bias: start of the momentum's logit.
        decay_bias: start of the decay's logit; -6 forgets 0.25% a token, half a memory in 280 tokens.
    """

    max_step: float = 1.0
    lr_bias: float = 0.0
    momentum_bias: float = 0.0
    decay_bias: float = -6.0

    def __post_init__(self) -> None:
        if self.max_step <= 0:
            raise ValueError(f"max_step must be above 0, got {self.max_step}")


def _feature_norm(architecture: Architecture, key_dim: int, value_dim: int) -> float:
    """Estimate the squared length of what the last layer reads, for keys of unit length and initial weights."""
    # LayerNorm divides the error by the output's scale, which grows with the features': the two cancel.
    if architecture.depth == 1 or architecture.norm:
        return 1.0
    return float(architecture.shapes(key_dim, value_dim)[-1][1])


def largest_lr(config: GateConfig, rule: MemoryRule, chunk_size: int, key_dim: int, value_dim: int) -> float:
    """Return the cap on the inner step size of a token without momentum.

    All gradients of a chunk are taken at its first weights, so their steps add up: the memory diverges unless
    lr * C * curvature / (1 - momentum) stays below about 2. Keys have unit length, so a linear memory's curvature is
    at most 1 (reached when all keys of a chunk are equal; unlike keys allow a larger `max_step`), and a deep memory's
    is about the squared length of the features its last layer reads. The cap is `max_step / (C * that)`;
    `MemoryGates` multiplies it by 1 - momentum, token by token.

    Example:
        >>> from titans_seq.memory import LinearMemory
        >>> largest_lr(GateConfig(), MemoryRule(LinearMemory()), chunk_size=16, key_dim=32, value_dim=32)
        0.0625
    """
    return config.max_step / (chunk_size * _feature_norm(rule.architecture, key_dim, value_dim))


class MemoryGates(nn.Module):
    """Compute the gates that a rule reads from the layer's input; see `GateConfig` for forms and ranges.

    Args:
        config: ranges and starts.
        dim: width of the input.
        heads: number of heads.
        rule: the memory; gates that it does not read are not made.
        max_lr: cap on the step size, from `largest_lr`.
    """

    def __init__(self, config: GateConfig, dim: int, heads: int, rule: MemoryRule, max_lr: float) -> None:
        super().__init__()
        self.max_lr = max_lr
        self.names = ["lr", *["momentum"] * rule.algorithm.gated, *["decay"] * rule.retention.gated]
        self.project = nn.Linear(dim, len(self.names) * heads)
        with torch.no_grad():
            self.project.weight.mul_(0.1)  # start close to the biases
            biases = {"lr": config.lr_bias, "momentum": config.momentum_bias, "decay": config.decay_bias}
            self.project.bias.copy_(torch.tensor([biases[name] for name in self.names]).repeat_interleave(heads))

    def forward(self, x: Tensor) -> dict[str, Tensor | None]:
        """Return `lr`, `momentum` and `decay` for `[B, T, dim]`: float32 or wider `[B, T, H]`, or None if not read."""
        with torch.autocast(x.device.type, enabled=False):
            # Gates near 0 and 1 need more digits than half precision has.
            dtype = torch.promote_types(self.project.weight.dtype, torch.float32)
            weight, bias = self.project.weight.to(dtype), self.project.bias.to(dtype)
            logits = nn.functional.linear(x.to(dtype), weight, bias)
            gates = dict(zip(self.names, torch.sigmoid(logits).chunk(len(self.names), -1), strict=True))
        momentum, decay = gates.get("momentum"), gates.get("decay")
        lr = gates["lr"] * self.max_lr if momentum is None else gates["lr"] * (1 - momentum) * self.max_lr
        return {"lr": lr, "momentum": momentum, "decay": decay}
