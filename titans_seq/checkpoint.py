"""A saved model: a folder with its configuration, its weights and a card; never a pickle."""

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from titans_seq.config import read_yaml, to_yaml
from titans_seq.errors import UserError
from titans_seq.files import naming
from titans_seq.version import __version__

M = TypeVar("M", bound=nn.Module)

CONFIG = "config.yaml"
WEIGHTS = "weights.safetensors"
CARD = "card.md"

_WRITTEN_BY = "titans_seq"


def save_folder(
    folder: str | os.PathLike[str],
    config: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    card: str,
    extra_files: Mapping[str, str | bytes] | None = None,
) -> None:
    """Write a saved model as a whole folder, in place of an earlier one if there is one.

    Everything is written into a new folder beside it, which is then renamed; whatever goes wrong before that
    leaves an earlier folder as it was. An earlier folder is replaced whole: files added to it since are gone.

    Args:
        folder: where to save; its parents are made.
        config: what `titans_seq.config.to_dict` made; `load_folder` returns it.
        tensors: by name, on any device; written from the CPU.
        card: a short description of the model, as Markdown.
        extra_files: further files, by plain name, as text (UTF-8) or bytes.

    Raises:
        UserError: if `folder` exists and is not a saved model, which is not ours to replace.
        OSError: if it cannot be written, for example on a full disk.

    Example:
        >>> import tempfile, torch
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     save_folder(f"{parent}/model", {"width": 2}, {"w": torch.ones(2)}, "# A model")
        ...     load_folder(f"{parent}/model")
        ({'width': 2}, {'w': tensor([1., 1.])})
    """
    target = Path(folder).resolve()
    check_replaceable(target)
    files: dict[str, str | bytes] = {CONFIG: to_yaml({_WRITTEN_BY: __version__, **config}), CARD: card}
    for name, content in (extra_files or {}).items():
        if name in ("..", CONFIG, WEIGHTS, CARD) or Path(name).name != name:
            raise ValueError(f"an extra file needs a plain name that is not one of the model's own, got '{name}'")
        files[name] = content
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    temporary = target.with_name(f".{target.name}.{token}.new")
    temporary.mkdir()
    try:
        with naming(folder):
            for name, content in files.items():
                (temporary / name).write_bytes(content.encode() if isinstance(content, str) else content)
            _write_weights(temporary / WEIGHTS, tensors)
        _replace_folder(target, temporary, target.with_name(f".{target.name}.{token}.old"))
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_replaceable(folder: str | os.PathLike[str]) -> None:
    """Make sure that `save_folder` may write to `folder`: call it before long work whose result goes there.

    A saved model is a folder of files, its weights among them; a run's folder, with the model in a folder of it, is
    none.

    Raises:
        UserError: if it is a file, or a folder with other things in it than a saved model.

    Example:
        >>> check_replaceable("/no/such/folder/yet")
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise UserError(f"cannot save to {target}: it is a file: give the name of a new folder")
    held = sorted(target.iterdir()) if target.is_dir() else []
    if not held:
        return
    if missing := _missing(target):
        raise UserError(
            f"cannot save to {target}: the folder holds other files and no {' and no '.join(missing)}, so it is no "
            "saved model to replace: give the name of a new or empty folder"
        )
    if (other := next((path for path in held if path.is_dir()), None)) is not None:
        raise UserError(
            f"cannot save to {target}: the folder holds {other.name}/, which no saved model has and which would be "
            "lost: give the name of a new or empty folder"
        )


def load_folder(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read what `save_folder` wrote: the configuration and the tensors, on the CPU.

    Raises:
        UserError: if the folder is not there, lacks a file or holds a damaged one; the message names it.

    Example:
        >>> load_folder("/no/such")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: no saved model at /no/such: there is no such folder: check the path
    """
    source = Path(folder)
    if not source.exists():
        raise UserError(f"no saved model at {source}: there is no such folder: check the path")
    if not source.is_dir():
        raise UserError(f"no saved model at {source}: it is a file: give the folder that holds {CONFIG}")
    if missing := _missing(source):
        raise UserError(
            f"no whole saved model at {source}: {' and '.join(missing)} missing: "
            "check the path, or save the model again if it was copied in part"
        )
    config = read_yaml(source / CONFIG)
    config.pop(_WRITTEN_BY, None)
    return config, _read_weights(source / WEIGHTS)


def load_weights(model: M, tensors: Mapping[str, Tensor], folder: str | os.PathLike[str]) -> M:
    """Put weights that `load_folder` read into a model, and return it in evaluation mode.

    Where all weights that are no whole numbers have one dtype the model gets it; else each keeps the model's.

    Args:
        model: built as the folder's configuration says.
        tensors: by name.
        folder: for messages.

    Raises:
        UserError: if a weight is not finite, or they are not those of the model.
    """
    source = Path(folder) / WEIGHTS
    bad = next((name for name, tensor in tensors.items() if not tensor.isfinite().all()), None)
    if bad is not None:
        raise UserError(f"{source}: '{bad}' holds a number that is not finite: restore it or train again")
    dtypes = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    if len(dtypes) == 1:
        model = model.to(dtypes.pop())
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise UserError(
            f"{source}: not the weights of the model that {CONFIG} describes, {versions(folder)}: restore the folder "
            f"({error})"
        ) from error
    return model.eval()


def versions(folder: str | os.PathLike[str]) -> str:
    """Say which version of this package wrote a saved model and which one reads it, for a message that it is not whole.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     save_folder(f"{parent}/model", {}, {}, "# A model")
        ...     versions(f"{parent}/model") == f"written by titans-seq {__version__}, read by {__version__}"
        True
    """
    written = read_yaml(Path(folder) / CONFIG).get(_WRITTEN_BY, "before versions were recorded")
    return f"written by titans-seq {written}, read by {__version__}"


def _missing(folder: Path) -> list[str]:
    """Files that every saved model has and a folder lacks."""
    return [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]


def _write_weights(path: Path, tensors: Mapping[str, Tensor]) -> None:
    # Tied weights share memory, which the format refuses: each name gets a copy.
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    # The library's own save_file would make the file unreadable for others.
    path.write_bytes(save(copies))


def _replace_folder(target: Path, new: Path, old: Path) -> None:
    if not target.exists():
        new.rename(target)
        return
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


def _read_weights(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{path}: damaged, it is not a whole safetensors file ({error}): restore it or train again"
        ) from error
