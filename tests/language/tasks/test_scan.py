from collections import Counter

import pytest
import torch

from language.tasks import IGNORE, SCAN, build_task
from language.tasks.catalogue import Split
from titans_seq.errors import UserError

LINES = """IN: jump OUT: I_JUMP
IN: turn left twice OUT: I_TURN_LEFT I_TURN_LEFT
IN: walk and run OUT: I_WALK I_RUN
"""
PRIMITIVES = {"walk": ["I_WALK"], "look": ["I_LOOK"], "run": ["I_RUN"], "jump": ["I_JUMP"], "turn": []}


def interpret(command: list[str]) -> list[str]:
    """Actions of a command, by the grammar of the paper."""
    if "and" in command:
        at = command.index("and")
        return interpret(command[:at]) + interpret(command[at + 1 :])
    if "after" in command:
        at = command.index("after")
        return interpret(command[at + 1 :]) + interpret(command[:at])
    if command[-1] in ("twice", "thrice"):
        return interpret(command[:-1]) * (2 if command[-1] == "twice" else 3)
    verb = PRIMITIVES[command[0]]
    if len(command) == 1:
        return verb
    turn = ["I_TURN_" + command[-1].upper()]
    if command[1] == "around":
        return (turn + verb) * 4
    if command[1] == "opposite":
        return turn * 2 + verb
    return turn + verb


def check_row(task: SCAN, ids: list[int], targets: list[int]) -> list[str]:
    words = task.words.decode(ids).split()
    end = words.index("OUT:")
    actions = interpret(words[:end])
    last = end + len(actions)
    assert words[end + 1 : last + 1] == actions
    assert set(words[last + 1 :]) <= {"<pad>"}
    assert task.words.decode(targets[end : last + 1]).split() == [*actions, "<end>"]
    assert set(targets[:end] + targets[last + 1 :]) <= {IGNORE}
    return words[:end]


@pytest.fixture
def task(tmp_path) -> SCAN:
    path = tmp_path / "tasks.txt"
    path.write_text(LINES)
    return SCAN(str(path))


@pytest.mark.parametrize("length", [6, 7, 58])
def test_actions_and_the_end_are_asked(task, length):
    ids, targets = task.batch(12, length, torch.Generator().manual_seed(0))
    commands = [check_row(task, *rows) for rows in zip(ids.tolist(), targets.tolist(), strict=True)]
    assert Counter(map(tuple, commands)) == {("jump",): 4, ("turn", "left", "twice"): 4, ("walk", "and", "run"): 4}


def test_a_batch_of_all_lines_is_the_file(task):
    assert task.lines == 3
    assert len(task.batch(3, 6, torch.Generator()).ids.unique(dim=0)) == 3
    assert task.vocabulary == 13 + 6 + 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("IN: jump\n", "line 1: expected 'IN: command OUT: actions', got 'IN: jump'"),
        (LINES + "\n", "line 4: expected 'IN: command"),
        ("IN: jump OUT: I_JUMP\nIN: hop OUT: I_HOP\n", "line 2: not of SCAN's words: I_HOP, hop"),
        ("", "no line in it: fetch the file again"),
    ],
)
def test_other_files_are_refused_by_line(tmp_path, text, message):
    path = tmp_path / "tasks.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        SCAN(str(path)).batch(1, 58, torch.Generator())


def test_what_cannot_be_drawn_is_refused(task):
    with pytest.raises(UserError, match=r"SCAN: length must be at least 6 \(longest line of .*tasks.txt 6\), got 5"):
        task.batch(1, 5, torch.Generator())
    with pytest.raises(UserError, match="a SCAN file is missing: no file /nowhere; get it from github.com/brendenlake"):
        SCAN("/nowhere").batch(1, 58, torch.Generator())


@pytest.mark.parametrize(
    ("name", "train_lines", "test_lines"),
    [("scan-simple", 16_728, 4_182), ("scan-length", 16_990, 3_920), ("scan-add-jump", 14_670, 7_706)],
)
def test_real_splits_are_the_published_ones(text_data, name, train_lines, test_lines):
    tasks = {}
    splits: tuple[tuple[Split, int], ...] = (("train", train_lines), ("test", test_lines))
    for split, lines in splits:
        task = tasks[split] = build_task(name, split, text_data)
        assert isinstance(task, SCAN)
        assert task.lines == lines
        ids, targets = task.batch(300, 58, torch.Generator().manual_seed(0))
        for rows in zip(ids.tolist(), targets.tolist(), strict=True):
            check_row(task, *rows)
    asked = {
        split: (task.batch(task.lines, 58, torch.Generator()).targets != IGNORE).sum(1) - 1
        for split, task in tasks.items()
    }
    if name == "scan-length":
        assert asked["train"].max() == 22
        assert (asked["test"].min(), asked["test"].max()) == (24, 48)
    if name == "scan-add-jump":
        jump = tasks["train"].words.encode(["jump"])[0]
        ids = tasks["train"].batch(train_lines, 58, torch.Generator()).ids
        with_jump = (ids == jump).any(dim=1)
        assert with_jump.sum() == 1_467
        assert with_jump.sum() == (ids[:, 0] == jump)[asked["train"] == 1].sum()
