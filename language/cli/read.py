"""`titans lm read`: a document of any length into a model's memory."""

import shlex
import time
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from titans_seq.errors import UserError
from titans_seq.files import check_not_read
from titans_seq.progress import Progress


@dataclass(frozen=True)
class Read:
    """Read a document of any length, in constant memory, and keep what the model then remembers.

    `titans lm generate --memory` goes on from there.
    """

    run: Positional[Path]
    """Folder of a trained run."""
    text: Positional[Path]
    """Text file, plain or gzipped; - is standard input."""
    save_memory: Path | None = None
    """File to write the memory to (.safetensors)."""
    memory: Path | None = None
    """Memory to go on from: the text then follows what was read for that."""
    device: str = "auto"
    """auto, cpu or cuda."""
    progress: Progress = "bar"
    """What to show meanwhile."""


def read(options: Read) -> None:
    """Read, write the memory, and say how well the text was predicted."""
    from titans_seq.checkpoint import WEIGHTS

    from ..inference.opening import open_model
    from ..inference.reading import Context, load_context, read_tokens, save_context
    from ..inference.text import TextTokens
    from .progress import ReadingProgress, loss_text

    if options.save_memory is not None and options.save_memory.suffix != ".safetensors":
        raise UserError(f"--save-memory {options.save_memory}: expected a name that ends in .safetensors")
    if options.save_memory is not None:
        # Models end so too: whichever run it is of, and by whatever link it is named, none is written over.
        if WEIGHTS in (options.save_memory.name, options.save_memory.resolve().name):
            raise UserError(f"--save-memory {options.save_memory}: {WEIGHTS} is a model's own file: give another name")
        check_not_read(options.save_memory, options.text, options.memory, option="--save-memory")
    trained = open_model(options.run, options.device)
    before = Context.empty(trained.tokenizer) if options.memory is None else load_context(options.memory, trained)
    text, context, loss, began = TextTokens(options.text, trained.tokenizer), before, 0.0, time.monotonic()
    with ReadingProgress(options.progress) as shown:
        for context, losses in read_tokens(trained.model, before, text):
            loss += float(losses.sum())
            shown.advance(text, context.tokens - before.tokens, loss)
    seconds = max(time.monotonic() - began, 1e-9)
    print(
        f"read {options.text}: {text.tokens:,} tokens, {text.text_bytes:,} bytes of text, in {seconds:,.1f} s "
        f"({text.tokens / seconds:,.0f} tokens/s)"
    )
    print(loss_text(loss, text.tokens, text.seen_bytes))
    if text.loss.lost:
        print(f"note: the tokenizer loses {text.loss}; there are no bits a byte of what was not read")
    if options.save_memory is not None:
        save_context(context, options.save_memory, trained)
        print(f"written: {options.save_memory}, the memory of {context.tokens:,} tokens")
        run, memory = shlex.quote(str(options.run)), shlex.quote(str(options.save_memory))
        print(f"next:\n  titans lm generate {run} --memory {memory}")
