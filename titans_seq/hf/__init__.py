"""Language models as Hugging Face's transformers knows them; importing this registers them with its Auto classes.

Needs the extra `hf`.
"""

try:
    import transformers as _  # noqa: F401
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "titans_seq.hf needs the package 'transformers': run pip install 'titans-seq[hf]'", name="transformers"
    ) from error

from titans_seq.hf.cache import TitansCache
from titans_seq.hf.configuration import TitansConfig
from titans_seq.hf.modeling import TitansForCausalLM

__all__ = ["TitansCache", "TitansConfig", "TitansForCausalLM"]
