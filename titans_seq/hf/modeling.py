"""`TitansForCausalLM`: our language model with the methods of transformers around it."""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

from titans_seq.errors import UserError
from titans_seq.hf.cache import TitansCache
from titans_seq.hf.configuration import TitansConfig
from titans_seq.models import CausalLM


class TitansForCausalLM(PreTrainedModel, GenerationMixin):
    """Run a `CausalLM` in transformers: `generate`, `Trainer`, `from_pretrained`, peft.

    `generate` goes on from the cache of an earlier call, given the whole text again; with `prefill_chunk_size` it needs
    one from the start, `cache=TitansCache()`. What has to take tokens back (assisted generation) is refused by the
    library. Without an `attention_mask`, `generate` takes every `pad_token_id` for padding, as the library does: give
    one where that token may stand in a text.

    Args:
        config: the model.

    Attributes:
        model: the `CausalLM` itself.

    Raises:
        UserError: if the configuration's blocks are not what this version knows, or cannot be built at this width.

    Example:
        >>> from titans_seq.models import language_model
        >>> model = TitansForCausalLM(TitansConfig.of(language_model("tiny-lmm", vocabulary=20)))
        >>> out = model.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=4, do_sample=False, pad_token_id=0)
        >>> out.shape
        torch.Size([1, 7])
    """

    config_class = TitansConfig
    base_model_prefix = ""
    supports_gradient_checkpointing = True
    _no_split_modules = ["Block"]
    _is_stateful = True  # a memory cannot go back, which assisted generation needs

    def __init__(self, config: TitansConfig) -> None:
        super().__init__(config)
        self.model = CausalLM(config.language_model())
        self.post_init()

    @classmethod
    def of(cls, model: CausalLM, **fields: Any) -> "TitansForCausalLM":
        """Return a model with the weights of a `CausalLM`, in its dtype and on its device.

        Args:
            model: whose weights are shared, not copied.
            fields: further fields of `TitansConfig`, ids of special tokens for example.
        """
        with torch.device("meta"):
            wrapped = cls(TitansConfig.of(model.config, **fields))
        wrapped.model = model
        return wrapped.train(model.training)

    @classmethod
    def from_pretrained(cls, *args: Any, output_loading_info: bool = False, **kwargs: Any) -> Any:
        """Load a model; as the library does it, but a folder without all weights is refused.

        Raises:
            UserError: if weights are missing; transformers would leave them as memory happens to be.
        """
        loaded: Any = super().from_pretrained(*args, output_loading_info=True, **kwargs)
        model, info = loaded
        if info["missing_keys"]:
            missing = sorted(info["missing_keys"])
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise UserError(f"{args[0]}: weights are missing: {', '.join(missing[:3])}{more}: restore the folder")
        return (model, info) if output_loading_info else model

    def _init_weights(self, module: nn.Module) -> None:
        """Leave every module as it made itself."""

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # forward makes the cache

    def _prepare_cache_for_generation(self, generation_config: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse kinds of cache that the library would pass over with a line in its log."""
        if (kind := generation_config.cache_implementation) not in (None, "dynamic"):
            raise ValueError(
                f"cache_implementation={kind!r}: the state of a memory is kept in a TitansCache alone: leave it out"
            )
        library: Any = super()
        return library._prepare_cache_for_generation(generation_config, *args, **kwargs)

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding."""
        return self.model.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Put another embedding in its place; where it has other rows, that is the vocabulary from now on."""
        self.model.embedding = value  # type: ignore[assignment]
        if isinstance(value, nn.Embedding):
            self.model.config = replace(self.model.config, vocabulary=value.num_embeddings, vocabulary_multiple=1)
            self.config.vocabulary_multiple = 1

    def get_output_embeddings(self) -> nn.Module | None:
        """Return the head; None where it is the embedding again."""
        return self.model.head

    def set_output_embeddings(self, new_embeddings: nn.Module) -> None:
        """Put another head in its place."""
        self.model.head = new_embeddings  # type: ignore[assignment]

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        cache: TitansCache | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        cu_seqlens: Tensor | None = None,
        return_dict: bool | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast | tuple[Any, ...]:
        """Predict each next token.

        Args:
            input_ids: `[B, T]`.
            attention_mask: `[B, T]`, or `[B, past + T]` of which the last T count; zero at padding, wherever it lies.
            cache: what an earlier call returned. It is changed in place, as the library has it.
            inputs_embeds: `[B, T, hidden_size]` instead of ids.
            labels: `[B, T]`, the ids themselves, shifted here; -100 counts nothing.
            use_cache: whether to return the cache; the configuration's choice if None, and not while training.
            logits_to_keep: of the last tokens, how many get logits, or which places do; 0 for all.
            cu_seqlens: borders of documents packed in one row, `[S + 1]`; `cu_seq_lens_q` does as well, and so do
                `position_ids` that start anew, in any number of rows. The cache then has a row a document.
            return_dict: whether to return names; the configuration's choice if None.
            kwargs: of the library: `num_items_in_batch`, `past_key_values` (the cache's older name);
                `output_hidden_states` and `output_attentions` must be false, here or in the configuration.

        Raises:
            ValueError: if both ids and embeddings are given or neither, ids are no tokens, labels or positions have
                another shape, documents meet a cache of other rows, or something is asked for that there is not.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("give either input_ids or inputs_embeds")
        asked = {name: kwargs.pop(name, None) for name in ("output_hidden_states", "output_attentions")}
        if any(getattr(self.config, name) if value is None else value for name, value in asked.items()):
            raise ValueError("hidden states and attention weights are not returned: use forward hooks on the blocks")
        cache = kwargs.pop("past_key_values", None) if cache is None else cache
        if cache is not None and not isinstance(cache, TitansCache):
            raise ValueError(f"expected a TitansCache, which this model returns, got a {type(cache).__name__}")
        if input_ids is not None:
            self.model.check_ids(input_ids)
        x = self.model.embedding(input_ids) if inputs_embeds is None else inputs_embeds
        if labels is not None and labels.shape != x.shape[:2]:
            raise ValueError(f"labels must be {tuple(x.shape[:2])} as the tokens, got {tuple(labels.shape)}")
        if labels is not None and not (isinstance(logits_to_keep, int) and logits_to_keep == 0):
            raise ValueError("a loss takes the logits of all tokens: give labels or logits_to_keep, not both")
        if use_cache is None:
            use_cache = self.config.use_cache and not self.training
        state = None if cache is None else cache.state
        mask = None if attention_mask is None else attention_mask[:, -x.shape[1] :]
        if mask is not None and mask.shape == x.shape[:2] and (mask == 1).all():
            mask = None  # no padding, so that documents may be packed
        given, position_ids = kwargs.pop("cu_seq_lens_q", None), kwargs.pop("position_ids", None)
        cu_seqlens = given if cu_seqlens is None else cu_seqlens
        starts = None if cu_seqlens is not None else _starts(x, position_ids, mask)
        return_state = use_cache or cache is not None
        if starts is None:
            read = {"attention_mask": mask, "cu_seqlens": cu_seqlens, "return_state": return_state}
            y, after = self.model.backbone(x, state, **read)
        elif state is None:
            y, after = _read_documents(self.model.backbone, x, starts, mask, return_state)
        else:
            raise ValueError(
                "position_ids start anew within a text that goes on from a cache: give cu_seqlens and a cache with a "
                "row a document, or no cache"
            )
        if cache is None and use_cache:
            cache = TitansCache()
        if cache is not None:
            cache.state, cache.tokens = after, cache.tokens + x.shape[1]
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.model.logits(y[:, kept])
        loss = None
        if labels is not None:
            options = {name: kwargs[name] for name in ("num_items_in_batch", "shift_labels") if name in kwargs}
            labels = _predicted(labels, mask, cu_seqlens, starts)
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **options)
        output = CausalLMOutputWithPast(loss=loss, logits=logits, cache=cache)  # type: ignore[arg-type]
        named = self.config.return_dict if return_dict is None else return_dict
        return output if named else output.to_tuple()


def _starts(x: Tensor, position_ids: Tensor | None, mask: Tensor | None) -> Tensor | None:
    """Where documents begin, `[B, T]`, as the library's collators say it; None if no row holds more than one."""
    if position_ids is None:
        return None
    rows, length = x.shape[:2]
    if position_ids.shape not in ((rows, length), (1, length)):
        raise ValueError(f"position_ids must be {(rows, length)} as the tokens, got {tuple(position_ids.shape)}")
    if mask is not None and (mask.shape != x.shape[:2] or not (mask == mask.bool()).all()):
        return None  # no mask at all, which the backbone says
    begins = (position_ids == 0).expand(rows, length)
    kept = torch.ones_like(begins) if mask is None else mask.bool()
    first = kept & (kept.cumsum(1) == 1)
    starts = kept & begins | first
    return starts if starts.sum() > first.sum() else None


def _read_documents(
    backbone: nn.Module, x: Tensor, starts: Tensor, mask: Tensor | None, return_state: bool
) -> tuple[Tensor, Any]:
    """Read rows of several documents each, `[B, T, dim]`, as documents of one row, without their padding."""
    kept = torch.ones_like(starts) if mask is None else mask.bool()
    index = kept.flatten().nonzero().squeeze(1)
    borders = F.pad(starts.flatten()[index].nonzero().squeeze(1), (0, 1), value=len(index))
    y, state = backbone(x.flatten(0, 1)[index].unsqueeze(0), cu_seqlens=borders, return_state=return_state)
    return y.new_zeros(kept.numel(), y.shape[-1]).index_copy(0, index, y[0]).unflatten(0, kept.shape), state


def _predicted(labels: Tensor, mask: Tensor | None, cu_seqlens: Tensor | None, starts: Tensor | None) -> Tensor:
    """Labels at tokens, without those that no token of their own document comes before."""
    if mask is not None:
        labels = labels.masked_fill((mask == 0) | F.pad(mask[:, :-1] == 0, (1, 0)), -100)
    if starts is not None:
        labels = labels.masked_fill(starts, -100)
    if cu_seqlens is not None:
        borders = cu_seqlens[:-1].to(labels.device)
        labels = labels.index_fill(1, borders[borders < labels.shape[1]].long(), -100)
    return labels


AutoModelForCausalLM.register(TitansConfig, TitansForCausalLM)
