"""`titans lm evaluate`: the loss on a text by position."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tyro.conf import Positional

from titans_seq.errors import UserError
from titans_seq.progress import Progress

if TYPE_CHECKING:
    from ..data.token_shards import TokenShards
    from ..inference.opening import TrainedModel


@dataclass(frozen=True)
class Evaluate:
    """Loss, perplexity and bits a byte of every token of a text, by position in it.

    State is carried from the start of each text to its end; beside it stands the same model with its state reset every
    --length tokens: the difference is what older text was good for, and what a cold start costs a model that was
    trained with carried state and seldom met one.

    The second table has the same by how far back the pair of tokens was last seen that a token completes: what is out
    of attention's sight only a memory can know.
    """

    run: Positional[Path]
    """Folder of a trained run."""
    texts: Positional[tuple[Path, ...]]
    """Text files, plain or gzipped, each a document; - is standard input."""
    length: int | None = None
    """Tokens after which the other state is reset; the segment's length in training if not given."""
    out: Path | None = None
    """Folder for evaluation.json and, as .csv and .png, evaluation and recency; nothing is written if not given."""
    window: int | None = None
    """Tokens within which a pair is near; attention's window if not given, or --length without one."""
    training: Path | None = None
    """Folder of the token shards that it was trained on; pairs that are rare there then stand apart."""
    device: str = "auto"
    """auto, cpu or cuda."""
    progress: Progress = "bar"
    """What to show meanwhile."""

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it comes to late, each with its extra."""
        return {} if self.out is None else {"matplotlib": "language"}


def evaluate(options: Evaluate) -> None:
    """Score, print the table, and write it."""
    from ..evaluation.perplexity import evaluate_texts
    from ..evaluation.recency import attention_window
    from ..evaluation.recency_report import recency_table
    from ..evaluation.report import table_text, write_report
    from ..inference.opening import open_model
    from ..inference.text import TextTokens
    from .progress import ReadingProgress

    if not options.texts:
        raise UserError("no text is given: name at least one file")
    if options.out is not None and options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    trained = open_model(options.run, options.device)
    length = trained.length if options.length is None else options.length
    if length is None:
        raise UserError(f"{options.run} does not say what length it was trained on: give --length")
    window = attention_window(trained.model.config) or length if options.window is None else options.window
    training = None if options.training is None else _training(options.training, trained)
    texts = [TextTokens(path, trained.tokenizer) for path in options.texts]
    with ReadingProgress(options.progress) as shown:
        result = evaluate_texts(trained, texts, length, window=window, training=training, report=shown.advance)
    print(table_text(result))
    print("loss in nats a token, perplexity and bits a byte with carried state; positions count tokens from 0")
    print(f"\n{recency_table(result.by_recency, result.length)}")
    for text in texts:
        if text.loss.lost:
            print(f"note: {text.path}: the tokenizer loses {text.loss}; so there are no bits a byte")
    if result.by_position[-1].last < length:
        print(f"note: no text is longer than {length:,} tokens, so nothing was cut: give a longer one or less --length")
    if options.out is not None:
        about = {"run": str(options.run), "texts": [str(path) for path in options.texts]}
        for path in write_report(result, options.out, about):
            print(f"written: {path}")


def _training(folder: Path, trained: "TrainedModel") -> "TokenShards":
    """The training shards, which have to be of the model's tokens."""
    from ..data.manifest import read_manifest
    from ..data.token_shards import TokenShards

    if read_manifest(folder).tokenizer != trained.tokenizer.info:
        raise UserError(
            f"--training {folder}: shards of another tokenizer than the model's: give those of its training"
        )
    return TokenShards.open(folder)
