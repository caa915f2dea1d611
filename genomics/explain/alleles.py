"""The two sequences of a variant: its surroundings with the reference allele and with the alternative."""

from typing import NamedTuple

from Bio.Data.IUPACData import ambiguous_dna_values

from ..sequences.reference import Reference
from .vcf import Variant, is_symbolic


class Pair(NamedTuple):
    """Sequences that differ by one variant."""

    reference: str
    alternative: str


def reference_problem(variant: Variant, reference: Reference) -> str | None:
    """Why a variant's REF is not what the reference has there, in words; None if all is well.

    Ambiguity codes agree with whatever they and the other may both stand for: N, which callers of large variants write
    for REF, with all.
    """
    if reference.find(variant.contig) is None:
        shown = ", ".join(reference.names[:6]) + (", ..." if len(reference.names) > 6 else "")
        return f"the reference has no contig '{variant.contig}', only {shown}"
    contig = reference.contig(variant.contig)
    start = variant.position - 1
    found = contig[start : start + len(variant.reference)]
    if not found:
        return f"position {variant.position:,} lies behind the end of {variant.contig} ({len(contig):,} bases)"
    if len(found) < len(variant.reference):
        end = start + len(variant.reference)
        return f"REF ends at position {end:,}, behind the end of {variant.contig} ({len(contig):,} bases)"
    if all(_agree(given, there) for given, there in zip(variant.reference, found, strict=True)):
        return None
    return (
        f"REF is {_shorten(variant.reference)}, the reference has {_shorten(found)} at "
        f"{variant.contig}:{variant.position:,}"
    )


def _agree(given: str, there: str) -> bool:
    return not set(ambiguous_dna_values[given]).isdisjoint(ambiguous_dna_values[there])


def allele_problem(variant: Variant, allele: str, window: int) -> str | None:
    """Why an alternative has no sequence to score; None if it has."""
    if is_symbolic(allele):
        return "symbolic allele"
    if max(len(allele), len(variant.reference)) > window:
        return "longer than the window"
    return None


def cut_pair(variant: Variant, allele: str, reference: Reference, window: int) -> Pair:
    r"""The reference around a variant, and the same with the alternative in place of REF.

    The window has the variant in its middle and moves inward at the ends of a contig. Both sequences have the same
    length, so that a model of fixed length can read both: a deletion takes in more bases on the right, an insertion
    fewer (on the left where the right has no more).

    Args:
        variant: its REF agrees with the reference.
        allele: one of its alternatives, bases only.
        reference: where the surroundings come from.
        window: length of both sequences, at least that of either allele; they are shorter if the contig is.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a.fa").write_text(">I\nAAACGTTTTT\n")
        ...     with Reference(Path(folder) / "a.fa") as reference:
        ...         cut_pair(Variant(1, "I", 4, ".", "CG", ("C",)), "C", reference, window=6)
        Pair(reference='AACGTT', alternative='AACTTT')
    """
    contig = reference.contig(variant.contig)
    begin = variant.position - 1
    behind = begin + len(variant.reference)
    left, right = contig[max(0, begin - window) : begin], contig[behind : behind + window]
    # The longer allele decides where both begin, so that the whole of either lies inside.
    lead = (window - max(len(allele), len(variant.reference))) // 2
    return Pair(*(_cut(left, middle, right, lead, window) for middle in (variant.reference, allele)))


def _cut(left: str, middle: str, right: str, lead: int, window: int) -> str:
    whole = left + middle + right
    start = max(0, min(len(left) - lead, len(whole) - window))
    return whole[start : start + window]


def _shorten(text: str, most: int = 12) -> str:
    return text if len(text) <= most else f"{text[:most]}..."
