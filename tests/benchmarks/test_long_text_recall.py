"""The benchmark of recall on long texts at toy sizes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import long_text_corpora, long_text_recall
from benchmarks.long_text_corpora import Texts
from benchmarks.long_text_recall import Arguments, Shape, Training, main, model_config, table
from language.tokenizers import ByteTokenizer
from titans_seq.errors import UserError
from titans_seq.jsonl import read_rows
from titans_seq.models import count_parameters

ARTICLE = (
    "\n = Title = \n\n It was the best of times , it was the worst of times . \n\n = = Part = = \n\n It was so . \n"
)


@pytest.fixture
def arguments(tmp_path: Path) -> Arguments:
    """Two models of one corpus, small in every respect."""
    for name in ("valid.txt", "test.txt"):
        (tmp_path / "wikitext-2").mkdir(exist_ok=True)
        (tmp_path / "wikitext-2" / name).write_text(ARTICLE * 12)
    return Arguments(
        ("wikitext",),
        ("window", "lmm", "lmm-no-memory", "transformer"),
        (0,),
        Texts(tmp_path, tmp_path / "work", stream=256, vocabulary=300, tokenizer="bytes", test_tokens=300),
        Shape(30_000, dim=16, depth=2),
        Training(tokens=512, batch_tokens=256, length=128),
        tmp_path / "rows.jsonl",
    )


def test_what_has_a_row_is_not_run_again(arguments: Arguments, capsys: pytest.CaptureFixture[str]) -> None:
    main(replace(arguments, models=("window",)))
    main(replace(arguments, time=0))
    assert "stopped after 0 minutes: the next would be wikitext, lmm, seed 0" in capsys.readouterr().out
    assert [row["model"] for row in read_rows(arguments.out)] == ["window"]
    main(arguments)
    rows = read_rows(arguments.out)
    assert [row["model"] for row in rows] == list(arguments.models)
    assert len({row["data"] for row in rows}) == 1
    assert {row["tokens_trained"] for row in rows} == {512}
    for row in rows:
        assert row["parameters"] == pytest.approx(30_000, rel=0.03)
        assert sum(part["tokens"] for part in row["by_recency"] if part["pairs"] == "all") == row["test"]["tokens"]
        assert row["measured"]["commit"]
        assert ("shut" in row) == row["model"].startswith("lmm")
    assert rows[1]["shut"]["loss"] != rows[1]["loss"]
    assert rows[2]["shut"]["loss"] == pytest.approx(rows[2]["loss"])
    main(replace(arguments, models=("lmm",), shape=replace(arguments.shape, max_step=0.5)))
    assert len(read_rows(arguments.out)) == 5
    before = arguments.out.read_bytes()
    capsys.readouterr()
    main(replace(arguments, time=0))
    assert arguments.out.read_bytes() == before
    printed = capsys.readouterr().out
    assert "### wikitext, 512 tokens of training: nats a token" in printed
    assert all(f"| {name} | 0.03M | " in printed for name in arguments.models)
    assert "| lmm, its memory shut | | | " in printed
    assert not list((arguments.texts.work / "wikitext").glob("lmm*"))
    main(replace(arguments, models=("lmm",), training=replace(arguments.training, repeats=512)))
    again = read_rows(arguments.out)
    assert len(again) == 6
    assert again[-1]["repeats"] == 512
    assert again[-1]["loss"] != rows[1]["loss"]
    assert "### wikitext, 512 tokens of training after 512 of repeats: nats" in capsys.readouterr().out
    with pytest.raises(UserError, match="holds a corpus made with .*expected .*give another --work folder"):
        main(replace(arguments, texts=replace(arguments.texts, stream=512)))


def test_all_models_are_of_a_size() -> None:
    for name in long_text_recall.MODELS:
        assert count_parameters(model_config(name, 4096)) == pytest.approx(3_000_000, rel=0.005)
    with pytest.raises(UserError, match="model 'magg'"):
        model_config("magg", 300)
    with pytest.raises(UserError, match="rule 'titan'"):
        model_config("lmm:titan", 300)


def test_streams_are_whole_documents_joined_or_long_ones_cut() -> None:
    texts = ["a" * 60, "b" * 60, "c" * 1000, "d" * 10]
    made = list(long_text_corpora.streams(texts, ByteTokenizer(), least=100))
    assert [len(text) for text in made] == [120, 400, 400, 200]
    assert "".join(made) == "".join(texts[:3])


def test_articles_and_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(long_text_corpora._articles(ARTICLE * 3)) == [ARTICLE[1:] + "\n"] * 2 + [ARTICLE[1:]]
    for name in ("one.py", "two/a.py", "two/b.py", "two/tests/c.py", "three.dist-info/d.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(f"# {name}\n")
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    train, test = long_text_corpora.code(Texts(tmp_path, tmp_path))
    assert sorted(train + test) == ["# one.py\n", "# two/a.py\n\n# two/b.py\n"]
    with pytest.raises(UserError, match=r"valid\.txt: no such file: give the folder of the texts with --data"):
        long_text_corpora.wikitext(Texts(tmp_path, tmp_path))


def test_a_tokenizer_is_trained_on_the_training_part(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs tokenizers")
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "pg2701.txt").write_text("Call me Ishmael. " * 100)
    (tmp_path / "books" / "pg1342.txt").write_text("It is a truth ☃ universally acknowledged. " * 100)
    corpus = long_text_corpora.open_corpus(
        "books", Texts(tmp_path, tmp_path / "work", stream=50, vocabulary=280, test_tokens=100)
    )
    assert corpus.tokenizer.vocabulary <= 280
    text = corpus.test[0].read_text(encoding="utf-8")
    assert corpus.tokenizer.decode(corpus.tokenizer.encode(text)) == text
    assert json.loads((tmp_path / "work" / "books" / "corpus.json").read_text())["streams"] == len(corpus.test)


def test_a_table_of_rows() -> None:
    parts = [
        {"pairs": pairs, "first": first, "last": None, "tokens": 10, "loss_carried": loss, "loss_cut": loss}
        for pairs in ("all", "rare")
        for first, loss in ((0, 5.0), (1, 1.0), (129, 2.0))
    ]
    same = {"corpus": "code", "data": "1", "tokens_trained": 5, "repeats": 0, "parameters": 3e6, "window": 128}
    rows = [same | {"model": "lmm", "loss": loss, "by_recency": parts} for loss in (2, 3)]
    rows.append(same | {"model": "mal", "loss": None, "by_recency": []})
    assert "| mal | 3.00M | 1, 1 of them diverged | - | - | - | - | - |" in table(rows)
    assert "| lmm | 3.00M | 2 | 2.500 (2.000 to 3.000) | 5.000 | 1.000 | 2.000 | 2.000 |" in table(rows)


def test_a_model_that_diverges_has_a_row_without_a_loss(arguments: Arguments, monkeypatch: pytest.MonkeyPatch) -> None:
    def diverge(*_: object, **__: object) -> None:
        raise UserError("the loss of token 7 is not finite")

    monkeypatch.setattr(long_text_recall, "evaluate_texts", diverge)
    main(replace(arguments, models=("window",)))
    (row,) = read_rows(arguments.out)
    assert (row["loss"], row["failed"]) == (None, "the loss of token 7 is not finite")
