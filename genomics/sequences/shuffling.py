"""Shuffled sequences that keep what composition says: how often each pair of neighbours occurs."""

from collections.abc import Iterator

import numpy as np


def dinucleotide_shuffle(sequence: str, random: np.random.Generator) -> str:
    """Return a random sequence with the same counts of each base and each pair of neighbours, and the same ends.

    It walks a random Euler path (Altschul and Erickson 1985, doi 10.1093/oxfordjournals.molbev.a040370).

    Args:
        sequence: of any letters.
        random: source of chance.

    Example:
        >>> shuffled = dinucleotide_shuffle("ACGTACCAGT", np.random.default_rng(0))
        >>> sorted(zip(shuffled, shuffled[1:])) == sorted(zip("ACGTACCAGT", "CGTACCAGT"))
        True
    """
    if len(sequence) < 3:
        return sequence
    followers: dict[str, list[str]] = {}
    for one, other in zip(sequence, sequence[1:], strict=False):
        followers.setdefault(one, []).append(other)
    last = sequence[-1]
    exits = next(exits for exits in _exits(followers, last, random) if _all_reach(exits, last))
    for letter, held in followers.items():
        if letter in exits:
            held.remove(exits[letter])
        random.shuffle(held)
        if letter in exits:
            held.append(exits[letter])
    path, used = [sequence[0]], dict.fromkeys(followers, 0)
    for _ in range(len(sequence) - 1):
        letter = path[-1]
        path.append(followers[letter][used[letter]])
        used[letter] += 1
    return "".join(path)


def _exits(followers: dict[str, list[str]], last: str, random: np.random.Generator) -> Iterator[dict[str, str]]:
    """Give random choices of the letter by which each letter is left for the last time."""
    while True:
        yield {letter: held[random.integers(len(held))] for letter, held in followers.items() if letter != last}


def _all_reach(exits: dict[str, str], last: str) -> bool:
    """Return whether the last exits lead from each letter to the end."""
    for letter in exits:
        seen = set()
        while letter != last:
            if letter in seen:
                return False
            seen.add(letter)
            letter = exits[letter]
    return True
