"""A causal language model: embedding, blocks, head, and one immutable state."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.blocks import BlockConfig
from titans_seq.models.backbone import Backbone, BackboneState


@dataclass(frozen=True)
class CausalLMConfig:
    """A language model.

    Attributes:
        vocabulary: number of token ids, at least 1.
        dim: width, at least 1.
        blocks: one or more blocks, repeated in turn until there are `depth`: one for a plain model, several for a
            hybrid.
        depth: number of blocks, at least 1.
        tied: whether the head is the embedding again.
    """

    vocabulary: int
    dim: int
    blocks: tuple[BlockConfig, ...]
    depth: int
    tied: bool = True

    def __post_init__(self) -> None:
        for name in ("vocabulary", "dim", "depth"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.blocks:
            raise ValueError("a language model needs at least one block, got none")


class CausalLM(nn.Module):
    """Predict each next token from those before it, going on wherever a sequence was left.

    Args:
        config: the model.

    Example:
        >>> import torch
        >>> from titans_seq.blocks import LMMConfig
        >>> model = CausalLM(CausalLMConfig(vocabulary=10, dim=32, blocks=(LMMConfig(),), depth=2))
        >>> logits, state = model(torch.tensor([[1, 2, 3]]))
        >>> more, state = model(torch.tensor([[4]]), state)
        >>> logits.shape, more.shape
        (torch.Size([1, 3, 10]), torch.Size([1, 1, 10]))
    """

    def __init__(self, config: CausalLMConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocabulary, config.dim)
        nn.init.normal_(self.embedding.weight, std=config.dim**-0.5)
        blocks = (config.blocks[i % len(config.blocks)].build(config.dim) for i in range(config.depth))
        self.backbone = Backbone(blocks, config.dim)
        self.head = None if config.tied else nn.Linear(config.dim, config.vocabulary, bias=False)

    def forward(
        self, ids: Tensor, state: BackboneState | None = None, *, return_state: bool = True
    ) -> tuple[Tensor, BackboneState | None]:
        """Read a piece of a sequence.

        Args:
            ids: token ids `[B, T]`, T >= 1, in [0, vocabulary).
            state: what the previous piece returned; None starts a sequence.
            return_state: pass False when no piece follows.

        Returns:
            Logits `[B, T, vocabulary]`, and the state after the piece (None without `return_state`).

        Raises:
            ValueError: if ids are not integers `[B, T]` with at least one token.
        """
        if ids.dim() != 2 or ids.shape[1] == 0 or ids.is_floating_point():
            raise ValueError(f"expected token ids [B, T >= 1], got {ids.dtype} {tuple(ids.shape)}")
        y, state = self.backbone(self.embedding(ids), state, return_state=return_state)
        return self._logits(y), state

    def _logits(self, y: Tensor) -> Tensor:
        if self.head is not None:
            return self.head(y)
        embedding = self.embedding
        # An adapter in the embedding's place shows the weights without itself: what it makes of every id has both.
        plain = type(embedding) is nn.Embedding
        return F.linear(y, embedding.weight if plain else embedding(torch.arange(self.config.vocabulary, device=y.device)))


def map_state(state: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Return a model's state with `function` applied to every tensor in it, e.g. `Tensor.detach`.

    Example:
        >>> import torch
        >>> from titans_seq.blocks import LMMConfig
        >>> model = CausalLM(CausalLMConfig(vocabulary=10, dim=32, blocks=(LMMConfig(),), depth=1))
        >>> _, state = model(torch.tensor([[1, 2, 3]]))
        >>> map_state(state, torch.Tensor.detach).blocks[0].recent.requires_grad
        False
    """
    if state is None:
        return None
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, tuple):
        return tuple(map_state(part, function) for part in state)
    if isinstance(state, BackboneState):
        return BackboneState(map_state(state.blocks, function))
    return state.map(function)
