"""The model whose weights a run begins with: what the run keeps of it, and whether it is still the same."""

from pathlib import Path

from titans_seq.checkpoint import WEIGHTS
from titans_seq.errors import UserError
from titans_seq.experiment.provenance import file_hash
from titans_seq.experiment.record import DataRecord
from titans_seq.models.saving import MODEL


def model_folder(folder: Path) -> Path:
    """Return the folder of a run's model, or the folder itself.

    Example:
        >>> model_folder(Path("no-such-run")).name
        'no-such-run'
    """
    return Path(folder) / MODEL if (Path(folder) / MODEL).is_dir() else Path(folder)


def weights_record(folder: Path) -> DataRecord:
    """Return where the weights of a run or model folder are, and their hash.

    Raises:
        UserError: if it has none.
    """
    source = model_folder(folder).resolve()
    return DataRecord(str(source), file_hash(source / WEIGHTS))


def unchanged_weights(record: DataRecord) -> Path:
    """Return the folder of the weights that a run begins with.

    Raises:
        UserError: if they are others than when the run began, or gone.
    """
    source = Path(record.path)
    if file_hash(source / WEIGHTS) != record.sha256:
        raise UserError(f"{source / WEIGHTS} was changed since the run began with it: put it back, or start a new run")
    return source
