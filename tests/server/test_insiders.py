"""Who may decide: nobody that Shipway itself has started."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from shipway.local.tasks.insiders import is_insider

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
    assert is_insider(start(HOME=home), state)
    assert is_insider(start(SHIPWAY_BUILD=str(state / "artifacts" / ".work-abc")), state)
    assert is_insider(start(cwd=tree), state)
    assert is_insider(start(STARTS_ANOTHER.format(code=SAYS_ITS_ID), HOME=home), state)


def test_people_and_other_apps_are_not(start: Start, tmp_path: Path) -> None:
    """A shell in the app's folder decides; a task of another app is not this one's."""
    state = tmp_path / ".shipway"
    assert not is_insider(start(HOME="/home/ada", cwd=tmp_path), state)
    assert not is_insider(start(HOME=str(tmp_path / "other" / ".shipway" / "data")), state)
    assert not is_insider(0x3FFFFFFF, state)
