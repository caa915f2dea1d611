"""Published data sets with their protocol: our model and every baseline, over seeds, a row of JSON each."""

from .run import Trial, run_set
from .sets import SETS, BenchmarkSet, find_set, load_set
from .summary import markdown, overview, variants

__all__ = ["SETS", "BenchmarkSet", "Trial", "find_set", "load_set", "markdown", "overview", "run_set", "variants"]
