"""Files that appear whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec


def write(path: Path, content: bytes) -> None:
    """Write under another name, then rename. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def write_json(path: Path, document: Any, indent: int = -1) -> None:
    """Write as JSON; `indent` 2 for files that people edit."""
    write(path, msgspec.json.format(msgspec.json.encode(document), indent=indent))
