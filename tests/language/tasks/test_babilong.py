import dataclasses
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from language.tasks import IGNORE, BABILong, build_task
from titans_seq.errors import UserError

FACTS = """1 Mary went to the office.
2 John moved to the garden.
3 Where is Mary?\toffice\t1
4 Mary went to the kitchen.
5 Where is Mary?\tkitchen\t4
1 Daniel moved to the garden.
2 Where is Daniel?\tgarden\t1
"""
COLOURS = ["red", "blue", "green", "white", "black", "brown", "pink", "grey"]
# Eight sentences of ten tokens, each beginning with its own word, and short ones between them.
BOOK = " ".join(
    f"{word.title()} xx xx xx xx xx xx xx xx. No, {word}!"
    for word in "Red Blue Green White Black Brown Pink Grey".split()
)
FACT = r"\b(mary|john|daniel|sandra) (?:went|moved|journeyed|travelled)(?: back)? to the (\w+) \."
PEOPLE = {"mary", "john", "daniel", "sandra"}


@pytest.fixture
def task(tmp_path: Path) -> BABILong:
    facts, book = tmp_path / "qa1.txt", tmp_path / "book.txt"
    facts.write_text(FACTS)
    book.write_text(BOOK)
    return BABILong(str(facts), str(book), book_words=20)


def solve_qa1(task: BABILong, ids: list[int]) -> str:
    """The place named last for the person asked about; facts are "PERSON VERB [back] to the PLACE ."."""
    words = task.words.decode(ids).split()
    assert words[-4:-2] == ["where", "is"]
    places = {}
    for person, place in re.findall(FACT, " ".join(words[:-4])):
        places[person] = place
    return places[words[-2]]


def background(words: list[str]) -> list[str]:
    """What is left of a sequence when facts and question are taken out."""
    left, t = [], 0
    while t < len(words) - 4:
        if words[t] in PEOPLE:
            t = words.index(".", t) + 1
        else:
            left.append(words[t])
            t += 1
    return left


@pytest.mark.parametrize("length", [30, 31, 57, 128, 1_000])
def test_the_answer_is_the_last_place_of_the_person(task, length):
    ids, targets = task.batch(30, length, torch.Generator().manual_seed(0))
    assert ids.shape == (30, length)
    assert (targets[:, :-1] == IGNORE).all()
    for row, answer in zip(ids.tolist(), targets[:, -1].tolist(), strict=True):
        assert task.words.decode([answer]) == solve_qa1(task, row)


def test_the_background_is_the_book_without_its_short_sentences(task):
    ids, _ = task.batch(50, 100, torch.Generator().manual_seed(0))
    starts = Counter()
    for row in ids.tolist():
        left = background(task.words.decode(row).split())
        starts[left[0]] += 1
        first = COLOURS.index(left[0])
        whole = [word for colour in COLOURS for word in (colour, *["xx"] * 8, ".")]
        expected = (whole[10 * first :] + whole * 2)[: len(left)]
        assert left == expected
    assert set(starts) == set(COLOURS)


def test_facts_lie_in_order_between_sentences_all_places_alike(task):
    ids, _ = task.batch(6_000, 54, torch.Generator().manual_seed(0))
    places = Counter()
    for row in ids.tolist():
        words = task.words.decode(row).split()
        if "daniel" not in words:
            facts = [words[t] for t, word in enumerate(words[:-4]) if word in PEOPLE]
            assert facts in (["mary", "john"], ["mary", "john", "mary"])
            continue
        place = words.index("daniel")
        assert place == 0 or words[place - 1] == "." or place == 44
        places[place] += 1
    # 44 tokens of background: four sentences and a cut one, so facts stand at five borders or at the end.
    assert sorted(places) == [0, 10, 20, 30, 40, 44]
    shares = np.array(list(places.values())) / sum(places.values())
    np.testing.assert_allclose(shares, 1 / 6, atol=0.03)


def test_no_question_comes_again_before_all_came(task):
    ids, targets = task.batch(6, 60, torch.Generator().manual_seed(0))
    assert Counter(task.words.decode(targets[:, -1]).split()) == {"office": 2, "kitchen": 2, "garden": 2}
    assert len(ids.unique(dim=0)) == 6


def test_questions_that_do_not_fit_are_left_out(task):
    # One fact of 6 tokens and a question of 4 fit into 10; two facts need 20.
    ids, targets = task.batch(5, 10, torch.Generator().manual_seed(0))
    assert set(task.words.decode(targets[:, -1]).split()) == {"garden"}
    assert task.words.decode(ids[0]) == "daniel moved to the garden . where is daniel ?"
    with pytest.raises(UserError, match="no question of .*qa1.txt fits into 9 tokens: the first does at length 10"):
        task.batch(1, 9, torch.Generator())
    _, targets = task.batch(50, 29, torch.Generator().manual_seed(0))
    assert set(task.words.decode(targets[:, -1]).split()) == {"garden", "office"}


def test_wrong_files_and_settings_are_refused(tmp_path, task):
    facts, book = Path(task.facts), Path(task.book)
    foreign, short = tmp_path / "qa6.txt", tmp_path / "short.txt"
    foreign.write_text("1 Mary went to Paris.\n2 Is Mary there?\tyes\t1\n")
    short.write_text("Too short.")
    chance = torch.Generator()
    with pytest.raises(
        UserError, match="qa6.txt: not a file of the bAbI tasks 1 to 5, whose vocabulary has no paris, yes"
    ):
        BABILong(str(foreign), str(book)).batch(1, 60, chance)
    with pytest.raises(UserError, match="short.txt: no sentence of at least 10 words and signs: give another book"):
        BABILong(str(facts), str(short)).batch(1, 60, chance)
    with pytest.raises(UserError, match="batch_size must be at least 1, got 0"):
        task.batch(0, 60, chance)
    for name in ("book_words", "least_sentence", "fact_every"):
        with pytest.raises(ValueError, match=f"{name} must be at least .*, got -1"):
            dataclasses.replace(task, **{name: -1})


@pytest.mark.parametrize("split", ["train", "test"])
def test_real_qa1_is_solved_by_reading(text_data, split):
    task = build_task("babilong-qa1", split, text_data)
    assert isinstance(task, BABILong)
    for length in (256, 1_024, 16_384):
        ids, targets = task.batch(8, length, torch.Generator().manual_seed(length))
        for row, answer in zip(ids.tolist(), targets[:, -1].tolist(), strict=True):
            assert task.words.decode([answer]) == solve_qa1(task, row)


def solve_qa4(words: list[str]) -> str:
    """Facts "the A is north of the B ."; questions "what is north of the B ?" or "what is the A north of ?"."""
    inverse = {"north": "south", "south": "north", "east": "west", "west": "east"}
    known = {}
    for t in range(len(words) - 8):
        if (
            words[t] == "the"
            and words[t + 2] == "is"
            and words[t + 3] in inverse
            and words[t + 4 : t + 6] == ["of", "the"]
        ):
            a, side, b = words[t + 1], words[t + 3], words[t + 6]
            known[side, "of", b] = a
            known[a, side, "of"] = b
            known[inverse[side], "of", a] = b
            known[b, inverse[side], "of"] = a
    question = words[len(words) - words[::-1].index("what") :]
    return known[tuple(word for word in question if word not in ("is", "the", "?"))]


def test_real_qa4_is_solved_by_reading(text_data):
    task = build_task("babilong-qa4", "test", text_data)
    assert isinstance(task, BABILong)
    ids, targets = task.batch(1_000, 256, torch.Generator().manual_seed(0))
    for row, answer in zip(ids.tolist(), targets[:, -1].tolist(), strict=True):
        assert task.words.decode([answer]) == solve_qa4(task.words.decode(row).split())


@pytest.mark.parametrize("name", ["babilong-qa2", "babilong-qa3", "babilong-qa5"])
def test_real_facts_stay_whole_and_in_order(text_data, name):
    task = build_task(name, "test", text_data)
    assert isinstance(task, BABILong)
    ids, targets = task.batch(40, 2_048, torch.Generator().manual_seed(0))
    answers = known_answers(Path(task.facts))
    for row, answer in zip(ids.tolist(), targets[:, -1].tolist(), strict=True):
        text = f" {task.words.decode(row)}"
        candidates = [(facts, asked) for facts, asked in answers if text.endswith(asked) and in_order(text, facts)]
        # A shorter story may be part of the one that was hidden.
        hidden = max(candidates, key=lambda candidate: len(candidate[0]))
        assert answers[hidden] == task.words.decode([answer])


def known_answers(path: Path) -> dict[tuple[tuple[str, ...], str], str]:
    """Answers by facts and question, each as words behind spaces; read again and simply."""
    answers, facts = {}, []
    for line in path.read_text().lower().splitlines():
        number, line = line.split(" ", 1)
        text, *answer = line.split("\t")
        words = "".join(f" {word}" for word in text.replace(".", " .").replace("?", " ?").split())
        facts = [] if number == "1" else facts
        if answer:
            answers[tuple(facts), words] = answer[0]
        else:
            facts.append(words)
    return answers


def in_order(text: str, facts: tuple[str, ...]) -> bool:
    at = 0
    for fact in facts:
        at = text.find(fact, at)
        if at < 0:
            return False
        at += len(fact)
    return True


def test_real_lengths_are_exact_and_the_vocabulary_is_shared(text_data):
    train, test = (build_task("babilong-qa1", split, text_data) for split in ("train", "test"))
    assert isinstance(train, BABILong)
    assert isinstance(test, BABILong)
    assert train.words == test.words
    assert train.book != test.book
    assert train.facts != test.facts
    assert 2_000 <= train.vocabulary <= 2_100
    assert train.batch(2, 131_072, torch.Generator().manual_seed(0)).ids.shape == (2, 131_072)
    unknown = test.batch(8, 4_096, torch.Generator().manual_seed(0)).ids == 0
    assert unknown.float().mean() < 0.2
    assert not (test.batch(200, 256, torch.Generator()).targets == 0).any()
