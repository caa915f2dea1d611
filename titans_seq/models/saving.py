"""A language model as a folder: safetensors, YAML and a card; never a pickle."""

import os
from collections.abc import Mapping
from pathlib import Path

from titans_seq.checkpoint import CONFIG, WEIGHTS, load_folder, load_weights, save_folder, versions
from titans_seq.config import from_dict, to_dict
from titans_seq.errors import UserError
from titans_seq.models.causal_lm import CausalLM, CausalLMConfig

MODEL = "model"
"""Name of a run folder's own folder with the trained model."""


def save_model(
    folder: str | os.PathLike[str], model: CausalLM, card: str, extra_files: Mapping[str, str | bytes] | None = None
) -> None:
    """Write a language model as a whole folder, in place of an earlier one.

    Args:
        folder: where.
        model: with its weights, on any device.
        card: a short description, as Markdown.
        extra_files: further files by plain name, its tokenizer's for example.

    Raises:
        TypeError: if what is given as the model is none, as PyTorch's own functions have it first.
        UserError: if `folder` exists and is no saved model.
        OSError: if it cannot be written.

    Example:
        >>> import tempfile, torch
        >>> from titans_seq.blocks import LMMConfig
        >>> model = CausalLM(CausalLMConfig(vocabulary=10, dim=32, blocks=(LMMConfig(),), depth=1))
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     save_model(f"{parent}/model", model, "# A model of ten words")
        ...     again = load_model(f"{parent}/model")
        >>> ids = torch.tensor([[1, 2, 3]])
        >>> torch.equal(model(ids)[0], again(ids)[0])
        True
    """
    if not isinstance(model, CausalLM):
        raise TypeError(f"expected save_model(folder, model, card), got a {type(model).__name__} as the model")
    save_folder(folder, {"language_model": to_dict(model.config)}, model.state_dict(), card, extra_files)


def load_model(folder: str | os.PathLike[str]) -> CausalLM:
    """Return a saved language model, on the CPU, in evaluation mode and in the dtype that it was saved in.

    Args:
        folder: what `save_model` wrote, or a run folder that holds it as `model`.

    Returns:
        The model; its `forward(ids, state=None)` returns `(logits, state)`.

    Raises:
        UserError: if there is no whole language model; the message names the file.

    Example:
        >>> import tempfile
        >>> from titans_seq.blocks import LMMConfig
        >>> model = CausalLM(CausalLMConfig(vocabulary=10, dim=32, blocks=(LMMConfig(),), depth=1)).bfloat16()
        >>> with tempfile.TemporaryDirectory() as parent:
        ...     save_model(f"{parent}/model", model, "# A model of ten words")
        ...     again = load_model(parent)  # as the run folder that holds it
        >>> again.config == model.config, again.training, again.embedding.weight.dtype
        (True, False, torch.bfloat16)
    """
    source = Path(folder)
    if not (source / WEIGHTS).exists() and (source / MODEL).is_dir():
        source = source / MODEL
    saved, tensors = load_folder(source)
    if "language_model" not in saved:
        raise UserError(f"{source / CONFIG}: not of a language model: check the path")
    try:
        model = CausalLM(from_dict(saved["language_model"], CausalLMConfig))
    except ValueError as error:
        raise UserError(f"{source / CONFIG}: {error} ({versions(source)})") from error
    return load_weights(model, tensors, source)
