"""What a motif does to a prediction: inserted into backgrounds, shuffled, and with another one at some distance."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from titans_seq.errors import UserError

from ..evaluation.values import Model
from ..explain.scores import member_scores, spread_of, target_column
from ..sequences.alphabet import clean, reverse_complement
from ..sequences.shuffling import dinucleotide_shuffle

_TRIES = 20


@dataclass(frozen=True)
class MarginalOptions:
    """How effects are measured.

    Attributes:
        target: class or label; None for the second of two classes, or for the only one.
        draws: of the bootstrap over backgrounds that gives the intervals, at least 1.
        level: share of the draws in an interval, in (0, 1).
        seed: of shuffles and draws.

    Example:
        >>> MarginalOptions(target="bound", draws=200).level
        0.95
    """

    target: str | None = None
    draws: int = 1000
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class Marginal:
    """A mean effect over backgrounds, in log odds (or the value of a regression).

    Attributes:
        what: was done to the backgrounds, in words.
        mean: of the change in score.
        low: lower end of its interval.
        high: upper end of its interval.
        count: backgrounds.
        spread: standard deviation of the mean effect over the members of an ensemble; None of another model.

    Example:
        >>> effect = Marginal("insert TGACTCA", mean=1.2, low=0.9, high=1.5, count=200)
        >>> effect.low > 0
        True
    """

    what: str
    mean: float
    low: float
    high: float
    count: int
    spread: float | None = None


def marginalise(
    model: Model, motif: str, backgrounds: Sequence[str], options: MarginalOptions | None = None
) -> list[Marginal]:
    """Measure what a motif does when it takes the place of the bases in the middle of backgrounds.

    Args:
        model: see `evaluation.Model`.
        motif: of A, C, G and T.
        backgrounds: clean sequences, at least one, each at least as long as the motif.
        options: target and intervals.

    Returns:
        The change by the motif ("inserted"), by a shuffle of it, which has the same composition and is another word on
        either strand ("shuffled inserted"), and from the latter to the former ("inserted, less shuffled"); both are
        left out where no shuffle is, as of a run of one letter. Where backgrounds have the motif already, the change by
        shuffling it there as well ("shuffled out").

    Raises:
        UserError: if the motif is none, or a background is too short.

    Example:
        >>> from genomics.baselines import MajorityModel
        >>> model = MajorityModel(("no", "yes"), "classes", np.array([0.25, 0.75]))  # whatever the bases
        >>> [(one.what, one.mean) for one in marginalise(model, "TGACTCA", ["ACGT" * 5])]
        [('inserted', 0.0), ('shuffled inserted', 0.0), ('inserted, less shuffled', 0.0)]
    """
    options = options or MarginalOptions()
    motif = checked_motif(motif)
    random = np.random.default_rng(options.seed)
    score = _scorer(model, options)
    _check_room(backgrounds, len(motif), f"the motif {motif}")
    base = score(list(backgrounds))
    inserted = score([_put(one, motif, _middle(one, len(motif))) for one in backgrounds])
    effects = {"inserted": inserted - base}
    if len(set(motif)) > 1:
        others = [_put(one, _another(motif, random), _middle(one, len(motif))) for one in backgrounds]
        shuffled = score(others)
        effects |= {"shuffled inserted": shuffled - base, "inserted, less shuffled": inserted - shuffled}
    held = [(one, _without(one, motif, random)) for one in backgrounds]
    changed = [number for number, (one, other) in enumerate(held) if one != other]
    if changed:
        effects["shuffled out"] = score([held[number][1] for number in changed]) - base[:, changed]
    return [_summary(what, changes, options, random) for what, changes in effects.items()]


def spacings(
    model: Model,
    motif: str,
    other: str,
    distances: Sequence[int],
    backgrounds: Sequence[str],
    options: MarginalOptions | None = None,
) -> dict[int, tuple[Marginal, Marginal]]:
    """Measure what two motifs do together, by the bases between them.

    Args:
        model: see `evaluation.Model`.
        motif: the first of the two.
        other: the second.
        distances: bases between the end of one and the start of the other, at least 0 each.
        backgrounds: clean sequences with room for both at the largest distance.
        options: target and intervals.

    Returns:
        By distance the change by both ("pair"), and how far that is from the sum of the changes by each alone at the
        same place ("interaction").

    Raises:
        UserError: if a motif is none, or a background is too short.

    Example:
        >>> from genomics.baselines import MajorityModel
        >>> model = MajorityModel(("no", "yes"), "classes", np.array([0.25, 0.75]))  # whatever the bases
        >>> pair, interaction = spacings(model, "TGACTCA", "GATAA", [3], ["ACGT" * 5])[3]
        >>> pair.mean, interaction.mean
        (0.0, 0.0)
    """
    options = options or MarginalOptions()
    motif, other = checked_motif(motif), checked_motif(other)
    random = np.random.default_rng(options.seed)
    score = _scorer(model, options)
    _check_room(backgrounds, len(motif) + max(distances) + len(other), f"the pair {motif} and {other}")
    base = score(list(backgrounds))
    found = {}
    for distance in distances:
        size = len(motif) + distance + len(other)
        starts = [_middle(one, size) for one in backgrounds]
        places = [start + len(motif) + distance for start in starts]
        first = [_put(one, motif, start) for one, start in zip(backgrounds, starts, strict=True)]
        second = [_put(one, other, place) for one, place in zip(backgrounds, places, strict=True)]
        both = [_put(one, other, place) for one, place in zip(first, places, strict=True)]
        pair, alone = score(both) - base, score(first) + score(second) - 2 * base
        found[distance] = (
            _summary("pair", pair, options, random),
            _summary("interaction", pair - alone, options, random),
        )
    return found


def checked_motif(motif: str) -> str:
    """Return a motif in upper case.

    Raises:
        UserError: if it holds other letters than A, C, G and T.
    """
    if set("-.") & set(motif):
        raise UserError(f"the motif {motif!r} holds a gap or a wildcard: write one of the sequences it stands for")
    cleaned = clean(motif, f"the motif {motif!r}")
    if set(cleaned) - set("ACGT"):
        raise UserError(f"the motif {motif!r} holds codes for several bases: write one of the sequences it stands for")
    return cleaned


def _scorer(model: Model, options: MarginalOptions):  # noqa: ANN202 - a function of sequences
    column = target_column(model, options.target)
    return lambda sequences: member_scores(model, sequences)[:, :, column]


def _check_room(backgrounds: Sequence[str], size: int, what: str) -> None:
    if not backgrounds:
        raise UserError("there is no background sequence: give at least one (--background)")
    shortest = min(map(len, backgrounds))
    if shortest < size:
        raise UserError(
            f"{what} takes {size:,} bases, the shortest background has {shortest:,}: give longer backgrounds, or "
            "smaller distances (--spacing)"
        )


def _middle(sequence: str, size: int) -> int:
    return (len(sequence) - size) // 2


def _put(sequence: str, motif: str, start: int) -> str:
    return sequence[:start] + motif + sequence[start + len(motif) :]


def _shuffled(motif: str, random: np.random.Generator) -> str:
    return "".join(random.permutation(list(motif)))


def _another(motif: str, random: np.random.Generator) -> str:
    """Return a shuffle of a motif of several letters that is another word, on either strand."""
    same = (motif, reverse_complement(motif))
    return next(other for other in iter(lambda: _shuffled(motif, random), "") if other not in same)


def _without(sequence: str, motif: str, random: np.random.Generator) -> str:
    """Return a sequence in which the motif is shuffled until it stands nowhere, on either strand.

    Where no shuffle takes it away, as in a run of one letter, the sequence is returned as it is.
    """
    either = re.compile("|".join(f"(?={one})" for one in dict.fromkeys((motif, reverse_complement(motif)))))
    changed = sequence
    while places := _places(either, changed):
        fewer = (
            other
            for other in _shuffles(changed, places[0], len(motif), random)
            if len(_places(either, other)) < len(places)
        )
        found = next(fewer, None)
        if found is None:
            return sequence
        changed = found
    return changed


def _places(pattern: re.Pattern[str], sequence: str) -> list[int]:
    return [found.start() for found in pattern.finditer(sequence)]


def _shuffles(sequence: str, start: int, size: int, random: np.random.Generator) -> Iterator[str]:
    """Give a sequence shuffled about one place: with its pairs of neighbours kept, then without, then more of it."""
    near, *wider = (slice(max(start - reach * size, 0), start + (1 + reach) * size) for reach in (0, 1, 2, 4, 8))
    for part, shuffled in ((wider[0], dinucleotide_shuffle), *((part, _shuffled) for part in (near, *wider))):
        for _ in range(_TRIES):
            yield sequence[: part.start] + shuffled(sequence[part], random) + sequence[part.stop :]


def _summary(what: str, changes: np.ndarray, options: MarginalOptions, random: np.random.Generator) -> Marginal:
    """Summarise the changes of backgrounds by each member of a model, `[M, N]`."""
    means, count = changes.mean(0), changes.shape[1]
    draws = means[random.integers(count, size=(options.draws, count))].mean(1)
    low, high = np.quantile(draws, (0.5 - options.level / 2, 0.5 + options.level / 2))
    spread = spread_of(changes.mean(1))
    return Marginal(
        what, float(means.mean()), float(low), float(high), count, None if spread is None else float(spread)
    )
