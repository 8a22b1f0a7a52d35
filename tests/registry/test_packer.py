"""The process that foreign models run in, with small programs in the place of the real one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from shipway.core.errors import Refused, ShipwayError
from shipway.core.ports.telling import Tell
from shipway.registry.packer import LOCK, READING_LOCK, Packer, work_folder
from tests.waiting import wait_for

ROOT = Path(__file__).parent.parent.parent
READ = "import json, os, sys, pathlib\njob = json.load(sys.stdin)\nwork = pathlib.Path(job['work'])\n"
ANSWER = "(work / 'answer.json').write_text(json.dumps({}))\n"
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a program of the given text."""
    made = iter(range(100))

    def start(text: str, tell: Tell = lambda line: None, timeout: float = 30.0, **job: Any) -> dict[str, Any]:
        programs = tmp_path / f"programs-{next(made)}"
        program = programs / "model-packaging" / "src" / "model_packaging"
        program.mkdir(parents=True)
        (program / "__main__.py").write_text(READ + text)
        with work_folder() as work:
            return Packer(lambda lock, tell: Path(sys.executable), programs, timeout).run(job, work, tell)

    return start


def test_a_job_is_answered(run: Run) -> None:
    """What the program is given, and what it answers."""
    answer = run(ANSWER.format("{'done': {'got': job['folder'], 'limited': job['memory_bytes'] > 0}}"), folder="x")
    assert {"got": "x", "limited": True} == answer


@pytest.mark.parametrize("lock", [LOCK, READING_LOCK])
def test_the_environment_comes_from_a_lock_of_the_programs(lock: str) -> None:
    """Of the packaging program or of the model server whose code reads; both are there."""
    asked: list[Path] = []

    def python_for(lock: Path, tell: Tell) -> Path:
        asked.append(lock)
        raise Refused("no network", fix="")

    with work_folder() as work, pytest.raises(Refused, match="no network"):
        Packer(python_for, ROOT).run({}, work, lambda line: None, lock)
    assert [ROOT / lock] == asked
    assert asked[0].is_file()


def test_the_program_sees_no_foreign_variables(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither secrets of the surroundings nor somebody's home."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = run(ANSWER.format("{'done': {'variables': dict(os.environ), 'folder': os.getcwd()}}"))
    assert "secret" not in str(found["variables"])
    assert found["variables"]["HOME"] == f"{found['folder']}/home"
    assert not Path(found["folder"]).exists()


def test_a_refusal_is_handed_on(run: Run) -> None:
    """With what to do about it."""
    with pytest.raises(Refused, match="no such model") as raised:
        run(ANSWER.format("{'refused': {'what': 'no such model', 'fix': 'train one'}}"))
    assert ("train one", "nothing changed") == (raised.value.fix, raised.value.state)


def test_progress_is_told_as_text(run: Run) -> None:
    """Line by line while it runs; no escapes reach a terminal, and a flood is cut off."""
    told: list[str] = []
    run("print('one'); print('\\x1b[31mtwo\\x07')\n" + ANSWER.format("{'done': {}}"), told.append)
    assert ["one", "?[31mtwo?"] == told
    flood: list[str] = []
    run("print('x' * 1000 + '\\n' + 'y\\n' * 10**6)\n" + ANSWER.format("{'done': {}}"), flood.append)
    assert 300 == len(flood[0])
    assert sum(map(len, flood)) < 65_536


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("raise ValueError('what a mess')", "ValueError: what a mess"),
        ("os.kill(os.getpid(), 9)", "it was stopped .signal 9.: more memory"),
        ("sys.exit(0)", "it ended with 0"),
        ("(work / 'answer.json').write_text('{')", "it ended with 0"),
        ("(work / 'answer.json').write_text('[]')", "it ended with 0"),
        (ANSWER.format("{'refused': 'no'}"), "it ended with 0"),
        ("(work / 'answer.json').symlink_to('/etc/passwd')", "it ended with 0"),
    ],
)
def test_a_program_without_an_answer_is_a_fault(run: Run, text: str, why: str) -> None:
    """Its last words are told; what is no answer is not taken for one."""
    with pytest.raises(ShipwayError, match=why) as raised:
        run(text)
    assert "nothing changed" == raised.value.state


def test_nothing_outlives_the_job(run: Run) -> None:
    """A program that takes too long is stopped, with all that it started."""
    told: list[str] = []
    fork = "pid = os.fork()\nimport time\nif pid: print(pid, os.getpid(), flush=True)\ntime.sleep(600)"
    with pytest.raises(ShipwayError, match="was not converted and checked within 4 s"):
        run(fork, told.append, timeout=4.0)
    wait_for(lambda: [False, False] == [_alive(int(pid)) for pid in told[0].split()])


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
