"""`titans lm evaluate`: the loss on a text by position."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from titans_seq.errors import UserError
from titans_seq.progress import Progress


@dataclass(frozen=True)
class Evaluate:
    """Loss, perplexity and bits a byte of every token of a text, by position in it.

    State is carried from the start of each text to its end; beside it stands the same model with its state reset every
    --length tokens: the difference is what older text was good for, and what a cold start costs a model that was
    trained with carried state and seldom met one.
    """

    run: Positional[Path]
    """Folder of a trained run."""
    texts: Positional[tuple[Path, ...]]
    """Text files, plain or gzipped, each a document; - is standard input."""
    length: int | None = None
    """Tokens after which the other state is reset; the segment's length in training if not given."""
    out: Path | None = None
    """Folder for evaluation.json, evaluation.csv and evaluation.png; nothing is written if not given."""
    device: str = "auto"
    """auto, cpu or cuda."""
    progress: Progress = "bar"
    """What to show meanwhile."""


def evaluate(options: Evaluate) -> None:
    """Score, print the table, and write it."""
    from ..evaluation.perplexity import evaluate_texts
    from ..evaluation.report import table_text, write_report
    from ..inference.opening import open_model
    from ..inference.text import TextTokens
    from .progress import ReadingProgress

    if not options.texts:
        raise UserError("no text is given: name at least one file")
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    trained = open_model(options.run, options.device)
    length = options.length or trained.length
    if length is None:
        raise UserError(f"{options.run} does not say what length it was trained on: give --length")
    texts = [TextTokens(path, trained.tokenizer) for path in options.texts]
    with ReadingProgress(options.progress) as shown:
        result = evaluate_texts(trained, texts, length, report=shown.advance)
    print(table_text(result))
    print("loss in nats a token, perplexity and bits a byte with carried state; positions count tokens from 0")
    for text in texts:
        if text.loss.lost:
            print(f"note: {text.path}: the tokenizer loses {text.loss}; so there are no bits a byte")
    if result.by_position[-1].last < length:
        print(f"note: no text is longer than {length:,} tokens, so nothing was cut: give a longer one or less --length")
    if options.out is not None:
        about = {"run": str(options.run), "texts": [str(path) for path in options.texts]}
        for path in write_report(result, options.out, about):
            print(f"written: {path}")
