"""A mixer with the signature of flash-linear-attention's layers, to stand where a Gated DeltaNet stands."""

from typing import Any

from torch import Tensor, nn

from titans_seq.blocks.base import BlockConfig
from titans_seq.blocks.lmm import LMMConfig


class LayerCache:
    """Hold states of layers by index, with the methods of flash-linear-attention's cache that its layers call.

    Example:
        >>> import torch
        >>> layer = FlaLayer(16, layer_idx=0)
        >>> _, _, cache = layer(torch.randn(1, 5, 16), use_cache=True)
        >>> len(cache), cache.get_seq_length()
        (1, 5)
    """

    def __init__(self) -> None:
        self._layers: dict[int, dict[str, Any]] = {}
        self._seen: dict[int, int] = {}

    def __len__(self) -> int:
        return 1 + max(self._layers, default=-1)

    def __getitem__(self, layer_idx: int) -> dict[str, Any] | None:
        return self._layers.get(layer_idx)

    def update(self, recurrent_state: Any, layer_idx: int = 0, offset: int = 1) -> dict[str, Any]:
        """Put a layer's state in place of its last, `offset` tokens later."""
        self._layers[layer_idx] = {"recurrent_state": recurrent_state}
        self._seen[layer_idx] = self._seen.get(layer_idx, 0) + offset
        return self._layers[layer_idx]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return how many tokens a layer has read, padding included."""
        return self._seen.get(layer_idx, 0)


class FlaLayer(nn.Module):
    """Put any of our mixers behind flash-linear-attention's interface.

    `cache[layer_idx]["recurrent_state"]` holds the whole state, the convolution's included. Their own `Cache` does as
    well as `LayerCache`, which is made where there is none.

    Args:
        hidden_size: width of inputs and outputs.
        block: whose mixer it is; its feed-forward is left out. `LMMConfig()` if None.
        layer_idx: place in the cache.

    Example:
        >>> import torch
        >>> from titans_seq.blocks import MALConfig
        >>> layer = FlaLayer(16, MALConfig(), layer_idx=0)
        >>> x = torch.randn(2, 6, 16)
        >>> whole, _, _ = layer(x)
        >>> first, _, cache = layer(x[:, :4], use_cache=True)
        >>> second, _, _ = layer(x[:, 4:], past_key_values=cache, use_cache=True)
        >>> torch.allclose(whole, torch.cat([first, second], 1), atol=1e-5)
        True
    """

    def __init__(self, hidden_size: int, block: BlockConfig | None = None, layer_idx: int | None = None) -> None:
        super().__init__()
        block = block or LMMConfig()
        self.layer_idx = layer_idx
        self.mixer = block.build(hidden_size).mixer

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool | None = False,
        output_attentions: bool | None = False,
        *,
        cu_seqlens: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, None, Any]:
        """Mix tokens.

        Args:
            hidden_states: `[B, T, hidden_size]`.
            attention_mask: `[B, T]`, or `[B, past + T]` of which the last T count; zero at padding, on any side.
            past_key_values: the cache; changed in place.
            use_cache: whether the state after the tokens goes into the cache, which is made if there is none.
            output_attentions: without effect: there are no attention weights.
            cu_seqlens: borders of documents packed in one row, `[S + 1]`.
            kwargs: without effect, as in their layers.

        Returns:
            Outputs shaped like `hidden_states`, None, and the cache.

        Raises:
            ValueError: if a cache is used by a layer without an index.
        """
        length, state = hidden_states.shape[1], None
        caching = past_key_values is not None or use_cache
        if caching and self.layer_idx is None:
            raise ValueError("a layer that uses a cache needs its place in it: give layer_idx")
        if past_key_values is not None and len(past_key_values) > self.layer_idx:  # type: ignore[operator]
            state = (past_key_values[self.layer_idx] or {}).get("recurrent_state")
        y, state = self.mixer(
            hidden_states,
            state,
            attention_mask=None if attention_mask is None else attention_mask[:, -length:],
            cu_seqlens=cu_seqlens,
            return_state=bool(use_cache),
        )
        if use_cache:
            past_key_values = LayerCache() if past_key_values is None else past_key_values
            past_key_values.update(recurrent_state=state, layer_idx=self.layer_idx, offset=length)
        return y, None, past_key_values
