"""A trained language model before a text, for `titans inspect`."""

import itertools

import torch.nn.functional as F
from torch import Tensor

from titans_seq.errors import UserError
from titans_seq.inspection.opened import Opened, Request

from .inference.opening import open_model
from .inference.reading import shifted
from .inference.text import TextTokens, blocks


def open_input(request: Request) -> Opened:
    """Open a run and the first tokens of a text, which the model reads from the start of a document.

    Raises:
        UserError: if the run is not whole, the text empty or not readable, or a part or a horizon is asked for.
    """
    if request.part is not None or request.horizon is not None:
        option = "part" if request.part is not None else "horizon"
        raise UserError(f"--{option} is for forecasters and DNA, and {request.run} is a language model: leave it out")
    trained = open_model(request.run, request.device)
    text = TextTokens(request.input, trained.tokenizer)
    tokens = next(itertools.islice(blocks(text, request.tokens), 1))
    ids, targets = shifted(trained.tokenizer.end_of_document, tokens)
    device = trained.model.embedding.weight.device
    ids, targets = ids.to(device), targets.to(device)

    def loss(logits: Tensor) -> float:
        return F.cross_entropy(logits.mT, targets).item()

    given = [trained.tokenizer.end_of_document, *tokens[:-1].tolist()]
    return Opened(
        model=trained.model,
        read=lambda: trained.model(ids, return_state=False)[0],
        title=request.input.name,
        labels=[_label(trained.tokenizer.decode([one])) for one in given],
        loss=loss,
        loss_unit="nats a token",
        notes=_notes(len(tokens), request.tokens),
    )


def _notes(count: int, most: int) -> tuple[str, ...]:
    return (f"the first {most:,} tokens of the text are read: --tokens changes that",) if count == most else ()


def _label(text: str) -> str:
    """A token in a few characters that can be seen."""
    return text.replace(" ", "\u2423").replace("\n", "\u21b5")[:8] or "\u2205"
