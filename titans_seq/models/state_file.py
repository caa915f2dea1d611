"""A model's state as one safetensors file: what a language model has read, kept for another day; never a pickle."""

import contextlib
import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from titans_seq.config import describe_differences, from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.files import atomic_path
from titans_seq.models.backbone import BackboneState
from titans_seq.models.causal_lm import CausalLM, CausalLMConfig
from titans_seq.models.packing import pack_state, unpack_state

FORMAT = "titans-state"
VERSION = "1"

_TENSOR, _ORDER = "tensor", "order"


@dataclasses.dataclass(frozen=True)
class SavedState:
    """What `load_state` returns.

    Attributes:
        state: of the model, on the model's device.
        notes: what was saved beside it.
    """

    state: BackboneState
    notes: dict[str, Any]


def save_state(
    state: BackboneState,
    path: str | os.PathLike[str],
    *,
    model: CausalLM,
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a model's state as one safetensors file, in place of an earlier one.

    The tensors stand under their paths (`blocks.0.memory.weights.1`); the metadata holds how they belong together and
    lay in memory, the positions in chunks, the model's configuration and a digest of its weights.

    Args:
        state: what the model's `forward` returned.
        path: the file.
        model: what made the state.
        notes: further values of JSON's types, for the reader.

    Raises:
        OSError: if it cannot be written; an earlier file is then as it was.

    Example:
        >>> import tempfile
        >>> from titans_seq.models import language_model
        >>> model = CausalLM(language_model("tiny-lmm", vocabulary=10)).eval()
        >>> _, state = model(torch.tensor([[1, 2, 3]]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_state(state, f"{folder}/read.safetensors", model=model, notes={"tokens": 3})
        ...     saved = load_state(f"{folder}/read.safetensors", model)
        >>> saved.notes
        {'tokens': 3}
        >>> torch.equal(model(torch.tensor([[4]]), saved.state)[0], model(torch.tensor([[4]]), state)[0])
        True
    """
    tensors: dict[str, Tensor] = {}
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "state": json.dumps(_named(pack_state(state), "", tensors)),
        "model": json.dumps(to_dict(model.config)),
        "weights": weights_digest(model),
        "notes": json.dumps(dict(notes or {})),
    }
    # The anchor of a memory at a chunk's border is its weights, and the format refuses shared memory.
    copies = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}
    with atomic_path(path) as temporary:
        # The library's own save_file would make the file unreadable for others.
        temporary.write_bytes(save(copies, metadata))


def load_state(path: str | os.PathLike[str], model: CausalLM) -> SavedState:
    """Read what `save_state` wrote, exactly as it was.

    Args:
        path: the file.
        model: the model that made the state, with the same weights.

    Raises:
        UserError: if the file is missing, damaged or no such file, or of another model; the message says what differs.

    Example:
        >>> import tempfile
        >>> from titans_seq.models import language_model
        >>> model = CausalLM(language_model("tiny-lmm", vocabulary=10)).eval()
        >>> _, state = model(torch.tensor([[1, 2, 3], [4, 5, 6]]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_state(state, f"{folder}/read.safetensors", model=model, notes={"titles": ["A", "B"]})
        ...     saved = load_state(f"{folder}/read.safetensors", model)
        >>> saved.state.batch, saved.notes["titles"]
        (2, ['A', 'B'])
    """
    source = Path(path)
    if not source.is_file():
        raise UserError(f"no saved state at {source}: there is no such file: check the path")
    try:
        with safe_open(source, "pt", device=str(model.embedding.weight.device)) as file:
            metadata = file.metadata() or {}
            _check_format(source, metadata)
            _check_model(source, metadata, model)
            state = unpack_state(_filled(json.loads(metadata["state"]), file))
            return SavedState(state, json.loads(metadata["notes"]))
    except UserError:
        raise
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise UserError(
            f"{source}: damaged, it is no whole saved state ({error}): restore it or read the document again"
        ) from error


def weights_digest(model: CausalLM) -> str:
    """Return the SHA-256 of a model's weights, in hexadecimal.

    Two models with the same digest and configuration are the same.

    Example:
        >>> from titans_seq.models import language_model
        >>> model = CausalLM(language_model("tiny-lmm", vocabulary=10))
        >>> before = weights_digest(model)
        >>> _ = torch.nn.init.zeros_(model.embedding.weight)
        >>> weights_digest(model) == before
        False
    """
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _named(packed: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Move the tensors of a packed state to `tensors`, leaving their names."""
    if isinstance(packed, Tensor):
        tensors[name] = packed
        return {_TENSOR: name, _ORDER: _axes_in_memory(packed)}
    below = f"{name}." if name else ""
    if isinstance(packed, dict):
        return {key: _named(part, f"{below}{key}", tensors) for key, part in packed.items()}
    if isinstance(packed, tuple):
        return [_named(part, f"{below}{i}", tensors) for i, part in enumerate(packed)]
    return packed


def _filled(named: Any, file: Any) -> Any:
    """Put the tensors of a file back where their names stand."""
    if isinstance(named, list):
        return [_filled(part, file) for part in named]
    if not isinstance(named, dict):
        return named
    if _TENSOR in named:
        tensor = file.get_tensor(named[_TENSOR])
        return _laid_out(tensor, named.get(_ORDER, list(range(tensor.ndim))))
    return {key: _filled(part, file) for key, part in named.items()}


def _axes_in_memory(tensor: Tensor) -> list[int]:
    """The axes from the one with the largest steps in memory to that with the smallest."""
    return sorted(range(tensor.ndim), key=lambda axis: -(tensor.stride(axis) or math.inf))


def _laid_out(tensor: Tensor, order: list[int]) -> Tensor:
    """The same values as they lay in memory: products of a transposed matrix may have other last bits."""
    if sorted(order) != list(range(tensor.ndim)):
        raise ValueError(f"the order {order} is not one of {tensor.ndim} axes")
    return tensor.permute(order).contiguous().permute([order.index(axis) for axis in range(tensor.ndim)])


def _check_format(source: Path, metadata: Mapping[str, str]) -> None:
    found = metadata.get("format"), metadata.get("version")
    if found[0] != FORMAT:
        raise UserError(f"{source}: not the saved state of a model: expected a file that save_state wrote")
    if found[1] != VERSION:
        raise UserError(f"{source}: a state of format version {found[1]}, expected {VERSION}: read the document again")


def _check_model(source: Path, metadata: Mapping[str, str], model: CausalLM) -> None:
    saved = json.loads(metadata["model"])
    with contextlib.suppress(UserError):  # a file from before an option was there has its default
        saved = to_dict(from_dict(saved, CausalLMConfig))
    if changes := describe_differences(saved, model.config):
        raise UserError(
            f"{source}: the state of another model: {changes}: give the model that read it, or read the document again"
        )
    if metadata["weights"] != weights_digest(model):
        raise UserError(
            f"{source}: the state of a model of the same configuration with other weights, and of no meaning to these: "
            "give the model that read it, or read the document again"
        )
