"""A language model's configuration as `config.json`."""

from typing import Any, ClassVar

from transformers import AutoConfig, PretrainedConfig

from titans_seq.blocks import LMMConfig
from titans_seq.config import from_dict, to_dict
from titans_seq.models import CausalLMConfig

NO_LONGEST = 1 << 30
"""What tools are told that ask how long a text may be; a state is carried through any."""


class TitansConfig(PretrainedConfig):
    """Describe a language model: the fields of `CausalLMConfig` under the library's names.

    Attributes:
        vocab_size: number of token ids.
        hidden_size: width.
        num_hidden_layers: number of blocks.
        blocks: what `titans_seq.config.to_dict` makes of the blocks that are repeated in turn; one LMM if None.
        tie_word_embeddings: whether the head is the embedding again.
        vocabulary_multiple: see `CausalLMConfig`.
        use_cache: whether the state is returned where nothing else is asked for.
        max_position_embeddings: not a limit; for tools that ask for one.

    Example:
        >>> from titans_seq.models import language_model
        >>> config = TitansConfig.of(language_model("tiny-mac", vocabulary=100))
        >>> config.num_hidden_layers, config.blocks[0]["kind"]
        (4, 'mac')
        >>> config.language_model() == language_model("tiny-mac", vocabulary=100)
        True
    """

    model_type: ClassVar[str] = "titans"
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["cache"]

    vocab_size: int = 32_000
    hidden_size: int = 768
    num_hidden_layers: int = 12
    blocks: list[dict[str, Any]] | None = None
    tie_word_embeddings: bool = True
    vocabulary_multiple: int = 1
    use_cache: bool = True
    max_position_embeddings: int = NO_LONGEST

    @classmethod
    def of(cls, config: CausalLMConfig, **others: Any) -> "TitansConfig":
        """Return the configuration of a language model.

        Args:
            config: the language model.
            others: further fields, ids of special tokens for example.
        """
        fields = to_dict(config)
        return cls(
            vocab_size=fields.pop("vocabulary"),
            hidden_size=fields.pop("dim"),
            num_hidden_layers=fields.pop("depth"),
            tie_word_embeddings=fields.pop("tied"),
            **fields,
            **others,
        )

    def language_model(self) -> CausalLMConfig:
        """Return the language model's own configuration.

        Raises:
            UserError: if the blocks are not what this version knows.
        """
        named = {
            "vocabulary": self.vocab_size,
            "dim": self.hidden_size,
            "depth": self.num_hidden_layers,
            "tied": self.tie_word_embeddings,
        }
        blocks = self.blocks or [to_dict(LMMConfig())]
        others = {"blocks": blocks, "vocabulary_multiple": self.vocabulary_multiple}
        return from_dict(named | others, CausalLMConfig)


AutoConfig.register(TitansConfig.model_type, TitansConfig)
