"""The token shards that a run reads: one folder, or several with weights; found again where they were moved to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from titans_seq.errors import UserError
from titans_seq.experiment.record import DataRecord

from ..data.manifest import Split, read_manifest
from ..data.mixture import Mixture, check_weights
from ..data.moved import find_shards
from ..data.token_shards import TokenShards
from ..tokenizers import TokenizerInfo


@dataclass(frozen=True, eq=False)
class Corpus:
    """What a run reads.

    Attributes:
        train: what is trained on.
        validation: what is validated on; None for no validation.
        tokenizer: which the tokens are of.
        tokens_per_byte: of the validation text; None if that is not known.
    """

    train: TokenShards | Mixture
    validation: TokenShards | Mixture | None
    tokenizer: TokenizerInfo
    tokens_per_byte: float | None


def describe_data(folders: Sequence[Path], weights: Sequence[float] = ()) -> tuple[DataRecord, ...]:
    """Return what a run keeps of the folders that it reads.

    Args:
        folders: what `prepare` wrote, at least one.
        weights: share of the tokens of each, in any unit; none for shares by size.

    Raises:
        UserError: if a folder holds no whole shards, or there is not one weight for each.
    """
    if not folders:
        raise UserError("no data is given: add --data with a folder that titans lm prepare wrote")
    opened = [TokenShards.open(folder) for folder in folders]
    shares = weights or [float(shards.tokens) for shards in opened]
    if len(shares) != len(folders):
        raise UserError(f"--weights has {len(shares)} numbers for --data given {len(folders)} times: give one for each")
    check_weights(shares)
    triples = zip(folders, opened, shares, strict=True)
    return tuple(
        DataRecord(str(Path(folder).resolve()), shards.fingerprint, {"weight": float(share)})
        for folder, shards, share in triples
    )


def find_data(records: Sequence[DataRecord], run: Path, given: Sequence[Path] = ()) -> tuple[DataRecord, ...]:
    """Return the records with the places where the shards are now; see `find_shards`.

    Args:
        records: of the run.
        run: its folder.
        given: where they are now, if the user says so: one for each, in the same order.

    Raises:
        UserError: if they are gone or were changed.
    """
    if given and len(given) != len(records):
        raise UserError(f"--data names {len(given)} folders, the run in {run} reads {len(records)}: give all, in order")
    places = given or [None] * len(records)
    return tuple(
        replace(record, path=str(find_shards(record.sha256, Path(record.path), run, place).resolve()))
        for record, place in zip(records, places, strict=True)
    )


def open_corpus(records: Sequence[DataRecord]) -> Corpus:
    """Open the shards of a run.

    Raises:
        UserError: if they are damaged, or of several tokenizers.
    """
    manifests = [read_manifest(Path(record.path)) for record in records]
    held_out = [one for one, manifest in zip(records, manifests, strict=True) if manifest.of_split("validation")]
    rates = [manifest.tokens_per_byte("validation") for manifest in manifests if manifest.of_split("validation")]
    return Corpus(
        _opened(records, "train"),
        _opened(held_out, "validation") if held_out else None,
        manifests[0].tokenizer,
        _mean_rate(rates, [record.options.get("weight", 1.0) for record in held_out]),
    )


def _mean_rate(rates: Sequence[float | None], weights: Sequence[float]) -> float | None:
    """Tokens a byte of a text whose parts have these rates, and these shares of its tokens; None if one is not known.

    Example:
        >>> _mean_rate([1.0, 0.25], [1.0, 1.0]), _mean_rate([1.0, None], [1.0, 1.0])
        (0.4, None)
    """
    known = [rate for rate in rates if rate is not None]
    if not known or len(known) < len(rates):
        return None
    return sum(weights) / sum(weight / rate for weight, rate in zip(weights, known, strict=True))


def _opened(records: Sequence[DataRecord], split: Split) -> TokenShards | Mixture:
    if len(records) == 1:
        return TokenShards.open(records[0].path, split)
    return Mixture.open([one.path for one in records], [one.options["weight"] for one in records], split)
