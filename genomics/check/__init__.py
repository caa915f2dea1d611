"""Look before you train: what in a data set lets a model score well without learning what it should."""

from .checking import check, check_scored
from .findings import findings
from .intervals import check_intervals
from .rendering import render, render_short
from .report import CheckReport

__all__ = ["CheckReport", "check", "check_intervals", "check_scored", "findings", "render", "render_short"]
