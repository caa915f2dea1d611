"""Weights that know the configuration without which they mean something else."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import nn

from titans_seq.config import differences, to_dict

_METADATA = "config"


class Configured(nn.Module):
    """Refuse weights of the same shapes which were learned under another configuration.

    The choices in question travel as metadata of `state_dict()`, where PyTorch keeps its own version numbers. Weights
    without metadata (a plain `dict`, safetensors) are taken as they are.

    Attributes:
        config: the layer's options.
        meaning: names of the options that no shape shows, with dots for those of options.
    """

    config: Any
    meaning: ClassVar[tuple[str, ...]] = ()

    def _meaning(self, of: Any = None) -> dict[str, Any]:
        """The options in question, of the layer's own configuration or another."""
        config = to_dict(of or self.config)
        found = {}
        for name in self.meaning:
            value: Any = config
            for part in name.split("."):
                value = value[part]
            found[name] = value
        return found

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]][_METADATA] = self._meaning()

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: Mapping[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )
        own = self._meaning()
        # Weights saved before an option was there have its default.
        saved = {**self._meaning(type(self.config)()), **local_metadata.get(_METADATA, own)}
        changes = list(differences({name: saved[name] for name in own}, own))
        if changes:
            error_msgs.append(
                f"{prefix[:-1] or 'the layer'}: the weights were learned under another configuration: "
                f"{'; '.join(changes)}: build the layer as it was, or pass dict(state_dict) to take them nevertheless"
            )
