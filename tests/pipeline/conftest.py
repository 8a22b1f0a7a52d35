from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from shipway.core.errors import Refused
from shipway.pipeline import rollouts as module
from tests.pipeline.house import House


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(module, "TICK", 0.005)
    house = House(tmp_path)
    yield house
    house.engine.patience = 0.0
    for run in house.control.runs():
        # What has only just begun to wait may find its patience gone before we answer.
        if run.status == "waiting":
            with suppress(Refused):
                house.control.answer(run.id, approved=False, who="ann", why="end of the test")
    house.engine.join()
    house.store.close()
