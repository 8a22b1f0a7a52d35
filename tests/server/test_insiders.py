"""Who may decide: nobody that Shipway itself has started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from shipway.local.tasks.insiders import Insiders

STARTS_ANOTHER = "import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}], env={{}}, cwd='/')"
SAYS_ITS_ID = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
Start = Callable[..., int]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a program and answers its process id, or that of what it started."""
    started = []

    def begin(code: str = SAYS_ITS_ID, cwd: Path = Path("/"), **variables: str) -> int:
        process = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=cwd, env=variables
        )
        started.append(process)
        assert process.stdout is not None
        return int(process.stdout.readline())

    yield begin
    for process in started:
        process.communicate()


def test_tasks_and_builds_and_what_they_start_are_insiders(start: Start, tmp_path: Path) -> None:
    """Told by where they live, by their build's mark, by where they work, or by who started them."""
    state = tmp_path / ".shipway"
    tree = state / "artifacts" / "abc" / "tree"
    tree.mkdir(parents=True)
    home = str(state / "data" / "dev" / "web")
    insiders = Insiders(state)
    assert insiders.has(start(HOME=home))
    assert insiders.has(start(SHIPWAY_BUILD=str(state / "artifacts" / ".work-abc")))
    assert insiders.has(start(cwd=tree))
    assert insiders.has(start(STARTS_ANOTHER.format(code=SAYS_ITS_ID), HOME=home))


def test_people_and_other_apps_are_not(start: Start, tmp_path: Path) -> None:
    """A shell in the app's folder decides; a task of another app is not this one's."""
    insiders = Insiders(tmp_path / ".shipway")
    assert not insiders.has(start(HOME="/home/ada", cwd=tmp_path))
    assert not insiders.has(start(HOME=str(tmp_path / "other" / ".shipway" / "data")))
    assert not insiders.has(0x3FFFFFFF)


def test_a_caller_is_looked_at_once(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who calls again and again is told by its process alone; another process is looked at, also under its number."""
    insiders = Insiders(tmp_path / ".shipway")
    outsider, home = start(), str(tmp_path / ".shipway" / "data")
    assert not insiders.has(outsider)
    looked: list[int] = []
    monkeypatch.setattr("shipway.local.tasks.insiders._works_in", lambda process, _: looked.append(process.pid))
    assert not insiders.has(outsider)
    assert [] == looked
    monkeypatch.undo()
    assert insiders.has(start(HOME=home))
    known = psutil.Process(outsider)
    monkeypatch.setattr(known, "_ident", (outsider, 0.0))
    monkeypatch.setattr(psutil, "Process", lambda _: known)
    monkeypatch.setattr("shipway.local.tasks.insiders._works_in", lambda *_: True)
    assert insiders.has(outsider)
