import json
import math
import sys
from dataclasses import dataclass
from pathlib import Path
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


@pytest.mark.parametrize("name", ["max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens"])
def test_the_number_of_tokens_under_any_name(name: str) -> None:
    answers = Answers(small(tokenizer=CharacterTokenizer("abcdefgh"), seed=3))
    assert [len(text) for text in answers.generate_until([ask("badge", {name: 3}), ask("badge", {name: 0})])] == [3, 0]
    with pytest.raises(UserError, match=f"{name} must be a whole number of at least 0, got -1"):
        answers.generate_until([ask("badge", {name: -1})])


def test_a_temperature_draws_by_itself() -> None:
    answers = Answers(small(tokenizer=CharacterTokenizer("abcdefgh"), seed=3))

    def text(**settings: object) -> str:
        return answers.generate_until([ask("badge", {"max_gen_toks": 8, **settings})])[0]

    assert text() == text(temperature=0.0) == text(temperature=5.0, do_sample=False) == text(temperature=None)
    drawn = text(temperature=5.0)
    assert drawn != text()
    assert (
        drawn
        == text(temperature=5.0, do_sample=True)
        == text(temperature=5.0, top_k=0)
        == text(temperature=5.0, top_k=-1)
    )
    with pytest.raises(UserError, match="the settings of an answer: top_k must be at least 1"):
        text(temperature=1.0, top_k=-2)


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


def write_task(folder: Path, name: str, lines: str) -> None:
    """A task of the harness on the texts of `data.jsonl`."""
    common = (
        f"task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {folder}/data.jsonl}}}}\n"
        "test_split: test\nmetadata: {version: 1}\n"
    )
    (folder / f"{name}.yaml").write_text(common + lines)


def test_the_harness_itself_scores_local_tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    lm_eval = pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install 'titans-seq[harness]'")
    from lm_eval.tasks import TaskManager

    texts = [TEXT * 3, TEXT]
    rows = [{"text": text, "question": "It was", "choices": [" the", " zzz"], "answer": 0} for text in texts]
    (tmp_path / "data.jsonl").write_text("\n".join(map(json.dumps, rows)))
    write_task(
        tmp_path,
        "local_rolling",
        "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n"
        "metric_list: [{metric: bits_per_byte}]\n",
    )
    write_task(
        tmp_path,
        "local_choice",
        "output_type: multiple_choice\ndoc_to_text: '{{question}}'\ndoc_to_choice: '{{choices}}'\n"
        "doc_to_target: answer\ntarget_delimiter: ''\nmetric_list: [{metric: acc}]\n",
    )
    write_task(
        tmp_path,
        "local_answer",
        "output_type: generate_until\ndoc_to_text: '{{question}}'\ndoc_to_target: '!'\n"
        "generation_kwargs: {until: ['.'], max_gen_toks: 4}\nmetric_list: [{metric: exact_match}]\n",
    )
    trained = small()
    results = lm_eval.simple_evaluate(
        model=harness_model(trained),
        tasks=["local_rolling", "local_choice", "local_answer"],
        task_manager=TaskManager(include_path=str(tmp_path), include_defaults=False),
    )["results"]
    nats = sum(float(direct_losses(trained, text).sum()) for text in texts)
    expected = nats / math.log(2) / sum(len(text.encode()) for text in texts)
    assert results["local_rolling"]["bits_per_byte,none"] == pytest.approx(expected, rel=1e-6)
    # " the" and " zzz" by their likelihood, as `test_the_likelihood_of_a_continuation` has it.
    the, other = (float(direct_losses(trained, "It was" + choice)[-4:].sum()) for choice in (" the", " zzz"))
    assert results["local_choice"]["acc,none"] == float(the < other)
    assert results["local_answer"]["exact_match,none"] == 0
