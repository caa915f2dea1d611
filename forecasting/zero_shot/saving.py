"""Zero-shot networks as folders, and the one that is shipped."""

import os
from functools import cache
from pathlib import Path

from titans_seq.checkpoint import load_folder, save_folder
from titans_seq.config import to_dict
from titans_seq.errors import UserError

from .network import AnyNetwork, build_network, network_config

FORMAT = "titans-zero-shot"
VERSION = 1
SHIPPED = Path(__file__).parent / "weights"
"""Folder of the weights that come with the package."""


def save_network(folder: str | os.PathLike[str], network: AnyNetwork, card: str) -> None:
    """Write a network to a folder: configuration, weights (safetensors) and a card.

    Args:
        folder: new, or that of an earlier model.
        network: what is saved.
        card: Markdown.

    Raises:
        UserError: if the folder holds other things.
        OSError: if it cannot be written; an earlier model is then as it was.
    """
    config = {"format": FORMAT, "version": VERSION, "network": to_dict(network.config)}
    save_folder(folder, config, network.state_dict(), card)


def load_network(folder: str | os.PathLike[str]) -> AnyNetwork:
    """Read what `save_network` wrote; in evaluation mode, on the CPU.

    Raises:
        UserError: if the folder is no zero-shot network, or a damaged one.
    """
    saved, tensors = load_folder(folder)
    if saved.get("format") != FORMAT or saved.get("version") != VERSION:
        raise UserError(
            f"{folder} is not a zero-shot forecaster of version {VERSION} (format {saved.get('format')!r}, version "
            f"{saved.get('version')!r}): check the path, or use the version of titans-seq that wrote it"
        )
    try:
        network = build_network(network_config(saved["network"]))
        network.load_state_dict(tensors)
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{folder}: its files do not fit together ({error}): restore them") from error
    return network.eval()


@cache
def shipped_network() -> AnyNetwork:
    """Return the network that comes with the package. It is shared: do not change it."""
    return load_network(SHIPPED)
