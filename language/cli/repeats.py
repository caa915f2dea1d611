"""`titans lm repeats`: made-up streams whose spans come again, to begin the training of a memory with."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True)
class Repeats:
    """Make up streams of random tokens in which most spans stood before, as token shards.

    A model with a memory that begins with them learns to look up what it has read, which prose alone hardly teaches:
    train on them first, then on text with --init. It is for presets that end in -recall.
    """

    shards: Positional[Path]
    """Folder of the shards that training goes on with, whose tokenizer is taken."""
    out: Path
    """Folder of the made-up shards; nothing is written anywhere else."""
    tokens: int = 400_000
    """Tokens of all streams together."""
    length: int = 8_192
    """Tokens of a stream."""
    seed: int = 0
    """Of everything random."""
    overwrite: bool = False
    """Replace the shards in --out."""


def repeats(options: Repeats) -> None:
    """Write them, and say what to do next."""
    from ..data.repeats import prepare_repeats

    manifest = prepare_repeats(
        options.shards,
        options.out,
        tokens=options.tokens,
        length=options.length,
        seed=options.seed,
        overwrite=options.overwrite,
    )
    print(
        f"{manifest.documents('train'):,} streams, {manifest.tokens('train'):,} tokens of a vocabulary of "
        f"{manifest.tokenizer.vocabulary:,}"
    )
    out, shards = shlex.quote(str(options.out)), shlex.quote(str(options.shards))
    print(
        f"written: {options.out}; next:\n"
        f"  titans lm pretrain --preset tiny-mag-recall --data {out} --out runs/repeats\n"
        f"  titans lm pretrain --init runs/repeats --data {shards} --out runs/y"
    )
