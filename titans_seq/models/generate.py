"""Draw tokens from a language model, one at a time, in constant time and memory a token."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.models.backbone import BackboneState
from titans_seq.models.causal_lm import CausalLM

_COLDEST = 1e-30
"""Temperature below which logits over it would not be finite; the likeliest token alone is left long before."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is drawn.

    Attributes:
        temperature: divides the logits, at least 0; 0 takes the likeliest token.
        top_k: draw among so many likeliest tokens, at least 1; None for all.
        top_p: draw among the likeliest tokens that together have this probability, in (0, 1].

    Raises:
        ValueError: if a value is out of its range.

    Example:
        >>> logits = torch.tensor([[0.0, 1.0, 9.0, 9.0]])
        >>> draw(logits.expand(50, 4), Sampling(top_k=2)).min() >= 2  # of the two likeliest alone
        tensor(True)
        >>> draw(logits, Sampling(top_p=0.4)).item() in (2, 3)
        True
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"temperature must be at least 0, got {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k must be at least 1 (none is given for all tokens), got {self.top_k}")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p must lie in (0, 1], got {self.top_p}")


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator | None = None) -> Tensor:
    """Draw one token a row.

    Args:
        logits: `[B, vocabulary]`.
        sampling: how.
        generator: source of randomness; PyTorch's global one if None.

    Returns:
        Token ids `[B]`.

    Example:
        >>> draw(torch.tensor([[0.0, 5.0, 1.0]]), Sampling(temperature=0))
        tensor([1])
    """
    if sampling.temperature == 0:
        return logits.argmax(-1)
    logits = logits.float() / max(sampling.temperature, _COLDEST)
    if sampling.top_k is not None and sampling.top_k < logits.shape[-1]:
        least = logits.topk(sampling.top_k, -1).values[..., -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1:
        ordered, order = logits.sort(-1, descending=True)
        share = ordered.softmax(-1)
        # A token stays as long as those before it have not reached top_p: the likeliest always does.
        dropped = share.cumsum(-1) - share >= sampling.top_p
        logits = logits.masked_fill(torch.zeros_like(dropped).scatter(-1, order, dropped), -torch.inf)
    return torch.multinomial(logits.softmax(-1), 1, generator=generator).squeeze(-1)


@torch.inference_mode()
def generate(
    model: CausalLM,
    prompt: Tensor,
    state: BackboneState | None = None,
    *,
    sampling: Sampling = Sampling(),
    generator: torch.Generator | None = None,
) -> Iterator[tuple[Tensor, BackboneState]]:
    """Read a prompt, then draw tokens for as long as they are asked for.

    Args:
        model: the model.
        prompt: token ids `[B, T]`, T >= 1.
        state: what was read before the prompt; None starts a sequence.
        sampling: how tokens are drawn.
        generator: source of randomness; PyTorch's global one if None.

    Yields:
        The next token ids `[B]`, and the state after all tokens before them: the drawn ones are not in it yet.

    Raises:
        UserError: if the logits are not finite.
        ValueError: if the prompt or the state does not fit the model; see `CausalLM.forward`.

    Example:
        >>> import itertools
        >>> from titans_seq.blocks import LMMConfig
        >>> from titans_seq.models import CausalLMConfig
        >>> model = CausalLM(CausalLMConfig(vocabulary=10, dim=32, blocks=(LMMConfig(),), depth=1))
        >>> ids = [int(token) for token, _ in itertools.islice(generate(model, torch.tensor([[1, 2]])), 5)]
        >>> len(ids)
        5
    """
    ids = prompt
    while True:
        logits, state = model(ids, state)
        assert state is not None
        last = logits[:, -1]
        if not last.isfinite().all():
            raise UserError(
                "the logits of the next token are not finite: the model's memory diverges on this text: give another, "
                "or train a model whose gates allow smaller steps (GateConfig.max_step at most 1)"
            )
        token = draw(last, sampling, generator)
        yield token, state
        ids = token.unsqueeze(-1)
