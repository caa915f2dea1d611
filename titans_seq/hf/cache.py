"""A model's state as the cache that `generate` hands from token to token."""

import torch
from transformers import Cache

from titans_seq.models import BackboneState


class TitansCache(Cache):
    """Hold what a model has read; constant in size for all blocks but attention without a window.

    Attributes:
        state: of the model; None before the first token.
        tokens: how many were read, padding included.

    Example:
        >>> from titans_seq.hf import TitansConfig, TitansForCausalLM
        >>> from titans_seq.models import language_model
        >>> model = TitansForCausalLM(TitansConfig.of(language_model("tiny-lmm", vocabulary=20))).eval()
        >>> cache = model(torch.tensor([[1, 2, 3]])).past_key_values
        >>> _ = model(torch.tensor([[4]]), cache=cache)  # changes it in place
        >>> type(cache).__name__, cache.get_seq_length(), cache.state.batch
        ('TitansCache', 4, 1)
    """

    def __init__(self, state: BackboneState | None = None, tokens: int = 0) -> None:
        super().__init__(layers=[])
        self.state, self.tokens = state, tokens

    @property
    def is_compileable(self) -> bool:
        """Return False: the state grows and shrinks."""
        return False

    @property
    def is_croppable(self) -> bool:
        """Return False: what a memory has written cannot be taken back."""
        return False

    @property
    def is_linear(self) -> list[bool]:
        """Return what `generate` asks of layers: unless all are linear, it leaves out the tokens that were read."""
        return [False]

    @property
    def is_initialized(self) -> bool:
        """Return True: nothing is set up before the first token."""
        return True

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return how many tokens were read."""
        return self.tokens

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """Return -1: there is no longest text."""
        return -1

    def has_previous_state(self, layer_idx: int | None = None, state_idx: int | None = None) -> bool:
        """Say whether anything was read."""
        return self.state is not None

    def reset(self) -> None:
        """Forget everything."""
        self.state, self.tokens = None, 0

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Make each row go on from the row that `beam_idx` names: beam search."""
        self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows, in this order."""
        if self.state is not None:
            self.state = self.state.rows(indices.tolist())

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat every row so many times."""
        if self.state is not None:
            self.batch_select_indices(torch.arange(self.state.batch).repeat_interleave(repeats))

    def crop(self, tokens_to_remove: int) -> None:
        """Raise: what a memory has written cannot be taken back.

        Raises:
            ValueError: always.
        """
        raise ValueError("a memory cannot forget its last tokens: keep the cache from before them (copy.deepcopy)")
