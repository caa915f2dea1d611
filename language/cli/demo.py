"""`titans lm demo`: from Python's own documentation to a language model that goes on with a sentence."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from titans_seq.commands import run_in_turn
from titans_seq.errors import require_at_least
from titans_seq.files import atomic_path, write_text

PROMPT = 'The "for" statement is used to'
# Kept out of the training text: what the trained model reads before it writes.
READ_LAST = "with"


@dataclass(frozen=True)
class Demo:
    """Train a byte model on Python's own documentation, let it read a page, and let it write.

    Each step is a command that is printed first. Nothing is downloaded: the text is that of
    Python's help(). It takes about five minutes of computing.
    """

    out: Path = Path("runs/demo-lm")
    """Folder for all that it writes; the run of an earlier demonstration in it is replaced."""
    steps: int = 800
    """Optimiser steps of the training."""
    preset: str = "tiny-lmm"
    """Which model, see titans lm pretrain."""

    def __post_init__(self) -> None:
        require_at_least(self, steps=1)

    def packages(self) -> Mapping[str, str]:
        """Return the packages that it comes to late, each with its extra."""
        return {"matplotlib": "language"}


def demo(options: Demo) -> None:
    """Make the text, then prepare, train, write, read and write again."""
    from .main import GROUP

    write_documentation(options.out / "python.jsonl", options.out / f"{READ_LAST}.txt")
    names = ("python.jsonl", "shards", "run", f"{READ_LAST}.txt", "memory.safetensors")
    text, shards, run, page, memory = (shlex.quote(str(options.out / name)) for name in names)
    tuned = f"--max-steps {options.steps} --lr 3e-3 --length 128 --batch-tokens 1024 --validate-every {options.steps}"
    draw = "--max-tokens 200 --temperature 0.3 --seed 0 --stop ."
    train = f"--preset {shlex.quote(options.preset)} --data {shards} --out {run} {tuned}"
    lines = (
        f"prepare {text} --out {shards} --validation 0.05 --overwrite --progress none",
        f"pretrain {train} --overwrite --progress lines",
        f"generate {run} --prompt {shlex.quote(PROMPT)} {draw}",
        f"read {run} {page} --save-memory {memory} --progress none",
        f"generate {run} --memory {memory} {draw}",
    )
    run_in_turn(GROUP, lines, "titans lm")
    out = (options.out / "run").resolve()
    print(f"\ndone: the run is in {out}, the losses in {out / 'training.png'}")


def write_documentation(corpus: Path, read_last: Path) -> None:
    """Write the topics of Python's `help()`, about half a megabyte: one document each, and one as a file of its own."""
    from pydoc_data.topics import topics

    with atomic_path(corpus) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        for name, text in sorted(topics.items()):
            if name != READ_LAST:
                stream.write(json.dumps({"text": text}) + "\n")
    write_text(read_last, topics[READ_LAST])
