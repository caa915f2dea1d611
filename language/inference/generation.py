"""Text from a language model, as it comes."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch

from titans_seq.models import Sampling, generate

from .opening import TrainedModel
from .reading import Context

_BROKEN = "\N{REPLACEMENT CHARACTER}"


def continue_text(
    trained: TrainedModel,
    context: Context,
    *,
    max_tokens: int,
    sampling: Sampling,
    seed: int = 0,
    stops: Sequence[str] = (),
) -> Iterator[str]:
    """Go on with what was read, up to the end of the document, a stop string or `max_tokens`.

    Time and memory a token are the same wherever in the text it is.

    Args:
        trained: the model and its tokenizer.
        context: what was read.
        max_tokens: at most so many, at least 0.
        sampling: how tokens are drawn.
        seed: of the draws.
        stops: strings, none of them empty; the text ends before the first of them to be complete.

    Yields:
        Pieces of whole characters, none of them empty.

    Example:
        >>> from titans_seq.models import CausalLM, language_model
        >>> from language.tokenizers import ByteTokenizer
        >>> tokenizer = ByteTokenizer()
        >>> trained = TrainedModel(CausalLM(language_model("tiny-lmm", tokenizer.vocabulary)).eval(), tokenizer)
        >>> pieces = continue_text(trained, Context.empty(tokenizer), max_tokens=20, sampling=Sampling(top_k=5))
        >>> text = "".join(pieces)
        >>> len(text) <= 20
        True
    """
    return until_stop(_texts(trained, context, max_tokens, sampling, seed), stops)


def until_stop(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Pass on text up to the first stop string to be complete; what may become one is held back until that is known.

    Example:
        >>> list(until_stop(["one ", "t", "wo. S", "TOP three"], ["STOP", "two!"]))
        ['one ', 'two. ']
    """
    longest_first = sorted(stops, key=len, reverse=True)
    held = ""
    for piece in pieces:
        for character in piece:
            held += character
            done = next((stop for stop in longest_first if held.endswith(stop)), None)
            if done is not None:
                if len(held) > len(done):
                    yield held[: -len(done)]
                return
        begun = (size for stop in stops for size in range(1, len(stop)) if held.endswith(stop[:size]))
        ready = len(held) - max(begun, default=0)
        if ready:
            yield held[:ready]
            held = held[ready:]
    if held:
        yield held


def _texts(trained: TrainedModel, context: Context, max_tokens: int, sampling: Sampling, seed: int) -> Iterator[str]:
    model, tokenizer = trained.model, trained.tokenizer
    device = model.embedding.weight.device
    decoder = tokenizer.decoder()
    # A tokenizer may drop the space before the first word that it decodes: there is one before this text.
    before = tokenizer.decode([context.last])
    if before and _BROKEN not in before:
        decoder.push(context.last)
    prompt = torch.tensor([[context.last]], device=device)
    generator = torch.Generator(device).manual_seed(seed)
    drawn = generate(model, prompt, context.state, sampling=sampling, generator=generator)
    for token, _ in islice(drawn, max_tokens):
        if int(token) == tokenizer.end_of_document:
            break
        if text := decoder.push(int(token)):
            yield text
    if text := decoder.finish():
        yield text
