"""A model folder as a training writes it; the registry never looks inside the model file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shipway.registry.folder_store import FolderStore
from shipway.registry.registry import ModelRegistry
from tests.model_folders import write_model

MakeModel = Callable[..., Path]


@pytest.fixture
def make_model(tmp_path: Path) -> MakeModel:
    """Writes a folder; `data` is the model file, `more` further files, keywords replace metadata keys."""
    made = iter(range(1000))

    def make(data: bytes = b"tree\n", more: dict[str, bytes] | None = None, **changes: Any) -> Path:
        return write_model(tmp_path / f"trained-{next(made)}", data, more, **changes)

    return make


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    """Where the versions go; nothing is there yet."""
    return tmp_path / "ml-models-bucket"


@pytest.fixture
def registry(bucket: Path) -> ModelRegistry:
    """The registry over `bucket`."""
    return ModelRegistry(FolderStore(bucket))


@pytest.fixture
def snapshot() -> Callable[[Path], dict[str, bytes]]:
    """Reads every file below a folder."""

    def read(folder: Path) -> dict[str, bytes]:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    return read
