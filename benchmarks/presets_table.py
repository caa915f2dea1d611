"""The table of presets in `docs/memories.md`, made from `titans_seq.memory.PRESETS`."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from titans_seq.memory import Preset


def constructor(choice: Any) -> str:
    """Write the call that makes a choice, with only the arguments that differ from their defaults.

    A choice within a choice, where it is the first argument, needs no name; numbers and words have theirs.

    Example:
        >>> from titans_seq.memory import Muon, SlidingWindow
        >>> constructor(SlidingWindow(Muon(momentum=False), window=8))
        'SlidingWindow(Muon(momentum=False), window=8)'
    """
    arguments = []
    for position, field in enumerate(dataclasses.fields(choice)):
        value = getattr(choice, field.name)
        if value == _default(field):
            continue
        nested = dataclasses.is_dataclass(value)
        written = constructor(value) if nested else repr(value)
        arguments.append(written if nested and position == 0 else f"{field.name}={written}")
    return f"{type(choice).__name__}({', '.join(arguments)})"


def presets_table(presets: Mapping[str, Preset]) -> str:
    """Two tables with a line a preset: what it chooses, and where it is from."""
    axes = ("architecture", "bias", "retention", "algorithm")
    choices = [f"| preset | {' | '.join(axes)} | read |", "|---" * (len(axes) + 2) + "|"]
    sources = ["| preset | equation | paper | note |", "|---|---|---|---|"]
    for name, known in presets.items():
        members = " | ".join(f"`{_cell(constructor(getattr(known.rule, axis)))}`" for axis in axes)
        choices.append(f"| `{name}` | {members} | {known.rule.read} |")
        sources.append(f"| `{name}` | `{_cell(known.equation)}` | {_linked(known.paper)} | {_cell(known.note)} |")
    return "\n".join([*choices, "", *sources])


def _default(field: dataclasses.Field) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _cell(text: str) -> str:
    """Escape what would end a table's cell, even within backticks."""
    return text.replace("|", r"\|")


def _linked(paper: str) -> str:
    """Link every arXiv number."""
    return re.sub(r"\d{4}\.\d{5}", r"[\g<0>](https://arxiv.org/abs/\g<0>)", paper)
