"""Reading a text of any length in constant memory: the state is carried from piece to piece."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._pytree import tree_leaves

from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.models import BackboneState, CausalLM
from titans_seq.models.state_file import load_state, save_state

from ..tokenizers import Tokenizer, TokenizerInfo
from .opening import TrainedModel
from .text import TextTokens, blocks

_MOST_TOKENS, _MOST_LOGITS = 4096, 1 << 25


@dataclass(frozen=True)
class Context:
    """What a model has read of a document.

    Attributes:
        state: after all tokens but the last; None if there are none.
        last: the token read last, which the model has not seen yet: what it is given next. Before a document that is
            `end_of_document`, as in training.
        tokens: how many were read.
    """

    state: BackboneState | None
    last: int
    tokens: int = 0

    @classmethod
    def empty(cls, tokenizer: Tokenizer) -> "Context":
        """Return the context at the start of a document."""
        return cls(None, tokenizer.end_of_document)


def piece_tokens(vocabulary: int) -> int:
    """Return how many tokens are read at once by default, in [64, 4096]: so many that logits take at most 128 MiB.

    Example:
        >>> piece_tokens(257), piece_tokens(32_000)
        (4096, 1024)
    """
    return max(64, min(_MOST_TOKENS, _MOST_LOGITS // vocabulary // 64 * 64))


@dataclass(frozen=True, eq=False)
class TokenScores:
    """How well tokens were predicted.

    Attributes:
        losses: in nats, `[B, T]` of float64 on the CPU.
        likeliest: whether no other token was more likely, `[B, T]` of bool on the CPU.
        state: after them.
    """

    losses: Tensor
    likeliest: Tensor
    state: BackboneState


def check_finite(place: str, first: int, losses: Tensor, state: BackboneState | None) -> None:
    """Refuse what a model lost count of: a memory that diverges stays broken, whatever is read after.

    Args:
        place: the text, for the message; "" if it has no name.
        first: number of the first token in the text.
        losses: of its tokens, `[T]`.
        state: after them; None if it is not kept.

    Raises:
        UserError: if a loss, or a number in the state, is not finite.

    Example:
        >>> check_finite("a.txt", 100, torch.tensor([1.0, float("nan")]), None)
        Traceback (most recent call last):
        titans_seq.errors.UserError: a.txt: the loss of token 101 is not finite: the model's memory diverges on this \
text: stop before it, or train a model whose gates allow smaller steps \
(titans lm pretrain --set model.blocks.0.memory.gates.max_step=1)
    """
    bad = ~losses.isfinite()
    if bad.any():
        found = f"the loss of token {first + int(bad.int().argmax()):,}"
    elif not all(bool(x.isfinite().all()) for x in tree_leaves(state) if isinstance(x, Tensor)):
        found = f"the memory after token {first + len(losses) - 1:,}"
    else:
        return
    raise UserError(
        f"{place}{': ' if place else ''}{found} is not finite: the model's memory diverges on this text: stop before "
        "it, or train a model whose gates allow smaller steps (titans lm pretrain --set "
        "model.blocks.0.memory.gates.max_step=1)"
    )


@torch.no_grad()
def score_tokens(
    model: CausalLM, ids: Tensor, targets: Tensor, state: BackboneState | None = None, piece: int | None = None
) -> TokenScores:
    """Score every token of some rows.

    Args:
        model: the language model.
        ids: what it is given, `[B, T]`, T >= 1.
        targets: what comes next, `[B, T]`.
        state: what came before; None for nothing.
        piece: tokens that are read at once, over all rows, at least 1; it changes memory and time, not the result.
    """
    step = max(1, (piece or piece_tokens(model.config.vocabulary)) // ids.shape[0])
    losses, likeliest, device = [], [], model.embedding.weight.device
    for given, wanted in zip(ids.split(step, 1), targets.to(device).split(step, 1), strict=True):
        logits, state = model(given.to(device), state)
        precise = logits.to(torch.promote_types(logits.dtype, torch.float32))
        losses.append(F.cross_entropy(precise.mT, wanted, reduction="none").double().cpu())
        likeliest.append((logits.argmax(-1) == wanted).cpu())
    assert state is not None
    return TokenScores(torch.cat(losses, 1), torch.cat(likeliest, 1), state)


def read_tokens(
    model: CausalLM, context: Context, tokens: TextTokens | Iterator[np.ndarray], piece: int | None = None
) -> Iterator[tuple[Context, Tensor]]:
    """Read tokens, however many there are.

    Args:
        model: the language model.
        context: what was read before.
        tokens: arrays of ids, of any lengths.
        piece: see `score_tokens`.

    Yields:
        After every piece, the context and the losses `[T]` of the piece's tokens in nats.

    Raises:
        UserError: if a loss or the state is not finite.

    Example:
        >>> from titans_seq.models import language_model
        >>> from language.tokenizers import ByteTokenizer
        >>> tokenizer = ByteTokenizer()
        >>> model = CausalLM(language_model("tiny-lmm", tokenizer.vocabulary)).eval()
        >>> text = tokenizer.encode_array("To be, or not to be")
        >>> for context, losses in read_tokens(model, Context.empty(tokenizer), iter([text]), piece=16):
        ...     print(context.tokens, len(losses))
        16 16
        19 3
    """
    place = str(tokens.path) if isinstance(tokens, TextTokens) else ""
    for block in blocks(tokens, piece or piece_tokens(model.config.vocabulary)):
        scores = score_tokens(model, *shifted(context.last, block), context.state, piece)
        check_finite(place, context.tokens, scores.losses[0], scores.state)
        context = Context(scores.state, int(block[-1]), context.tokens + len(block))
        yield context, scores.losses[0]


def read_all(
    model: CausalLM, context: Context, tokens: TextTokens | Iterator[np.ndarray], piece: int | None = None
) -> Context:
    """Return what was read after the last piece of `read_tokens`, or the context itself if there are no tokens."""
    after = context
    for read, _ in read_tokens(model, context, tokens, piece):
        after = read
    return after


def shifted(last: int, block: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return what a model is given and is to predict, `[1, T]` each, of a block of tokens `[T]` that follows `last`.

    Example:
        >>> shifted(9, np.array([1, 2, 3]))
        (tensor([[9, 1, 2]]), tensor([[1, 2, 3]]))
    """
    targets = torch.from_numpy(block).unsqueeze(0)
    return torch.cat([targets.new_tensor([[last]]), targets[:, :-1]], 1), targets


def save_context(context: Context, path: Path, trained: TrainedModel) -> None:
    """Write what a model has read as one safetensors file.

    Raises:
        ValueError: if nothing was read.
        OSError: if it cannot be written.
    """
    if context.state is None:
        raise ValueError("nothing was read, so there is nothing to save")
    notes = {"last": context.last, "tokens": context.tokens, "tokenizer": to_dict(trained.tokenizer.info)}
    save_state(context.state, path, model=trained.model, notes=notes)


def load_context(path: Path, trained: TrainedModel) -> Context:
    """Read what `save_context` wrote.

    Raises:
        UserError: if the file is missing, damaged, or of another model or tokenizer.
    """
    saved = load_state(path, trained.model)
    try:
        tokenizer = from_dict(saved.notes["tokenizer"], TokenizerInfo)
        context = Context(saved.state, int(saved.notes["last"]), int(saved.notes["tokens"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}: the state of a model, and no memory of a text that --save-memory wrote ({error}): check the path"
        ) from error
    if tokenizer != trained.tokenizer.info:
        raise UserError(f"{path}: a memory of text in other tokens ({tokenizer.kind}): read the document again")
    return context
