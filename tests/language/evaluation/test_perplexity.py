import functools
import math
import tempfile
from pathlib import Path

import pytest
import torch

from language.evaluation.perplexity import Evaluation, bits_per_byte, evaluate_texts, perplexity
from language.inference.text import TextTokens
from tests.language.small_models import BLOCKS, direct_losses, small
from titans_seq.errors import UserError

TEXT = "It was the best of times, it was the worst of times, it was the age of wisdom. " * 2
SHORT = "A tale of two cities."


def write(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def evaluate(folder: Path, *texts: str, name: str = "mac", length: int = 32, piece: int | None = None) -> Evaluation:
    trained = small(name)
    return evaluate_texts(
        trained, [TextTokens(path, trained.tokenizer) for path in write(folder, *texts)], length, piece=piece
    )


def cut_directly(text: str, length: int, name: str) -> torch.Tensor:
    """Each window by one call of the model, given the token before it first."""
    trained, losses = small(name), []
    tokens = trained.tokenizer.encode(text)
    for start in range(0, len(tokens), length):
        given = [trained.tokenizer.end_of_document if start == 0 else tokens[start - 1], *tokens[start:]][:length]
        with torch.no_grad():
            logits, _ = trained.model(torch.tensor([given[: len(tokens) - start]]))
        wanted = torch.tensor(tokens[start : start + length])
        losses.append(-logits.log_softmax(-1)[0, torch.arange(len(wanted)), wanted])
    return torch.cat(losses)


@pytest.mark.parametrize("name", BLOCKS)
def test_every_token_counts_once_both_ways(tmp_path: Path, name: str) -> None:
    result = evaluate(tmp_path, TEXT, SHORT, name=name)
    carried = [direct_losses(small(name), text) for text in (TEXT, SHORT)]
    cut = [cut_directly(text, 32, name) for text in (TEXT, SHORT)]
    assert (result.documents, result.tokens, result.text_bytes) == (2, len(TEXT + SHORT), len(TEXT + SHORT))
    assert result.carried == pytest.approx(float(torch.cat(carried).mean()), rel=1e-10)
    assert result.cut == pytest.approx(float(torch.cat(cut).mean()), rel=1e-10)
    assert [(r.first, r.last) for r in result.by_position] == [
        (0, 15), (16, 31), (32, 63), (64, 127), (128, len(TEXT) - 1),
    ]  # fmt: skip
    assert [r.tokens for r in result.by_position] == [32, 16 + len(SHORT) - 16, 32, 64, len(TEXT) - 128]
    for row in result.by_position:
        for value, losses in ((row.carried, carried), (row.cut, cut)):
            direct = torch.cat([loss[row.first : row.last + 1] for loss in losses])
            assert value == pytest.approx(float(direct.mean()), rel=1e-10)


TWO = TEXT[:38], SHORT[:9]


@functools.cache
def evaluated_whole(length: int) -> Evaluation:
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(Path(folder), *TWO, length=length)


@pytest.mark.parametrize(("length", "piece"), [(1, 8), (24, 1), (24, 5), (24, 24), (32, 30), (500, 20)])
def test_the_sums_do_not_depend_on_the_pieces(tmp_path: Path, length: int, piece: int) -> None:
    whole = evaluated_whole(length)
    result = evaluate(tmp_path, *TWO, length=length, piece=piece)
    assert result.carried == pytest.approx(whole.carried, rel=1e-10)
    assert result.cut == pytest.approx(whole.cut, rel=1e-10)
    for got, expected in zip(result.by_position, whole.by_position, strict=True):
        assert (got.first, got.last, got.tokens) == (expected.first, expected.last, expected.tokens)
        assert (got.carried, got.cut) == pytest.approx((expected.carried, expected.cut), rel=1e-10)


def test_up_to_the_first_cut_both_are_one_and_after_it_they_are_not(tmp_path: Path) -> None:
    result = evaluate(tmp_path, TEXT)
    for row in result.by_position:
        assert (row.cut == pytest.approx(row.carried, rel=1e-10)) == (row.first < 32)


def test_units() -> None:
    result = Evaluation(1, tokens=10, text_bytes=40, length=8, carried=2.0, cut=2.0, by_position=())
    assert result.bits_per_byte(2.0) == pytest.approx(2.0 / math.log(2) / 4)
    assert bits_per_byte(20.0, 40) == result.bits_per_byte(2.0)
    assert perplexity(math.log(7)) == pytest.approx(7)
    assert perplexity(1e6) == math.inf


def test_progress_is_told(tmp_path: Path) -> None:
    trained, told = small(), []
    (path,) = write(tmp_path, TEXT)
    text = TextTokens(path, trained.tokenizer)
    evaluate_texts(trained, [text], 32, piece=64, report=lambda *facts: told.append(facts))
    assert [tokens for _, tokens, _ in told] == [64, 128, len(TEXT)]
    assert told[-1][2] == pytest.approx(float(direct_losses(trained, TEXT).sum()))


def test_wrong_requests_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="length of a window must be at least 1 token, got 0"):
        evaluate(tmp_path, TEXT, length=0)
    with pytest.raises(UserError, match="no text is given"):
        evaluate_texts(small(), [], 32)


def test_a_loss_that_is_not_finite_is_no_result(tmp_path: Path) -> None:
    trained = small("lmm")
    with torch.no_grad():
        trained.model.embedding.weight[ord("c")] = math.nan
    (path,) = write(tmp_path, "ab" * 30 + "c" + "ab")
    with pytest.raises(UserError, match=r"0\.txt: the loss of token \d+ is not finite: the model's memory diverges"):
        evaluate_texts(trained, [TextTokens(path, trained.tokenizer)], 32)


def test_real_text(shared_data: Path, tmp_path: Path) -> None:
    words = (shared_data / "text" / "tinyshakespeare.txt").read_text()[:300]
    result = evaluate(tmp_path, words, length=64)
    assert result.carried == pytest.approx(float(direct_losses(small(), words).mean()), rel=1e-9)
