"""A trained model for EleutherAI's lm-evaluation-harness; the package is loaded only when its class is asked for."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from titans_seq.errors import UserError
from titans_seq.models import Sampling

from ..inference.generation import continue_text
from ..inference.opening import TrainedModel
from ..inference.reading import Context, check_finite, read_all, read_tokens, score_tokens, shifted

MOST_TOKENS = 256
"""Of an answer, where a task does not say."""

_MOST_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")


class Request(Protocol):
    """What the harness asks: `lm_eval.api.instance.Instance`."""

    @property
    def args(self) -> tuple[Any, ...]:
        """The arguments of the method that answers it."""
        ...


class Answers:
    """Answer the three things that the harness asks of a model, in constant memory for texts of any length.

    State is carried through a text from its start; nothing is cut or read twice, so there is no longest context.
    Requests with the same context, such as the answers of a multiple choice, share the reading of it if they follow
    each other.

    Args:
        trained: the model and its tokenizer.

    Example:
        >>> from types import SimpleNamespace
        >>> from titans_seq.models import CausalLM, language_model
        >>> from language.tokenizers import ByteTokenizer
        >>> tokenizer = ByteTokenizer()
        >>> trained = TrainedModel(CausalLM(language_model("tiny-lmm", tokenizer.vocabulary)).eval(), tokenizer)
        >>> [(score, greedy)] = Answers(trained).loglikelihood([SimpleNamespace(args=("To be", " or"))])
        >>> score < 0
        True
    """

    def __init__(self, trained: TrainedModel) -> None:
        self._trained = trained
        self._latest: tuple[tuple[int, ...], Context] = ((), Context.empty(trained.tokenizer))

    def loglikelihood(self, requests: Sequence[Request], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Return the log-likelihood of each (context, continuation)'s continuation, and if greedy decoding gives it."""
        return [self._continuation(*request.args) for request in requests]

    def loglikelihood_rolling(self, requests: Sequence[Request], disable_tqdm: bool = False) -> list[float]:
        """Return the log-likelihood of each (text,) from the start of a document, with state carried through it."""
        return [self._text(*request.args) for request in requests]

    def generate_until(self, requests: Sequence[Request], disable_tqdm: bool = False) -> list[str]:
        """Return the text that follows each (context, settings), before the first of the strings `until`.

        Of the settings, `until`, `do_sample`, `temperature`, `top_k`, `top_p` and the number of tokens count, the last
        under any of the names that the harness and its models have for it. A temperature above 0 draws unless
        `do_sample` is false, and a `top_k` of 0 or -1 stands for all tokens.

        Raises:
            UserError: if a setting is out of its range.
        """
        return [self._answer(*request.args) for request in requests]

    def _continuation(self, context: str, continuation: str) -> tuple[float, bool]:
        # As the harness has it for its own models: spaces between the two belong to the continuation.
        stripped = context.rstrip()
        text, tokenizer = context + continuation, self._trained.tokenizer
        before = tokenizer.encode(stripped) if stripped else []
        block = np.asarray(tokenizer.encode(text)[len(before) :], dtype=np.int64)
        if not len(block):
            return 0.0, True
        read = self._read(before)
        scores = score_tokens(self._trained.model, *shifted(read.last, block), read.state)
        check_finite("", read.tokens, scores.losses[0], None)
        return -float(scores.losses.sum()), bool(scores.likeliest.all())

    def _text(self, text: str) -> float:
        arrays = iter([self._trained.tokenizer.encode_array(text)])
        start = Context.empty(self._trained.tokenizer)
        return -sum(float(losses.sum()) for _, losses in read_tokens(self._trained.model, start, arrays))

    def _answer(self, context: str, settings: dict[str, Any]) -> str:
        until = settings.get("until") or []
        stops = [until] if isinstance(until, str) else list(until)
        pieces = continue_text(
            self._trained,
            self._read(self._trained.tokenizer.encode(context) if context else []),
            max_tokens=_most_tokens(settings),
            sampling=_sampling(settings),
            stops=[stop for stop in stops if stop],
        )
        return "".join(pieces)

    def _read(self, ids: Sequence[int]) -> Context:
        key = tuple(ids)
        if self._latest[0] != key:
            arrays = iter([np.asarray(ids, dtype=np.int64)])
            self._latest = key, read_all(self._trained.model, Context.empty(self._trained.tokenizer), arrays)
        return self._latest[1]


def _most_tokens(settings: Mapping[str, Any]) -> int:
    """The first of the names that is given, as the harness has it for its own models."""
    name, most = next(((n, settings[n]) for n in _MOST_NAMES if settings.get(n) is not None), ("", MOST_TOKENS))
    if not isinstance(most, int | float) or int(most) != most or most < 0:
        raise UserError(f"{name} must be a whole number of at least 0, got {most!r}")
    return int(most)


def _sampling(settings: Mapping[str, Any]) -> Sampling:
    temperature = settings.get("temperature")
    draws = settings.get("do_sample")
    if draws is None:
        draws = bool(temperature)
    if temperature is None:
        temperature = 1.0
    top_k, top_p = settings.get("top_k"), settings.get("top_p")
    try:
        return Sampling(
            temperature if draws else 0.0, None if top_k in (0, -1) else top_k, 1.0 if top_p is None else top_p
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"the settings of an answer: {error}") from error


def harness_model(trained: TrainedModel) -> Any:
    """Return the model as the harness wants it: an `lm_eval.api.model.LM`.

    Use it as `lm_eval.simple_evaluate(model=harness_model(open_model("runs/y")), tasks=["wikitext"])`.

    Raises:
        UserError: if lm-eval is not installed.
    """
    try:
        base = importlib.import_module("lm_eval.api.model").LM
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "lm_eval":
            raise
        raise UserError(
            "evaluation by lm-evaluation-harness needs the package 'lm_eval', which is not installed: "
            "run pip install 'titans-seq[harness]'"
        ) from error

    class TitansLM(Answers, base):
        """The three methods of `Answers` on the harness's base class."""

        def __init__(self) -> None:
            base.__init__(self)
            Answers.__init__(self, trained)

    return TitansLM()
