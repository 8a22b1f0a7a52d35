from __future__ import annotations

import fcntl
import socket
import threading

import pytest

from shipway.cli.client.over_socket import SocketClient
from shipway.cli.client.protocol import Lost, NotRunning, Unreachable
from shipway.core.errors import Refused, RolledBack, ShipwayError, UsageError
from shipway.local.daemon import LocalDaemon
from shipway.local.places import Places
from tests.cli.daemon_double import HANG_UP, DaemonDouble
from tests.waiting import wait_for


def _error(exit_code: int) -> dict[str, object]:
    return {"error": {"what": "no", "fix": "do", "state": "is", "exit_code": exit_code}}


def test_an_answer_is_the_json_object_that_was_sent(app: Places, daemon: DaemonDouble) -> None:
    """A call hands back the daemon's object; what is None stays out of the query."""
    daemon.answer("GET", "/v1/runs/7/events", {"events": []})
    assert {"events": []} == SocketClient(str(app.socket)).get("runs", "7", "events", after=3, wait=None)
    assert [("GET", "/v1/runs/7/events", {"after": "3"})] == daemon.asked


def test_a_body_goes_as_json_and_a_path_keeps_its_parts(app: Places, daemon: DaemonDouble) -> None:
    """Whatever a person types as an id stays one part of the path."""
    daemon.answer("POST", "/v1/runs/..%2F%3Fé", {})
    daemon.answer("POST", "/v1/runs/..%2F%3F%C3%A9/approve", {"id": "x"})
    assert {"id": "x"} == SocketClient(str(app.socket)).post("runs", "../?é", "approve", why="so – „ja“")
    assert [{"why": "so – „ja“"}] == [body for _, _, body in daemon.asked]


@pytest.mark.parametrize(("exit_code", "kind"), [(1, ShipwayError), (2, UsageError), (3, Refused), (4, RolledBack)])
def test_an_error_of_the_daemon_keeps_its_words_and_its_exit_code(
    app: Places, daemon: DaemonDouble, exit_code: int, kind: type[ShipwayError]
) -> None:
    """What the daemon says of an error is what the person reads."""
    daemon.answer("GET", "/v1/status", _error(exit_code), status=409)
    with pytest.raises(kind) as raised:
        SocketClient(str(app.socket)).get("status")
    assert ("no", "do", "is", exit_code) == (
        raised.value.what,
        raised.value.fix,
        raised.value.state,
        raised.value.exit_code,
    )


@pytest.mark.parametrize(
    "body", [b"", b"Internal Server Error", b"[]", b'{"error": "text"}', b'{"error": {}}', b"\xff"]
)
def test_an_answer_that_makes_no_sense_points_to_the_log(app: Places, daemon: DaemonDouble, body: bytes) -> None:
    """A broken daemon gives a sentence, never a traceback."""
    daemon.answer("GET", "/v1/status", body, status=500)
    with pytest.raises(ShipwayError, match="the daemon answered 500") as raised:
        SocketClient(str(app.socket)).get("status")
    assert "look at `shipway logs --daemon`" == raised.value.fix


def test_no_socket_and_a_socket_of_a_dead_daemon_are_both_not_running(app: Places, daemon: DaemonDouble) -> None:
    """A file that a killed daemon left does not look like a daemon."""
    with pytest.raises(NotRunning, match="Start it: shipway up --detach"):
        SocketClient("/nowhere/daemon.sock").get("status")
    left = app.runtime / "left.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(left))
    with pytest.raises(NotRunning):
        SocketClient(str(left)).get("status")


def test_a_daemon_that_dies_in_the_middle_is_lost(app: Places, daemon: DaemonDouble) -> None:
    """A connection that ends without an answer says so."""
    daemon.answer("GET", "/v1/status", {}, status=HANG_UP)
    with pytest.raises(Lost, match="went away before it answered"):
        SocketClient(str(app.socket)).get("status")


def test_a_silent_daemon_is_waited_for_only_so_long(app: Places) -> None:
    """Every wait is bounded."""
    app.runtime.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(app.socket))
        listener.listen()
        with pytest.raises(Lost, match=r"did not answer within 0\.05 s"):
            SocketClient(str(app.socket)).get("status", timeout=0.05)


def test_a_daemon_that_does_not_move_is_told_soon(app: Places) -> None:
    """A call may take long; a daemon that does not even say that it is alive is not waited for."""
    app.runtime.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(app.socket))
        listener.listen()
        with pytest.raises(Unreachable, match="answers nothing") as raised:
            SocketClient(str(app.socket), patience=0.05).post("runs", timeout=30)
    assert "shipway repair, which starts it anew" == raised.value.fix


def test_long_work_is_waited_for_while_the_daemon_lives(app: Places, daemon: DaemonDouble) -> None:
    """As long as it answers others, it is not stopped."""
    asks_others = ("GET", "/v1/alive", {})
    released = threading.Event()

    def release_once_it_asked() -> None:
        wait_for(lambda: asks_others in daemon.asked)
        released.set()

    daemon.hold("GET", "/v1/status", released)
    daemon.answer("GET", "/v1/status", {"late": True})
    threading.Thread(target=release_once_it_asked).start()
    assert {"late": True} == SocketClient(str(app.socket), patience=1.0).get("status")
    assert asks_others in daemon.asked


def test_a_daemon_without_its_socket_is_not_taken_for_none(app: Places) -> None:
    """Its lock tells that it runs, so nobody is told to start a second one."""
    app.state.mkdir()
    daemon = LocalDaemon(app, [])
    with app.daemon_lock.open("w") as held:
        held.write("4711")
        held.flush()
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(Unreachable, match=r"the daemon \(process 4711\) is about to start or to end, or has lost"):
            SocketClient(daemon.socket, daemon.process).get("status")
    with pytest.raises(NotRunning):
        SocketClient(daemon.socket, daemon.process).get("status")
