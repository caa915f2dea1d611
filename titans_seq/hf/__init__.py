"""Language models as Hugging Face's transformers knows them; importing this registers them with its Auto classes.

Needs the extra `hf`.
"""

from titans_seq.extras import importing

with importing("titans_seq.hf", "hf"):
    import transformers as _  # noqa: F401

from titans_seq.hf.cache import TitansCache
from titans_seq.hf.configuration import TitansConfig
from titans_seq.hf.modeling import TitansForCausalLM

__all__ = ["TitansCache", "TitansConfig", "TitansForCausalLM"]
