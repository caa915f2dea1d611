"""Shuffled sequences that keep what composition says: how often each pair of neighbours occurs."""

import numpy as np


def dinucleotide_shuffle(sequence: str, random: np.random.Generator) -> str:
    """Return a random sequence with the same counts of each base and each pair of neighbours, and the same ends.

    It walks a random Euler path (Altschul and Erickson 1985, doi 10.1093/oxfordjournals.molbev.a040370), each with the
    same probability; the last exits of the letters are a random tree (Wilson 1996, doi 10.1145/237814.237880).

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
    exits = _last_exits(followers, last, random)
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


def _last_exits(followers: dict[str, list[str]], last: str, random: np.random.Generator) -> dict[str, str]:
    """Return the letter by which each letter is left for the last time: a random tree that leads to the last letter.

    From each letter not yet in the tree a walk is made to one that is; the exits that it took last are without loops.
    """
    others = {letter: [one for one in held if one != letter] for letter, held in followers.items()}
    exits: dict[str, str] = {}
    tree = {last}
    for letter in followers:
        at = letter
        while at not in tree:
            exits[at] = others[at][random.integers(len(others[at]))]
            at = exits[at]
        while letter not in tree:
            tree.add(letter)
            letter = exits[letter]
    return exits
