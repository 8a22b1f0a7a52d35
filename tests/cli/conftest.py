from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.local.places import Places, places_of
from tests.cli.daemon_double import DaemonDouble


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """An app's folder as the current one; nothing runs there."""
    root = tmp_path.resolve() / "app"
    (root / "inner").mkdir(parents=True)
    (root / "shipway.yaml").write_text("app: toy\n")
    monkeypatch.chdir(root)
    places = places_of(root, os.getuid())
    yield places
    shutil.rmtree(places.runtime, ignore_errors=True)


@pytest.fixture
def daemon(app: Places) -> Iterator[DaemonDouble]:
    """Something that listens where the daemon of the app would."""
    double = DaemonDouble(app.socket)
    double.start()
    yield double
    double.stop()


@pytest.fixture(autouse=True)
def _utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
