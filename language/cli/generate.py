"""`titans lm generate`: text from a trained model, as it comes."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional, UseAppendAction

from titans_seq.errors import UserError, require_seed

if TYPE_CHECKING:
    import numpy as np

    from ..inference.text import TextTokens
    from ..tokenizers import Tokenizer


@dataclass(frozen=True)
class Generate:
    """Go on with a prompt, or with a document that `titans lm read` has read, up to the end of the document.

    Time and memory a token stay the same however long the text is.
    """

    run: Positional[Path]
    """Folder of a trained run."""
    prompt: str | None = None
    """Text to go on with; without one (or a memory) a document begins."""
    prompt_file: Path | None = None
    """File with the prompt, taken as it is, its last line end included; - is standard input."""
    memory: Path | None = None
    """What was read before the prompt: a file of `titans lm read --save-memory`."""
    max_tokens: int = 200
    """Tokens to write at most."""
    count: int = 1
    """Texts to write, one after the other."""
    seed: int = 0
    """Of the draws; the second text has the next seed, and so on."""
    temperature: float = 1.0
    """Divides the logits; 0 takes the likeliest token."""
    top_k: int | None = None
    """Draw among so many likeliest tokens."""
    top_p: float = 1.0
    """Draw among the likeliest tokens that together have this probability."""
    stop: UseAppendAction[tuple[str, ...]] = ()
    """Text to end before; may be given again."""
    device: str = "auto"
    """auto, cpu or cuda."""


def generate(options: Generate) -> None:
    """Print the text while it is drawn."""
    from titans_seq.models import Sampling

    from ..inference.generation import continue_text
    from ..inference.opening import open_model
    from ..inference.reading import Context, load_context, read_all

    _check(options)
    try:
        sampling = Sampling(options.temperature, options.top_k, options.top_p)
    except ValueError as error:
        raise UserError(f"--{str(error).replace('_', '-', 1)}") from error
    trained = open_model(options.run, options.device)
    before = Context.empty(trained.tokenizer) if options.memory is None else load_context(options.memory, trained)
    context = read_all(trained.model, before, _prompt(options, trained.tokenizer))
    for number in range(options.count):
        seed = options.seed + number
        if options.count > 1:
            print(f"--- {number + 1} of {options.count}, seed {seed}")
        pieces = continue_text(
            trained, context, max_tokens=options.max_tokens, sampling=sampling, seed=seed, stops=options.stop
        )
        for piece in pieces:
            print(piece, end="", flush=True)
        print()


def _check(options: Generate) -> None:
    if options.prompt is not None and options.prompt_file is not None:
        raise UserError("both --prompt and --prompt-file are given: leave one out")
    require_seed(options.seed, "--seed")
    for name, least in (("max_tokens", 1), ("count", 1)):
        if getattr(options, name) < least:
            raise UserError(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(options, name)}")
    if options.temperature == 0 and (options.top_k is not None or options.top_p != 1 or options.count > 1):
        raise UserError(
            "--temperature 0 takes the likeliest token and draws none: leave out --top-k, --top-p and --count"
        )
    if "" in options.stop:
        raise UserError("--stop is empty: give the text to end before")


def _prompt(options: Generate, tokenizer: "Tokenizer") -> "TextTokens | Iterator[np.ndarray]":
    from ..inference.text import TextTokens

    if options.prompt_file is not None:
        return TextTokens(options.prompt_file, tokenizer)
    return iter([tokenizer.encode_array(options.prompt)] if options.prompt else [])
