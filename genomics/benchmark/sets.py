"""The sets by name: where they lie, how they are divided, what was published."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from titans_seq.errors import UserError, choose

from ..sequences.loading import load_splits
from ..sequences.values import Splits

_DNABERT = "DNABERT-2 (117 M, as published)"


@dataclass(frozen=True)
class BenchmarkSet:
    """One set.

    Attributes:
        name: as it is asked for.
        path: of its folder or file, in the folder of data.
        what: in words.
        both_strands: whether the label belongs to both strands alike, so that the models read both: a protein binds
            either, a promoter has a direction.
        mutations: share of the bases that our training draws anew unless told otherwise, chosen on validation data.
        folds: of a cross-validation, where the published training part is not at hand; None for the official split.
        published: MCC on the official test part by the name of the model.
        note: what a reader of its scores should know.

    Example:
        >>> chosen = BenchmarkSet("peaks", "own/peaks", "peaks of one factor", both_strands=True)
        >>> chosen.folds is None, chosen.mutations
        (True, 0.0)
    """

    name: str
    path: str
    what: str
    both_strands: bool
    mutations: float = 0.0
    folds: int | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    note: str = ""


def _gue(
    name: str, what: str, both_strands: bool, dnabert: float | None, note: str = "", mutations: float = 0.0
) -> BenchmarkSet:
    published = {} if dnabert is None else {_DNABERT: dnabert}
    return BenchmarkSet(name, f"gue/{name}", f"GUE, {what}", both_strands, mutations, published=published, note=note)


_FOLDED = "Folds of the published test part alone: not comparable with scores of models trained on the whole set."
_MIXED = "Some test sequences also stand in the training part, for every model alike."

SETS = {
    one.name: one
    for one in (
        _gue("tf_0", "transcription factor binding, human, 101 bases", True, 0.7199),
        _gue("tf_1", "transcription factor binding, human, 101 bases", True, 0.7606),
        _gue("tf_3", "transcription factor binding, human, 101 bases", True, 0.5854),
        _gue(
            "mouse_2",
            "transcription factor binding, mouse, 101 bases",
            True,
            None,
            "23 % of the test sequences share 40 bases with a training sequence.",
        ),
        _gue("mouse_3", "transcription factor binding, mouse, 101 bases", True, None),
        _gue("prom_core_all", "core promoters, human, 70 bases", False, 0.6937, _MIXED, mutations=0.05),
        _gue(
            "prom_core_notata",
            "core promoters without TATA box, human, 70 bases",
            False,
            0.6804,
            _MIXED,
            mutations=0.05,
        ),
        _gue("prom_core_tata", "core promoters with TATA box, human, 70 bases", False, 0.7417, _MIXED),
        BenchmarkSet(
            "human_nontata_promoters",
            "genomic_benchmarks/human_nontata_promoters/test.csv.gz",
            "GenomicsBenchmarks, promoters without TATA box, human, 251 bases",
            False,
            mutations=0.1,
            folds=5,
            note=f"{_FOLDED} 99.6 % of the published test negatives overlap a training negative.",
        ),
        BenchmarkSet(
            "human_enhancers_cohn",
            "genomic_benchmarks/human_enhancers_cohn/test.csv.gz",
            "GenomicsBenchmarks, enhancers, human, 500 bases",
            True,
            mutations=0.1,
            folds=5,
            note=_FOLDED,
        ),
    )
}
"""All sets by name."""


def find_set(name: str) -> BenchmarkSet:
    """Return a set by its name.

    Raises:
        UserError: if there is none.

    Example:
        >>> find_set("tf_0").path
        'gue/tf_0'
    """
    return SETS[choose(name, SETS, "benchmark set")]


def load_set(chosen: BenchmarkSet, data_dir: Path) -> Splits:
    """Read a set; one that is cross-validated is all training part.

    Args:
        chosen: the set.
        data_dir: folder with gue/ and genomic_benchmarks/ in it.

    Raises:
        UserError: if it is not there, or has not all parts.
    """
    path = Path(data_dir) / chosen.path
    if not path.exists():
        raise UserError(f"{path}: not there: give --data-dir the folder that has {chosen.path} in it")
    splits = load_splits(path)
    if chosen.folds is None and (splits.validation is None or splits.test is None):
        raise UserError(f"{path}: expected the official train, dev and test files")
    return splits
