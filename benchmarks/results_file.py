"""JSON files of results: one content a file, as lines that a diff shows well."""

import json
from pathlib import Path
from typing import Any

from titans_seq.files import write_text


def read_json(path: Path) -> Any:
    """Return what a file holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write a file, whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")
