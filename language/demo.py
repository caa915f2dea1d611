"""The demonstration: from Python's own documentation to a language model that goes on with a sentence.

python -m language.demo --out runs/demo-lm
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from titans_seq.cli import main as titans
from titans_seq.files import atomic_path, write_text

DESCRIPTION = "Train a byte model on Python's own documentation, let it read a page, and let it write."
PROMPT = 'The "for" statement is used to'
# Kept out of the training text: what the trained model reads before it writes.
READ_LAST = "with"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demonstration; 0 means success."""
    parser = argparse.ArgumentParser(prog="python -m language.demo", description=DESCRIPTION)
    parser.add_argument("--out", type=Path, default=Path("runs/demo-lm"), help="folder for all that it writes")
    parser.add_argument("--steps", type=int, default=800, help="optimiser steps of training")
    parser.add_argument("--preset", default="tiny-lmm", help="which model, see titans lm pretrain --help")
    options = parser.parse_args(argv)
    out: Path = options.out
    write_documentation(out / "python.jsonl", out / f"{READ_LAST}.txt")
    shards, run, memory = out / "shards", out / "run", out / "memory.safetensors"
    tuned = f"--max-steps {options.steps} --lr 3e-3 --length 128 --batch-tokens 1024 --validate-every {options.steps}"
    draw = "--max-tokens 200 --temperature 0.3 --seed 0 --stop ."
    steps = (
        ("prepare", f"{out / 'python.jsonl'} --out {shards} --validation 0.05 --overwrite --progress none"),
        ("pretrain", f"--preset {options.preset} --data {shards} --out {run} {tuned} --overwrite --progress lines"),
        ("generate", f"{run} --prompt {shlex.quote(PROMPT)} {draw}"),
        ("read", f"{run} {out / READ_LAST}.txt --save-memory {memory} --progress none"),
        ("generate", f"{run} --memory {memory} {draw}"),
    )
    for number, (verb, arguments) in enumerate(steps, 1):
        print(f"\n{number}. titans lm {verb} {arguments}", flush=True)
        if code := titans(["lm", verb, *shlex.split(arguments)]):
            return code
    print(f"\ndone: the run is in {run.resolve()}, the losses in {run.resolve() / 'training.png'}")
    return 0


def write_documentation(corpus: Path, read_last: Path) -> None:
    """Write the topics of Python's `help()`, about half a megabyte: one document each, and one as a file of its own."""
    from pydoc_data.topics import topics

    with atomic_path(corpus) as temporary, open(temporary, "w", encoding="utf-8") as stream:
        for name, text in sorted(topics.items()):
            if name != READ_LAST:
                stream.write(json.dumps({"text": text}) + "\n")
    write_text(read_last, topics[READ_LAST])


if __name__ == "__main__":
    sys.exit(main())
