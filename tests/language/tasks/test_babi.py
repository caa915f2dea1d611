import pytest

from language.tasks.babi import QA1_TO_QA5_WORDS, read_babi
from titans_seq.errors import UserError

STORY = """1 Mary got up.
2 John sat.
3 Who sat?\tJohn\t2
4 Mary left.
5 Who left? \tMary\t4
1 No one came.
2 Who?\tBill\t1
"""


def test_questions_see_all_facts_of_their_own_story(tmp_path):
    path = tmp_path / "qa.txt"
    path.write_text(STORY)
    first, second, third = read_babi(str(path))
    assert [len(question.facts) for question in (first, second, third)] == [2, 3, 1]
    assert second.facts == (("mary", "got", "up", "."), ("john", "sat", "."), ("mary", "left", "."))
    assert second.question == ("who", "left", "?")
    assert [question.answer for question in (first, second, third)] == ["john", "mary", "bill"]
    assert third.facts == (("no", "one", "came", "."),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Mary got up.\n", r"line 1: expected 'ID text' with ID 1 or 1, got 'Mary got up.': is it a bAbI file\?"),
        ("1 Mary got up.\n3 John sat.\n", "line 2: expected 'ID text' with ID 1 or 2, got '3 John sat.'"),
        ("1 What is there?\tapple,milk\t1\n", "line 1: expected an answer of one word, got 'apple,milk': use tasks 1"),
        ("1 Mary got up.\n", "no question in it: a question is followed by a tab and its answer"),
        ("", "no question in it"),
    ],
)
def test_other_files_are_refused_by_line(tmp_path, text, message):
    path = tmp_path / "qa.txt"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_babi(str(path))


def test_a_missing_file_says_what_to_get():
    with pytest.raises(UserError, match="a bAbI file is missing: no file /nowhere/qa; get it from the bAbI tasks 1-20"):
        read_babi("/nowhere/qa")


@pytest.mark.parametrize(
    ("name", "facts", "answers"),
    [
        ("qa1_single-supporting-fact", (2, 10), 6),
        ("qa2_two-supporting-facts", (2, 88), 6),
        ("qa3_three-supporting-facts", (4, 228), 6),
        ("qa4_two-arg-relations", (2, 2), 6),
        ("qa5_three-arg-relations", (2, 94), 7),
    ],
)
def test_real_tasks_are_the_published_ones(text_data, name, facts, answers):
    questions = read_babi(str(text_data / f"babi/en/{name}_test.txt"))
    assert len(questions) == 1_000
    counts = [len(question.facts) for question in questions]
    assert (min(counts), max(counts)) == facts
    assert len({question.answer for question in questions}) == answers
    used = {word for q in questions for part in (*q.facts, q.question, (q.answer,)) for word in part}
    assert used <= set(QA1_TO_QA5_WORDS)


def test_the_vocabulary_has_the_words_of_the_training_files_too(text_data):
    questions = read_babi(str(text_data / "babi/en-10k/qa5_three-arg-relations_train.txt.gz"))
    assert len(questions) == 10_000
    used = {word for q in questions for part in (*q.facts, q.question, (q.answer,)) for word in part}
    assert used <= set(QA1_TO_QA5_WORDS)
