"""The choice between processes and containers, without an engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shipway.core.errors import ShipwayError
from shipway.core.training.steps import StepOrder
from shipway.local.files.file_lock import locked
from shipway.local.training.containers import Engine, container_name, find_engine
from shipway.local.training.layout import made_of
from shipway.local.training.place import Place
from tests.local.training.test_steps import Bench


def test_without_an_engine_the_step_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A choice in shipway.yaml is never passed over: it says what to start, or which key to change."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ShipwayError, match="no container engine answers") as refused:
        find_engine()
    assert "model.training.run_in: process" in refused.value.fix


def test_an_engine_that_cannot_end_a_container_is_an_error(tmp_path: Path) -> None:
    """It may still run: nobody may begin it a second time. The fix ends it."""
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\necho cannot connect\nexit 125\n")
    engine.chmod(0o755)
    with pytest.raises(ShipwayError, match="cannot be ended: cannot connect") as error:
        Engine(str(engine)).end("a")
    assert f"{engine} rm --force a" == error.value.fix


def test_a_stop_goes_on_where_the_engine_does_not_answer(tmp_path: Path) -> None:
    """Tasks and router are stopped after the steps: no engine may be in their way."""
    bench = Bench(tmp_path)
    place = Place(tmp_path / "steps" / "d1")
    place.folder.mkdir(parents=True)
    place.engine.write_text(str(tmp_path / "no-engine"))
    with locked(place.lock, 1.0, "a step that runs"):
        bench.steps.stop()
    assert place.engine.exists()


def test_results_of_processes_and_containers_are_kept_apart(tmp_path: Path) -> None:
    """They may have other libraries; the command, which no container runs, makes no difference to one."""

    def program(order: StepOrder) -> str:
        return made_of(order, {})["program"]

    process = Bench(tmp_path).order()
    container = replace(process, container=True)
    assert program(process) != program(container)
    assert program(container) == program(replace(container, command="python other.py"))


def test_steps_of_two_apps_have_containers_of_their_own(tmp_path: Path) -> None:
    """An engine knows one container by a name, and two apps may have the very same step."""
    assert container_name(tmp_path / "a" / "d1") != container_name(tmp_path / "b" / "d1")
