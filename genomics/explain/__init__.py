"""Why a classifier says what it says: mutagenesis, saliency, and the scores of variants; `pictures` draws letters."""

from .mutagenesis import Attribution, agreement, mutagenesis, saliencies, saliency
from .scores import likeliest_target, target_column, target_names, target_scores
from .tables import write_attribution
from .variants import VariantOptions, VariantReport, score_variants
from .vcf import Variant, read_vcf

__all__ = [
    "Attribution",
    "Variant",
    "VariantOptions",
    "VariantReport",
    "agreement",
    "mutagenesis",
    "read_vcf",
    "saliencies",
    "saliency",
    "score_variants",
    "likeliest_target",
    "target_column",
    "target_names",
    "target_scores",
    "write_attribution",
]
