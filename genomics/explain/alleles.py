"""The two sequences of a variant: its surroundings with the reference allele and with the alternative."""

import os.path
from dataclasses import replace
from typing import NamedTuple

from Bio.Data.IUPACData import ambiguous_dna_values

from ..sequences.reference import Reference
from .vcf import Variant, is_symbolic

_CERTAIN = frozenset("ACGT")


class Pair(NamedTuple):
    """Sequences that differ by one variant."""

    reference: str
    alternative: str


def reference_problem(variant: Variant, reference: Reference) -> str | None:
    """Return why a variant's REF is not what the reference has there, in words; None if all is well.

    Ambiguity codes agree with whatever they and the other may both stand for: N, which callers of large variants write
    for REF, with all.
    """
    if reference.find(variant.contig) is None:
        shown = ", ".join(reference.names[:6]) + (", ..." if len(reference.names) > 6 else "")
        return f"the reference has no contig '{variant.contig}', only {shown}"
    contig = reference.contig(variant.contig)
    if is_telomere(variant, len(contig)):
        return None
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


def is_telomere(variant: Variant, size: int) -> bool:
    """Say whether a variant stands before the first base or behind the last, as VCF writes what joins telomeres.

    Args:
        variant: any.
        size: bases of its contig.
    """
    return variant.position == 0 or (variant.position == size + 1 and all(map(is_symbolic, variant.alternatives)))


def _agree(given: str, there: str) -> bool:
    return not set(ambiguous_dna_values[given]).isdisjoint(ambiguous_dna_values[there])


def allele_problem(variant: Variant, allele: str, window: int) -> str | None:
    """Return why an alternative has no sequence to score; None if it has.

    Args:
        variant: its REF spelled out.
        allele: one of its alternatives.
        window: bases of the sequence, which the allele must fit into in its normal form.

    Example:
        >>> allele_problem(Variant(1, "I", 4, ".", "ACGTT", ("ACGTA",)), "ACGTA", window=1)
        >>> allele_problem(Variant(1, "I", 4, ".", "ACGTT", ("A",)), "A", window=4)
        'longer than the window'
    """
    if variant.position == 0 or is_symbolic(allele):
        return "telomere" if variant.position == 0 else "symbolic allele"
    if not _CERTAIN.issuperset(allele):
        return "ambiguous base in the alternative"
    if _normal_size(variant.reference, allele) > window:
        return "longer than the window"
    return None


def _normal_size(old: str, new: str) -> int:
    """Return the bases of the longer of two alleles in their normal form, which takes long to make of long ones."""
    if old == new:
        return len(old)
    shorter, longer = sorted((old, new), key=len)
    behind = len(os.path.commonprefix([shorter[::-1], longer[::-1]]))
    left = len(shorter) - behind
    before = len(os.path.commonprefix([shorter[:left], longer[: len(longer) - behind]]))
    return len(longer) - min(behind + before, len(shorter) - 1)


def spelled_out(variant: Variant, contig: str) -> Variant:
    """Return a variant whose REF is what the contig has there, where REF is no more than an ambiguity code such as N.

    Args:
        variant: its REF agrees with the contig.
        contig: all of it.

    Example:
        >>> spelled_out(Variant(1, "I", 2, ".", "N", ("T",)), "ACG").reference
        'C'
    """
    found = contig[variant.position - 1 : variant.position - 1 + len(variant.reference)]
    return replace(variant, reference=found) if _CERTAIN.issuperset(found) else variant


def normalised(variant: Variant, allele: str, contig: str) -> Variant:
    """Return a variant with one alternative in its normal form: left-aligned, with as few bases as can be.

    Variants that make the same sequence have the same normal form (Tan et al. 2015,
    doi 10.1093/bioinformatics/btv112).

    Args:
        variant: its REF agrees with the contig.
        allele: one of its alternatives, bases only.
        contig: all of it.

    Example:
        >>> two = [Variant(1, "I", 4, ".", "T", ("TT",)), Variant(2, "I", 6, ".", "T", ("TT",))]
        >>> [(one.position, one.reference, *one.alternatives) for one in (normalised(v, "TT", "GGATTTC") for v in two)]
        [(3, 'A', 'AT'), (3, 'A', 'AT')]
    """
    position, old, new = variant.position, variant.reference, allele
    if old == new:
        return replace(variant, alternatives=(allele,))
    while old[-1] == new[-1] and (min(len(old), len(new)) > 1 or position > 1):
        old, new = old[:-1], new[:-1]
        if not old or not new:
            position -= 1
            old, new = contig[position - 1] + old, contig[position - 1] + new
    while min(len(old), len(new)) > 1 and old[0] == new[0]:
        position, old, new = position + 1, old[1:], new[1:]
    return replace(variant, position=position, reference=old, alternatives=(new,))


def cut_pair(variant: Variant, allele: str, reference: Reference, window: int) -> Pair:
    r"""Return the reference around a variant, and the same with the alternative in place of REF.

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
