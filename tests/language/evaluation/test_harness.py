import sys
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from language.evaluation.harness import Answers, harness_model
from language.inference import reading
from language.tokenizers import CharacterTokenizer
from tests.language.small_models import direct_losses, small
from titans_seq.errors import UserError

TEXT = "It was the best of times, it was the worst of times."


@dataclass(frozen=True)
class Asked:
    """As the harness's own requests are, as far as they are read."""

    args: tuple[Any, ...]


def ask(*args: object) -> Asked:
    return Asked(args)


def test_the_likelihood_of_a_continuation() -> None:
    trained = small()
    pairs = [("It was", " the best"), ("It was ", "the worst"), ("", "alone"), (TEXT, " And so on"), ("a", "")]
    scores = Answers(trained).loglikelihood([ask(*pair) for pair in pairs])
    for (context, continuation), (score, _) in zip(pairs, scores, strict=True):
        # A space at the context's end counts to the continuation.
        scored = len((context + continuation).encode()) - len(context.rstrip().encode())
        expected = -float(direct_losses(trained, context + continuation)[-scored:].sum()) if scored else 0.0
        assert score == pytest.approx(expected, rel=1e-9)


def test_greedy_is_what_greedy_decoding_gives() -> None:
    answers = Answers(small(tokenizer=CharacterTokenizer("abcdefgh"), seed=3))
    (text,) = answers.generate_until([ask("badge", {"max_gen_toks": 4, "until": []})])
    assert len(text) == 4
    other = text[:-1] + ("a" if text[-1] != "a" else "b")
    scores = answers.loglikelihood([ask("badge", text), ask("badge", other)])
    assert [greedy for _, greedy in scores] == [True, False]


def test_a_rolling_likelihood_carries_state_through_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_MOST_TOKENS", 64)
    trained = small()
    texts = [TEXT * 5, "short"]
    scores = Answers(trained).loglikelihood_rolling([ask(text) for text in texts])
    assert scores == pytest.approx([-float(direct_losses(trained, text).sum()) for text in texts], rel=1e-9)


def test_a_shared_context_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    trained = small()
    answers, calls = Answers(trained), []
    forward = trained.model.forward
    monkeypatch.setattr(trained.model, "forward", lambda ids, *rest: calls.append(ids.shape[1]) or forward(ids, *rest))
    answers.loglikelihood([ask(TEXT, " yes"), ask(TEXT, " no"), ask("Other", " no")])
    assert calls == [len(TEXT), 4, 3, 5, 3]


def test_text_until_a_string() -> None:
    trained = small(seed=3)
    answers = Answers(trained)
    settings = {"until": [], "max_gen_toks": 30, "do_sample": True, "temperature": 1.0, "top_k": 90}
    (whole,) = answers.generate_until([ask("It was", settings)])
    stop = whole[4:6]
    for until in (stop, [stop], ["", stop]):
        assert answers.generate_until([ask("It was", settings | {"until": until})]) == [whole[: whole.index(stop)]]
    greedy = [{"until": ["\n\n\n"], "max_gen_toks": 5}, {"until": [], "temperature": 0.7, "max_gen_toks": 5}]
    assert len({*answers.generate_until([ask("It was", some) for some in greedy])}) == 1


def test_the_package_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lm_eval", "lm_eval.api", "lm_eval.api.model"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(UserError, match=r"needs the package 'lm_eval', .* pip install 'titans-seq\[harness\]'"):
        harness_model(small())


def test_it_is_a_model_of_the_harness(monkeypatch: pytest.MonkeyPatch) -> None:
    class LM:
        """As the harness has it: the start of a model with one process."""

        def __init__(self) -> None:
            self._rank, self._world_size = 0, 1

    names = ("lm_eval", "lm_eval.api", "lm_eval.api.model")
    for name in names:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[names[-1]].LM = LM  # type: ignore[attr-defined]
    model: Any = harness_model(small())
    assert isinstance(model, LM)
    assert isinstance(model, Answers)
    assert model._world_size == 1
    assert len(model.loglikelihood([ask("a", "b")], disable_tqdm=True)) == 1


def test_scores_are_plain_numbers() -> None:
    ((score, greedy),) = Answers(small()).loglikelihood([ask("a", "b")])
    assert type(score) is float
    assert type(greedy) is bool
    assert not isinstance(score, (np.floating, torch.Tensor))
