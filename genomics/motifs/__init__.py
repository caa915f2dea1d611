"""What motifs a classifier reads: discovery from attributions, matches to a database, and what inserting them does."""

from .discovery import Motif, MotifOptions, Site, discover, effect_spread
from .marginal import Marginal, MarginalOptions, marginalise, spacings

__all__ = [
    "Marginal",
    "MarginalOptions",
    "Motif",
    "MotifOptions",
    "Site",
    "discover",
    "effect_spread",
    "marginalise",
    "spacings",
]
