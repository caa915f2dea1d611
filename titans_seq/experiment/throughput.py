"""How much arithmetic a model needs a token, and how fast training goes."""

import time
from collections.abc import Callable

from torch import nn

from titans_seq.blocks import MemoryAsContext
from titans_seq.layers import CausalAttention, NeuralMemory
from titans_seq.models import CausalLM


def training_flops(model: CausalLM, length: int) -> float:
    """Estimate the floating-point operations that training needs a token: forward, and twice that for backward.

    Counted as in PaLM (arXiv 2204.02311, appendix B): 2 a weight of every matrix, the head's included and the
    embedding's look-up not; attention's scores and sums over the keys that a token may see, without the saving of a
    causal mask. A memory adds 8 a weight of its own: 2 to predict, 4 for the inner gradient and what it writes, 2 to
    read; slow weights add 4, for keys and queries. MAC reads its memory once more, for attention, and makes keys and
    values of that. What is computed anew in the backward pass is not counted, for the model does not need it.

    Args:
        model: the language model.
        length: tokens of a training segment, at least 1.

    Example:
        >>> from titans_seq.models import language_model
        >>> round(training_flops(CausalLM(language_model("tiny-lmm", vocabulary=256)), length=256) / 1e6, 1)
        6.0
    """
    forward = 2.0 * model.config.vocabulary * model.config.dim
    for module in model.backbone.modules():
        if isinstance(module, nn.Linear):
            forward += 2 * module.weight.numel()
        elif isinstance(module, NeuralMemory):
            forward += 8 * sum(weight.numel() for weight in module.initial)
            forward += 0 if module.slow is None else 4 * module.slow.numel()
        elif isinstance(module, MemoryAsContext):
            seen = 2 * min(length, module.config.segment) + module.config.persistent_tokens
            forward += 4 * seen * model.config.dim + _context_flops(module)
        elif isinstance(module, CausalAttention):
            seen = min(length, module.config.window or length) + module.config.persistent_tokens
            forward += 4 * seen * model.config.dim
    return 3 * forward


def _context_flops(mixer: MemoryAsContext) -> float:
    """What a token's context takes: a query, a read and its projection; of that a key and a value for attention."""
    memory = mixer.memory
    weights = memory.project.weight.numel() / 3 + memory.output.weight.numel()
    weights += sum(weight.numel() for weight in memory.initial)
    weights += 0 if memory.slow is None else memory.slow.numel()
    return 2 * (weights + mixer.heads.project.weight.numel() * 2 / 3)


class Throughput:
    """Measure tokens a second since the last look.

    Args:
        flops_per_token: from `training_flops`.
        peak_flops: operations a second that all devices together could do; None if that is not known.
        clock: seconds, from any zero.

    Example:
        >>> seconds = iter([0.0, 2.0])
        >>> throughput = Throughput(flops_per_token=1e6, peak_flops=1e9, clock=lambda: next(seconds))
        >>> throughput.start()
        >>> throughput.look(tokens=100)
        (50.0, 0.05)
    """

    def __init__(
        self, flops_per_token: float, peak_flops: float | None = None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._flops, self._peak, self._clock = flops_per_token, peak_flops, clock
        self._since = 0.0

    def start(self) -> None:
        """Count from now."""
        self._since = self._clock()

    def look(self, tokens: int) -> tuple[float, float | None]:
        """Return tokens a second and the share of the peak that the model's own arithmetic makes, and count anew.

        Args:
            tokens: that were trained on since the last look.
        """
        now = self._clock()
        rate = tokens / max(now - self._since, 1e-9)
        self._since = now
        return rate, None if self._peak is None else rate * self._flops / self._peak
