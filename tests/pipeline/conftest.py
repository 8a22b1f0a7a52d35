from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipway.pipeline import rollouts as module
from tests.pipeline.house import House


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(module, "TICK", 0.005)
    house = House(tmp_path)
    yield house
    house.close()
