"""Look before you train: what in a data set lets a model score well without learning what it should."""

from .checking import check, check_scored
from .findings import findings
from .places import check_places
from .rendering import render, render_short
from .report import CheckReport

__all__ = ["CheckReport", "check", "check_places", "check_scored", "findings", "render", "render_short"]
