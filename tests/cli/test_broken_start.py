"""Starts that can't work say why, and whose Shipway it is that runs."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from shipway.core.errors import Refused
from shipway.local import daemon, ownership
from shipway.local.places import Places
from shipway.local.whose import user_name


def _no_room() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))


def test_a_start_without_room_says_so(app: Places) -> None:
    """A daemon that can write nothing could not even say why it ended, so nothing is started."""
    done = subprocess.run(
        [sys.executable, "-m", "shipway", "up", "--detach"], cwd=app.root, capture_output=True, text=True,
        preexec_fn=_no_room, check=False,
    )  # fmt: skip
    assert 1 == done.returncode
    assert f"{app.state} can't be written: file too large" in done.stderr
    assert f"make room there (df {app.state}), then shipway up" in done.stderr
    assert [] == [path.name for path in app.state.iterdir() if path.name == ".room"]


def test_a_daemon_that_dies_without_a_word_is_no_riddle(app: Places) -> None:
    """Killed before it could say anything, it was out of something."""
    app.state.mkdir()
    app.daemon_log.touch()
    error = daemon._why_not(app.daemon_log, 0, -9)
    assert (
        "the daemon was killed by signal 9 before it answered, without a word: "
        "out of memory or disk, or ended by somebody"
    ) == error.what
    assert "shipway doctor, then shipway up" == error.fix


@pytest.fixture
def belongs_to_nobody(app: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    app.state.mkdir()
    monkeypatch.setattr(ownership, "owner_of", lambda places: 65534)


@pytest.mark.usefixtures("belongs_to_nobody")
@pytest.mark.parametrize(
    ("pid", "said", "verb"), [(4711, "runs (process 4711)", "status"), (None, "does not run", "up --detach")]
)
def test_somebody_elses_shipway_is_named(
    app: Places, monkeypatch: pytest.MonkeyPatch, pid: int | None, said: str, verb: str
) -> None:
    """Who it belongs to, whether it runs, and what the others can do; "not running here" would be false."""
    monkeypatch.setattr(ownership, "daemon_of", lambda places: pid)
    with pytest.raises(Refused) as refused:
        ownership.require_own(app)
    name = user_name(65534)
    assert f"Shipway of {app.root} belongs to {name} and {said}; nobody else can ask it anything" == refused.value.what
    assert f"ask {name}, or if you may act as {name}: sudo -u {name} shipway {verb}" == refused.value.fix


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_another_user_of_the_machine_gets_no_command_through(app: Places) -> None:
    """Every command that talks to the daemon, or would start one, is refused before it does anything."""
    app.state.mkdir()
    os.chown(app.state, 65534, 65534)
    for words in (["status"], ["up", "--detach"], ["deploy"], ["down", "--yes"], ["repair"], ["logs"]):
        done = subprocess.run(
            [sys.executable, "-m", "shipway", *words], cwd=app.root, capture_output=True, text=True, check=False
        )
        assert 3 == done.returncode, done.stderr
        assert "belongs to" in done.stderr
    assert not app.daemon_log.exists()
