"""Hypothesis without a database, as the folder under test may be read-only."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import configuration, settings

from store import Store

configuration.set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"hypothesis-offline-{os.getuid()}")
settings.register_profile("offline", database=None, deadline=None)
settings.load_profile("offline")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)
