"""Check labelled intervals without a reference: class balance, lengths, overlaps."""

from collections.abc import Mapping

import numpy as np

from titans_seq.errors import UserError

from ..sequences.labelled_intervals import LabelledIntervals
from ..sequences.values import Interval
from .lengths import Lengths, length_score
from .report import CheckReport, ClassOverlap, Overlap, PartSummary
from .summaries import conflicting, conflicting_later, describe

Key = tuple[str, int, int]


def check_intervals(parts: Mapping[str, LabelledIntervals], k: int = 40) -> CheckReport:
    """Look at intervals as `check` does at sequences: copies are equal intervals, overlaps are bases that both cover.

    Args:
        parts: from `load_intervals`, "train" first.
        k: bases that two intervals must both cover to count as overlapping, at least 1; strands do not matter.

    Raises:
        UserError: if k is less than 1.

    Example:
        >>> def labelled(*starts):
        ...     intervals = tuple(Interval("", "chr1", start, start + 100, "+") for start in starts)
        ...     return LabelledIntervals(intervals, np.arange(len(starts)) % 2, ("no", "yes"))
        >>> report = check_intervals({"train": labelled(0, 500), "test": labelled(0, 450, 900)})
        >>> report.overlaps[0].exact, report.overlaps[0].sharing
        (1, 2)
    """
    if k < 1:
        raise UserError(f"intervals must have at least 1 base in common to overlap, got k = {k}")
    names = list(parts)
    summaries = tuple(_summary(name, parts[name]) for name in names)
    lengths = {name: Lengths(_lengths(data), data.labels) for name, data in parts.items()}
    pairs = [(name, "train") for name in names[1:]] or [("train", "train")]
    if "validation" in parts and "test" in parts:
        pairs.append(("test", "validation"))
    overlaps = tuple(_overlap(name, parts[name], other, parts[other], k) for name, other in pairs)
    return CheckReport(summaries, length_score(lengths), overlaps)


def _summary(name: str, data: LabelledIntervals) -> PartSummary:
    lengths = _lengths(data)
    count = len(data)
    seen = {(_key(interval), interval.strand) for interval in data.intervals}
    keys = [_key(interval) for interval in data.intervals]
    return PartSummary(
        part=name,
        whole=describe("all", lengths, count),
        classes=tuple(
            describe(each, lengths[data.labels == number], count) for number, each in enumerate(data.classes)
        ),
        unknown=None,
        duplicates=count - len(seen),
        reversed=len(seen) - len(set(keys)),
        conflicting=conflicting(keys, data.labels.tolist()),
    )


def _overlap(part: str, data: LabelledIntervals, other: str, known: LabelledIntervals, k: int) -> Overlap:
    labels, within = _labels_of(known), part == other
    stranded = {(_key(interval), interval.strand) for interval in known.intervals}
    summary = _summary(part, data)
    exact = reverse = other_label = 0
    for interval, label in zip(data.intervals, data.labels, strict=True):
        found = labels.get(_key(interval))
        if found is not None:
            same = (_key(interval), interval.strand) in stranded
            exact, reverse = exact + same, reverse + (not same)
            other_label += found != {int(label)}
    later = conflicting_later([_key(interval) for interval in data.intervals], data.labels.tolist())
    sharing = _sharing(data.intervals, known.intervals, k, within)
    present = [number for number in range(len(data.classes)) if (data.labels == number).any()]
    return Overlap(
        part=part,
        other=other,
        count=len(data),
        exact=summary.duplicates if within else exact,
        reversed=summary.reversed if within else reverse,
        conflicting=later if within else other_label,
        k=k,
        sharing=int(sharing.sum()),
        too_short=int((_lengths(data) < k).sum()),
        classes=tuple(ClassOverlap(data.classes[n], float(sharing[data.labels == n].mean())) for n in present),
    )


def _sharing(ours: tuple[Interval, ...], known: tuple[Interval, ...], k: int, within: bool) -> np.ndarray:
    """Say whether each interval covers k bases with one of the others, bool `[N]`; within a part, not with itself."""
    shared = np.zeros(len(ours), dtype=bool)
    by_contig: dict[str, list[tuple[int, int]]] = {}
    for interval in known:
        if interval.end - interval.start >= k:
            by_contig.setdefault(interval.contig, []).append((interval.start, interval.end))
    # Of the intervals that begin at least k bases before our end, the one that reaches furthest. Within a part it is
    # our own, so the two that reach furthest are looked at.
    tables = {contig: _furthest(sorted(intervals)) for contig, intervals in by_contig.items()}
    for number, interval in enumerate(ours):
        if interval.contig in tables and interval.end - interval.start >= k:
            starts, first, second = tables[interval.contig]
            before = int(np.searchsorted(starts, interval.end - k, side="right"))
            reach = (second if within else first)[before - 1] if before else -1
            shared[number] = reach >= interval.start + k
    return shared


def _furthest(intervals: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts of sorted intervals, and the largest and the second largest end of each and those before it."""
    first, second = [], []
    best = runner_up = -1
    for _, end in intervals:
        if end > best:
            best, runner_up = end, best
        else:
            runner_up = max(runner_up, end)
        first.append(best)
        second.append(runner_up)
    return np.array([start for start, _ in intervals]), np.array(first), np.array(second)


def _lengths(data: LabelledIntervals) -> np.ndarray:
    return np.array([interval.end - interval.start for interval in data.intervals])


def _labels_of(data: LabelledIntervals) -> dict[Key, set[int]]:
    labels: dict[Key, set[int]] = {}
    for interval, label in zip(data.intervals, data.labels, strict=True):
        labels.setdefault(_key(interval), set()).add(int(label))
    return labels


def _key(interval: Interval) -> Key:
    return interval.contig, interval.start, interval.end
