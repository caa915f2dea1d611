"""A stack of blocks with one immutable state."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from titans_seq.layers import RMSNorm
from titans_seq.layers.documents import ReturnState, without_padding
from titans_seq.state import State


@dataclass(frozen=True)
class BackboneState(State):
    """The states of a backbone's blocks, first block first.

    Attributes:
        blocks: the state of each block's mixer.

    Example:
        >>> from titans_seq.blocks import LMMConfig
        >>> backbone = Backbone([LMMConfig().build(32)], dim=32)
        >>> _, state = backbone(torch.randn(3, 5, 32))
        >>> state.batch, state.rows([2, 2]).batch, state.device
        (3, 2, device(type='cpu'))
    """

    blocks: tuple[Any, ...]

    @property
    def batch(self) -> int:
        """Number of rows."""
        first = self.blocks[0]
        while isinstance(first, tuple):
            first = first[0]
        return first.batch


class Backbone(nn.Module):
    """Run blocks in a row and a final RMSNorm. A hybrid is a list of different blocks.

    Args:
        blocks: modules with `forward(x, state, *, return_state) -> (y, state)`; at least one.
        dim: width.

    Attributes:
        gradient_checkpointing: whether training keeps the blocks' inputs alone and computes the blocks once more in the
            backward pass: less memory for a third more time. False at first. Hugging Face's name for it.

    Raises:
        ValueError: if there is no block.

    Example:
        >>> import torch
        >>> from titans_seq.blocks import LMMConfig
        >>> backbone = Backbone([LMMConfig().build(32) for _ in range(2)], dim=32)
        >>> y, state = backbone(torch.randn(1, 5, 32))
        >>> y.shape, len(state.blocks)
        (torch.Size([1, 5, 32]), 2)
    """

    def __init__(self, blocks: Iterable[nn.Module], dim: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        if not len(self.blocks):
            raise ValueError("a backbone needs at least one block, got none")
        self.norm = RMSNorm(dim)
        self.gradient_checkpointing = False

    def forward(
        self,
        x: Tensor,
        state: BackboneState | None = None,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        return_state: ReturnState = True,
    ) -> tuple[Tensor, BackboneState | None]:
        """Run a piece of a sequence.

        Args:
            x: `[B, T, dim]`, T >= 1.
            state: what the previous piece returned; None starts a sequence.
            attention_mask: see `titans_seq.layers.documents`, as for the next two.
            cu_seqlens: borders of documents packed in one row.
            return_state: pass False when no piece follows.

        Returns:
            Outputs shaped like x, and the state after the piece (None without `return_state`).

        Raises:
            ValueError: if the state is of another number of blocks, or of another batch, dtype or model.
        """
        if attention_mask is not None:
            return without_padding(self, x, state, attention_mask, cu_seqlens, return_state)
        if state is not None and not isinstance(state, BackboneState):
            raise ValueError(f"expected the BackboneState of this model, got a {type(state).__name__} of another model")
        if cu_seqlens is not None:
            cu_seqlens = torch.as_tensor(cu_seqlens).cpu()  # once, and not in every layer
        states = (None,) * len(self.blocks) if state is None else state.blocks
        if len(states) != len(self.blocks):
            raise ValueError(f"the state is of {len(states)} blocks, this backbone has {len(self.blocks)}")
        borders, after = {} if cu_seqlens is None else {"cu_seqlens": cu_seqlens}, []
        run = _checkpointed if self.gradient_checkpointing and self.training and torch.is_grad_enabled() else _called
        for block, before in zip(self.blocks, states, strict=True):
            x, new = run(block, x, before, **borders, return_state=return_state)
            after.append(new)
        return self.norm(x), BackboneState(tuple(after)) if return_state else None


def _called(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    return block(*args, **kwargs)


def _checkpointed(block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    return checkpoint(block, *args, use_reentrant=False, **kwargs)
