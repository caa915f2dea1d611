"""`titans dna fetch`: a published data set, as it is published."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from titans_seq.commands import Maybe
from titans_seq.errors import UserError


@dataclass(frozen=True)
class Fetch:
    """Download a data set of GenomicsBenchmarks from where it is published (zenodo.org), and compare its checksum.

    A file that is there already is not downloaded again. The data needs no unpacking.
    """

    name: Positional[Maybe[str]] = None
    """The data set; --list shows all."""
    list_sets: Annotated[bool, arg(name="list")] = False
    """Show the names, and do nothing else."""
    out: Path = Path("data")
    """Folder for the file."""


def fetch(options: Fetch) -> None:
    """Download, and say where the file is."""
    from ..sequences.archive import DATASETS
    from ..sequences.archive import fetch as fetch_archive

    if options.list_sets:
        print("\n".join(DATASETS))
        return
    if options.name is None:
        raise UserError("no data set is named: titans dna fetch --list shows all")
    if options.out.exists() and not options.out.is_dir():
        raise UserError(f"--out {options.out} is a file: give the name of a folder")
    path = fetch_archive(options.name, options.out)
    named = shlex.quote(str(path))
    print(f"{path}; next:\n  titans dna check {named}\n  titans dna train {named} --out runs/z")
