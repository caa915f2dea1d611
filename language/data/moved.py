"""Token shards that no longer lie where a run found them."""

from collections.abc import Iterator
from pathlib import Path

from titans_seq.errors import UserError

from .token_shards import TokenShards


def find_shards(fingerprint: str, saved: Path, run: Path, given: Path | None = None) -> Path:
    """Find the folder of the token shards that a run was started on.

    They are looked for where they were; and, in case run and shards were moved together, at the end of that path below
    each folder that the run lies in. Only shards of the same tokens are taken, wherever they are.

    Args:
        fingerprint: of the training shards, see `TokenShards`.
        saved: where they were, an absolute path.
        run: folder of the run.
        given: where they are now, if the user says so.

    Raises:
        UserError: if they are in none of these places, or `given` holds others.
    """
    if given is not None:
        if TokenShards.open(given).fingerprint != fingerprint:
            raise UserError(
                f"the token shards in {given} are not those that the run in {run} was started on: give those with "
                "--data, or start a new run"
            )
        return given
    found = [folder for folder in _places(saved, run) if folder.is_dir()]
    for folder in found:
        if _fingerprint(folder) == fingerprint:
            return folder
    state = "are not those that it was started on" if saved in found else "are gone"
    raise UserError(
        f"the token shards of the run in {run} {state}: they were in {saved}; put them back, or say with --data where "
        "they are now"
    )


def _places(saved: Path, run: Path) -> Iterator[Path]:
    yield saved
    names = saved.parts[1:]
    for folder in run.resolve().parents:
        for first in range(len(names)):
            yield folder.joinpath(*names[first:])


def _fingerprint(folder: Path) -> str | None:
    """Of the training shards in a folder; None if it holds none that are whole."""
    try:
        return TokenShards.open(folder).fingerprint
    except UserError:
        return None
