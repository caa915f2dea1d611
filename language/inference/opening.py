"""A trained model with its tokenizer, from a run folder."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from titans_seq.config import read_yaml
from titans_seq.errors import UserError
from titans_seq.experiment.record import CONFIG
from titans_seq.models import CausalLM
from titans_seq.models.saving import MODEL, load_model

from ..runs.config import RUNS
from ..tokenizers import Tokenizer, load_tokenizer


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A language model and what belongs to it.

    Attributes:
        model: in evaluation mode.
        tokenizer: which its tokens are of.
        length: tokens of the segments that it was trained on; None where that is not known.
    """

    model: CausalLM
    tokenizer: Tokenizer
    length: int | None = None


def open_model(folder: str | os.PathLike[str], device: str = "auto") -> TrainedModel:
    """Load a model and its tokenizer.

    Args:
        folder: a run folder that `titans lm pretrain` finished, or the `model` folder in one.
        device: "auto", "cpu", "cuda" or another name of PyTorch's; "auto" takes a GPU if there is one.

    Raises:
        UserError: if the folder holds no whole model with its tokenizer, or there is no such device.

    Example:
        >>> open_model("/no/such/run")
        Traceback (most recent call last):
        ...
        titans_seq.errors.UserError: no saved model at /no/such/run: there is no such folder: check the path
    """
    source = Path(folder)
    run_config = source / CONFIG
    if (source / MODEL).is_dir():
        source = source / MODEL
    elif run_config.is_file() and _training(run_config):
        raise UserError(RUNS.describe_unfinished(source))
    model = load_model(source)
    tokenizer = load_tokenizer(source)
    if tokenizer.vocabulary != model.config.vocabulary:
        raise UserError(
            f"{source}: the model has {model.config.vocabulary:,} tokens and its tokenizer {tokenizer.vocabulary:,}: "
            "they do not belong together; restore the folder, or fill a vocabulary up with vocabulary_multiple"
        )
    return TrainedModel(model.to(_device(device)), tokenizer, _training_length(run_config))


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"no device {name!r} here ({reason}): take --device cpu or auto") from error
    return device


def _training_length(run_config: Path) -> int | None:
    return _training(run_config).get("batches", {}).get("length")


def _training(run_config: Path) -> dict[str, Any]:
    """How a run was trained, as plain values; none for a model's own configuration."""
    if not run_config.is_file():
        return {}
    plain = read_yaml(run_config)
    return plain.get("training") or plain.get("pretrain") or {}  # the name in earlier versions
