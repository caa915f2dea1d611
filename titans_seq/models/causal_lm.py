"""A causal language model: embedding, blocks, head, and one immutable state."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._subclasses.fake_tensor import is_fake

from titans_seq.autodiff import transformed
from titans_seq.blocks import BlockConfig
from titans_seq.checks import check_types, check_whole
from titans_seq.errors import UserError
from titans_seq.layers.documents import ReturnState, without_padding
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
        vocabulary_multiple: rows of embedding and head are filled up to a multiple of this, at least 1; 64 suits GPUs.
            The rows too many are no tokens: they cannot be given and get no logits.

    Raises:
        ValueError: if a number is out of its range, `tied` is neither True nor False, or there is no block.

    Example:
        >>> from titans_seq.blocks import AttentionBlockConfig, LMMConfig
        >>> hybrid = CausalLMConfig(vocabulary=10, dim=32, blocks=(LMMConfig(), AttentionBlockConfig()), depth=4)
        >>> [type(block.mixer).__name__ for block in CausalLM(hybrid).backbone.blocks]
        ['NeuralMemory', 'CausalAttention', 'NeuralMemory', 'CausalAttention']
    """

    vocabulary: int
    dim: int
    blocks: tuple[BlockConfig, ...]
    depth: int
    tied: bool = True
    vocabulary_multiple: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        check_whole(self, vocabulary=1, dim=1, depth=1, vocabulary_multiple=1)
        if not self.blocks:
            raise ValueError("a language model needs at least one block, got none")


class CausalLM(nn.Module):
    """Predict each next token from those before it, going on wherever a sequence was left.

    Args:
        config: the model.

    Raises:
        UserError: if a block cannot be built at this width.

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
        rows = -(-config.vocabulary // config.vocabulary_multiple) * config.vocabulary_multiple
        self.embedding = nn.Embedding(rows, config.dim)
        nn.init.normal_(self.embedding.weight, std=config.dim**-0.5)
        blocks = (config.blocks[i % len(config.blocks)].build(config.dim) for i in range(config.depth))
        try:
            self.backbone = Backbone(blocks, config.dim)
        except ValueError as error:
            raise UserError(f"the model cannot be built as configured: {error}") from error
        self.head = None if config.tied else nn.Linear(config.dim, rows, bias=False)

    def forward(
        self,
        ids: Tensor,
        state: BackboneState | None = None,
        *,
        attention_mask: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        return_state: ReturnState = True,
    ) -> tuple[Tensor, BackboneState | None]:
        """Read a piece of a sequence.

        Args:
            ids: token ids `[B, T]`, T >= 1, in [0, vocabulary).
            state: what the previous piece returned; None starts a sequence.
            attention_mask: `[B, T]`, zero at padding, wherever it lies: each row gives what it gives alone, and zeros
                at padding.
            cu_seqlens: borders `[S + 1]` of documents packed end to end in one row, ids `[1, N]`: each gives what it
                gives alone. The states before and after have one row a document, `state.rows` picks some.
            return_state: pass False when no piece follows; of packed documents also those that something follows.

        Returns:
            Logits `[B, T, vocabulary]`, and the state after the piece (None without `return_state`).

        Raises:
            ValueError: if ids are not int64 or int32 `[B, T]` with at least one token, or (on a CPU) no tokens of the
                vocabulary, mask or borders don't fit them, or the state is of another batch, dtype or model.
        """
        if attention_mask is not None and ids.dim() == 2:
            return without_padding(self, ids, state, attention_mask, cu_seqlens, return_state)  # whatever ids it has
        self.check_ids(ids)
        y, state = self.backbone(self.embedding(ids), state, cu_seqlens=cu_seqlens, return_state=return_state)
        return self.logits(y), state

    def check_ids(self, ids: Tensor) -> None:
        """Refuse what are no ids `[B, T]` of tokens; on other devices than a CPU their values are not looked at.

        Raises:
            ValueError: see `forward`.
        """
        if ids.dim() != 2 or 0 in ids.shape or ids.dtype not in (torch.int64, torch.int32):
            raise ValueError(f"expected token ids [B >= 1, T >= 1], int64 or int32, got {ids.dtype} {tuple(ids.shape)}")
        if ids.device.type != "cpu" or torch.compiler.is_compiling() or transformed() or is_fake(ids):
            return  # looking at them would make something wait
        least, most = (number.item() for number in ids.aminmax())
        if least < 0 or most >= self.config.vocabulary:
            raise ValueError(f"token ids must be in [0, {self.config.vocabulary}), got {least} .. {most}")

    def logits(self, y: Tensor) -> Tensor:
        """Return `[..., vocabulary]` of what the backbone returned, `[..., dim]`."""
        if self.head is not None:
            found = self.head(y)
        elif type(self.embedding) is nn.Embedding:
            found = F.linear(y, self.embedding.weight)
        else:
            # An adapter in its place shows the weights without itself: what it makes of every id has both.
            found = F.linear(y, self.embedding(torch.arange(self.config.vocabulary, device=y.device)))
        return found[..., : self.config.vocabulary]
