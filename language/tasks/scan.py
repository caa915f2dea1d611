"""SCAN: commands in a small language, to be turned into sequences of actions."""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from titans_seq.config import register
from titans_seq.errors import UserError

from .base import IGNORE, Task, TaskBatch, check_request
from .files import read_text
from .words import WordVocabulary

COMMAND_WORDS = tuple("after and around jump left look opposite right run thrice turn twice walk".split())
ACTIONS = tuple("I_JUMP I_LOOK I_RUN I_TURN_LEFT I_TURN_RIGHT I_WALK".split())
_PAD, _OUT, _END = "<pad>", "OUT:", "<end>"
SOURCE = "github.com/brendenlake/SCAN"
_LINE = re.compile(r"IN: (.+) OUT: (.+)")


@register("scan")
@dataclass(frozen=True)
class SCAN(Task):
    r"""Draw a command, `OUT:`, and its actions: the actions and the end after them are asked. The rest is padding.

    Exact match of whole sequences is the score. Within a batch no line of the file comes twice before all did, so a
    batch of `lines` sequences is the whole file.

    Args:
        path: file of one split's training or test part, lines `IN: command OUT: actions`.

    Reference: Generalization without Systematicity (arXiv 1711.00350); files of github.com/brendenlake/SCAN.

    Example:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "tasks.txt")
        ...     _ = file.write_text("IN: walk twice OUT: I_WALK I_WALK\n")
        ...     task = SCAN(str(file))
        ...     ids, targets = task.batch(1, 6, torch.Generator())
        >>> task.words.decode(ids[0])
        'walk twice OUT: I_WALK I_WALK <pad>'
        >>> task.words.decode(targets[0, 2:5])
        'I_WALK I_WALK <end>'
    """

    path: str

    @property
    def vocabulary(self) -> int:
        """Command words, actions, `OUT:`, end, padding, and an unknown word that never occurs."""
        return len(self.words)

    @property
    def words(self) -> WordVocabulary:
        """The vocabulary's words."""
        return _WORDS

    @property
    def lines(self) -> int:
        """Commands in the file."""
        return len(_read_scan(self.path).ids)

    def batch(self, batch_size: int, length: int, generator: torch.Generator) -> TaskBatch:
        """Draw lines, padded to a length that must hold the file's longest; see `Task.batch`."""
        whole = _read_scan(self.path)
        lines, longest = whole.ids.shape
        check_request("SCAN", batch_size, length, {f"longest line of {self.path}": longest})
        rounds = -(-batch_size // lines)
        order = torch.cat([torch.randperm(lines, generator=generator) for _ in range(rounds)])[:batch_size]
        ids = torch.full((batch_size, length), _NUMBER[_PAD])
        targets = torch.full_like(ids, IGNORE)
        ids[:, :longest] = whole.ids[order]
        targets[:, :longest] = whole.targets[order]
        return TaskBatch(ids, targets)


_WORDS = WordVocabulary.of([_PAD, _OUT, _END, *COMMAND_WORDS, *ACTIONS])
_NUMBER = {word: number for number, word in enumerate(_WORDS.words)}


@lru_cache(maxsize=6)  # both parts of three splits
def _read_scan(path: str) -> TaskBatch:
    """All lines of a file, padded to the longest of them."""
    text = read_text(path, "a SCAN file", SOURCE)
    lines = [_parse(line, f"{path}, line {number}") for number, line in enumerate(text.splitlines(), start=1)]
    if not lines:
        raise UserError(f"{path}: no line in it: fetch the file again")
    longest = max(len(command) + 1 + len(actions) for command, actions in lines)
    ids = np.full((len(lines), longest), _NUMBER[_PAD])
    targets = np.full_like(ids, IGNORE)
    for row, (command, actions) in enumerate(lines):
        tokens = _WORDS.encode([*command, _OUT, *actions, _END])
        ids[row, : len(tokens) - 1] = tokens[:-1]
        targets[row, len(command) : len(tokens) - 1] = tokens[len(command) + 1 :]
    return TaskBatch(torch.from_numpy(ids), torch.from_numpy(targets))


def _parse(line: str, place: str) -> tuple[list[str], list[str]]:
    """Command and actions of a line, as words."""
    match = _LINE.fullmatch(line.strip())
    if match is None:
        raise UserError(f"{place}: expected 'IN: command OUT: actions', got {line[:60]!r}")
    command, actions = match[1].split(), match[2].split()
    unknown = sorted({*command} - {*COMMAND_WORDS} | {*actions} - {*ACTIONS})
    if unknown:
        raise UserError(f"{place}: not of SCAN's words: {', '.join(unknown)}")
    return command, actions
