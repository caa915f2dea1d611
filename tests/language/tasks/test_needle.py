import re
import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from language.tasks import IGNORE, Needle, build_task
from language.tasks.needle import ADJECTIVES, NOUNS
from titans_seq.errors import UserError

BLOCK = "the grass is green . the sky is blue . the sun is yellow . here we go . there and back again ."
NUMBERS = "one two three four five six seven eight".split()
TEXT = " ".join(f"Sentence {word} has seven plain words." for word in NUMBERS)
VALUES = {"number": r"(?:\d ){7}", "uuid": r"(?:[0-9a-f-] ){36}"}


def read(task: Needle, ids: list[int]) -> re.Match[str]:
    """The parts of a sequence, by the wording of the source."""
    kind = task.value
    pattern = (
        rf"a special magic {kind} is hidden within the following text \. make sure to memorize it \. "
        rf"i will quiz you about the {kind} afterwards \. \n (?P<before>.*?)"
        rf"one of the special magic {kind}s for (?P<key>\S+ - \S+) is : (?P<value>{VALUES[kind]})\. (?P<after>.*)"
        rf"what is the special magic {kind} for (?P<asked>.*?) mentioned in the provided text \? "
        rf"the special magic {kind} for (?P<prefix>.*?) mentioned in the provided text is(?P<fed>.*)"
    )
    match = re.fullmatch(pattern, task.words.decode(ids), re.DOTALL)
    assert match is not None, task.words.decode(ids)
    return match


def check(task: Needle, length: int, rows: int = 20) -> list[re.Match[str]]:
    """Every target is what the needle says, and everything else is in its place."""
    ids, targets = task.batch(rows, length, torch.Generator().manual_seed(length))
    assert ids.shape == (rows, length)
    found = []
    for row, expected in zip(ids.tolist(), targets.tolist(), strict=True):
        match = read(task, row)
        value = match["value"].split()
        assert match["key"] == match["asked"] == match["prefix"]
        assert match["fed"].split() == value[:-1]
        assert expected[: -len(value)] == [IGNORE] * (length - len(value))
        assert task.words.decode(expected[-len(value) :]).split() == value
        found.append(match)
    return found


@pytest.fixture
def text(tmp_path: Path) -> str:
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.mark.parametrize("value", ["number", "uuid"])
@pytest.mark.parametrize("length", [200, 201, 512, 4_096])
def test_the_needle_gives_the_value_asked_in_noise(value, length):
    for match in check(Needle(value), length):
        lines = (match["before"] + match["after"].removeprefix("\n ")).split("\n")
        assert [line.strip() for line in lines[:-2]] == [BLOCK] * (len(lines) - 2)
        # The last line is what was left of the length.
        assert BLOCK.startswith(lines[-2].strip())
        assert lines[-1].strip() == ""
        assert match["before"].count("\n") <= (match["before"] + match["after"]).count(BLOCK) - 1


@pytest.mark.parametrize("value", ["number", "uuid"])
@pytest.mark.parametrize("random_start", [False, True])
@pytest.mark.parametrize("length", [200, 201, 512, 4_096])
def test_the_needle_gives_the_value_asked_in_a_text(text, value, random_start, length):
    whole = "sentence %s has seven plain words ."
    repeated = " ".join(whole % word for word in NUMBERS)
    starts = set()
    for match in check(Needle(value, text, random_start=random_start), length, rows=60):
        before, after = match["before"].split(), match["after"].split()
        assert match["after"].endswith(" \n ") or match["after"].strip() == ""
        haystack = " ".join(before + after)
        assert haystack in " ".join([repeated] * (length // 40 + 2))
        assert not before or before[-1] == "." or not after
        starts.add(haystack.split()[1])
    assert starts == ({*NUMBERS} if random_start else {"one"})


def test_lines_of_noise_are_chosen_alike():
    task = Needle()
    places = Counter(match["before"].count("\n") for match in check(task, 220, rows=4_000))
    assert len(places) > 2
    np.testing.assert_allclose(np.array(list(places.values())) / 4_000, 1 / len(places), atol=0.03)
    assert max(places) == len(places) - 1


def test_depths_in_a_text_are_forty_even_ones(text):
    task = Needle(haystack=text)
    length = 4_000
    shares = Counter()
    for match in check(task, length, rows=400):
        before = match["before"].count(".")
        shares[round(100 * before / (before + match["after"].count(".")))] += 1
    assert set(shares) <= set(np.linspace(0, 100, 40).round().astype(int).tolist())
    assert len(shares) == 40


def test_values_and_keys_have_the_form_of_the_source():
    numbers = [int("".join(match["value"].split())) for match in check(Needle(), 256, rows=3_000)]
    assert min(numbers) >= 1_000_000
    assert max(numbers) > 9_900_000
    assert np.mean(numbers) == pytest.approx(5_500_000, rel=0.03)
    keys = set()
    for match in check(Needle("uuid"), 256, rows=300):
        text = "".join(match["value"].split())
        assert uuid.UUID(text).version == 4
        assert str(uuid.UUID(text)) == text
        keys.add(tuple(match["key"].split(" - ")))
    assert len(keys) > 250
    assert all(adjective in ADJECTIVES and noun in NOUNS for adjective, noun in keys)


def test_both_values_share_one_vocabulary_and_nothing_of_the_layout_is_unknown():
    assert Needle().words == Needle("uuid").words
    for task in (Needle(), Needle("uuid")):
        assert (task.batch(50, 512, torch.Generator()).ids > 0).all()


def test_what_cannot_be_drawn_is_refused(text):
    chance = torch.Generator()
    with pytest.raises(
        UserError, match=r"needle: length must be at least \d+ \(instruction 2\d, needle 2\d, question"
    ) as e:
        Needle().batch(1, 60, chance)
    least = int(re.findall(r"at least (\d+)", str(e.value))[0])
    check(Needle(), least)
    for task in (Needle(), Needle(haystack=text)):
        with pytest.raises(UserError, match="needle: length must be at least"):
            task.batch(1, least - 1, chance)
    with pytest.raises(UserError, match="needle: batch_size must be at least 1, got -1"):
        Needle().batch(-1, 512, chance)
    with pytest.raises(ValueError, match="value must be one of number, uuid, got 'word'"):
        Needle("word")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="text_words must be at least 0, got -1"):
        Needle(text_words=-1)
    with pytest.raises(UserError, match="a book is missing: no file /nowhere"):
        Needle(haystack="/nowhere").batch(1, 512, chance)


@pytest.mark.parametrize("name", ["niah-single-2", "niah-single-3"])
def test_real_haystacks_begin_where_the_book_does_only_in_tests(text_data, name):
    train, test = (build_task(name, split, text_data) for split in ("train", "test"))
    assert isinstance(train, Needle)
    assert isinstance(test, Needle)
    assert train.words == test.words
    begins = []
    for task in (train, test):
        matches = check(task, 2_048)
        begins.append({" ".join(((match["before"] + match["after"]).split())[:6]) for match in matches})
    assert len(begins[0]) > 10
    assert begins[1] == {"<unk> and <unk> by <unk> <unk>"}
