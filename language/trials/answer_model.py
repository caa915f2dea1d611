"""A language model that is asked for answers at some positions alone."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from titans_seq.layers import SwiGLU
from titans_seq.models import BackboneState, CausalLM, CausalLMConfig

from ..tasks.base import Readout


class AnswerModel(nn.Module):
    """Make the logits of a language model with a tied head only where something is asked.

    Where all answers are to be decoded from the last output, a feed-forward reads it beside a sinusoidal code of the
    answer's position (as in MAD, arXiv 2403.17844).

    Args:
        config: the language model, with a tied head.
        readout: of the task.

    Example:
        >>> from language.trials import trial_model
        >>> reader = AnswerModel(trial_model("lmm", vocabulary=17), "position")
        >>> ids, asked = torch.tensor([[1, 2, 3]]), torch.tensor([[False, False, True]])
        >>> outputs, state = reader(ids)
        >>> reader.logits(outputs, asked).shape
        torch.Size([1, 17])
    """

    def __init__(self, config: CausalLMConfig, readout: Readout) -> None:
        super().__init__()
        self.model = CausalLM(config)
        self.decoder = SwiGLU(config.dim) if readout == "last" else None

    def forward(
        self, ids: Tensor, state: BackboneState | None = None, *, return_state: bool = True
    ) -> tuple[Tensor, BackboneState | None]:
        """Read a piece of a sequence.

        Args:
            ids: tokens, `[B, T]`.
            state: what the previous piece returned; None starts a sequence.
            return_state: pass False when no piece follows.

        Returns:
            The last block's outputs, `[B, T, dim]`, and the state after the piece (None without `return_state`).
        """
        return self.model.backbone(self.model.embedding(ids), state, return_state=return_state)

    def logits(self, outputs: Tensor, asked: Tensor) -> Tensor:
        """Return what the model says where it is asked.

        Args:
            outputs: `[B, T, dim]` of `forward`; where answers are decoded, those of a piece with the last position.
            asked: bool `[B, T]`, of the same piece; where answers are decoded, `[B, N]` of the whole sequences.

        Returns:
            `[n, vocabulary]`, one row for each True, in the order of the rows and then of the positions.
        """
        if self.decoder is None:
            read = outputs[asked]
        else:
            rows, positions = asked.nonzero(as_tuple=True)
            last = outputs[rows, -1]
            read = last + self.decoder(last + _position_code(positions, last))
        return F.linear(read, self.model.embedding.weight)


def _position_code(positions: Tensor, like: Tensor) -> Tensor:
    """Sines and cosines of positions `[n]`, `[n, dim]` (Attention Is All You Need, arXiv 1706.03762, 3.5)."""
    half = like.shape[-1] // 2
    rates = 10_000.0 ** (-torch.arange(half, device=like.device, dtype=like.dtype) / half)
    angles = positions.to(like.dtype).unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], -1)
