"""Starts the daemon, and waits until it answers or is gone."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from shipway.cli.client import Client, Lost, NotRunning
from shipway.cli.daemon_lock import holder
from shipway.core.daemon.environment import kept
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.core.places import Places

START_TIMEOUT = 60.0
STOP_TIMEOUT = 120.0
_PAUSE = 0.05
_PROBE_TIMEOUT = 2.0
_TAIL = 20
_ROOM = 256 * 1024
"""Bytes that a start has to find room for: its databases and its log."""
_KINDS: dict[int, type[ShipwayError]] = {2: UsageError, 3: Refused}


def status_if_running(client: Client) -> dict[str, Any] | None:
    """The daemon's status; None when there is no daemon."""
    try:
        return client.get("status")
    except NotRunning:
        return None


def is_left_serving(places: Places) -> bool:
    """Whether the app's router still listens in the runtime folder, as it does after its daemon has ended."""
    for path in places.runtime.glob("*.sock"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(_PROBE_TIMEOUT)
            if probe.connect_ex(str(path)) == 0:
                return True
    return False


def start(places: Places) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """Start the daemon in a session of its own and wait until it answers: the process and its first status.

    Raises the error that the daemon itself told when it can't start.
    """
    _make_folder(places)
    with places.daemon_log.open("ab") as log:
        began_at = log.tell()
        process = subprocess.Popen(
            # -P: a folder `shipway` in the app's repository must not be taken for the product.
            [sys.executable, "-P", "-m", "shipway.server", "--root", str(places.root)],
            cwd=places.root,
            env=kept(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        return process, _first_status(places, process, began_at)
    except KeyboardInterrupt:
        process.terminate()
        raise


def _first_status(places: Places, process: subprocess.Popen[bytes], began_at: int) -> dict[str, Any]:
    client = Client(places.socket)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise _why_not(places.daemon_log, began_at, process.returncode)
        try:
            return client.get("status")
        except (NotRunning, Lost):
            time.sleep(_PAUSE)
    raise ShipwayError(
        f"the daemon did not answer within {START_TIMEOUT:.0f} s",
        state=f"it still tries to start (pid {process.pid})",
        fix=f"look at {places.daemon_log}",
    )


def wait_until_gone(places: Places) -> None:
    """Wait until the daemon has ended. Raises ShipwayError when it takes too long."""
    deadline = time.monotonic() + STOP_TIMEOUT
    while holder(places.daemon_lock) is not None or _answers(Client(places.socket)):
        if time.monotonic() > deadline:
            raise ShipwayError(
                f"the daemon still runs after {STOP_TIMEOUT:.0f} s", fix="shipway repair, then shipway down again"
            )
        time.sleep(_PAUSE)


def _answers(client: Client) -> bool:
    try:
        return status_if_running(client) is not None
    except Lost:
        return True


def _make_folder(places: Places) -> None:
    """Make the state's folder and see that it takes data: on a full disk the daemon could not even say why it ended."""
    experiment = places.state / ".room"
    try:
        places.state.mkdir(mode=0o700, exist_ok=True)
        places.daemon_log.touch(mode=0o600)
        try:
            with experiment.open("wb") as file:
                file.write(bytes(_ROOM))
                file.flush()
                os.fsync(file.fileno())
        finally:
            experiment.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(places.state, error) from error


def _unwritable(folder: Path, error: OSError) -> ShipwayError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return ShipwayError(
        f"{folder} can't be written: {(error.strerror or str(error)).lower()}",
        fix=f"make room there (df {folder}), then shipway up" if full else "shipway doctor",
        state="nothing was started; what serves goes on",
    )


def _why_not(log: Path, began_at: int, code: int) -> ShipwayError:
    """The error that a daemon which ended at once wrote on its last line; else the end of its log."""
    with log.open("rb") as file:
        file.seek(began_at)
        lines = file.read(1 << 20).decode(errors="replace").splitlines()
    for line in reversed(lines):
        try:
            error = json.loads(line)["error"]
            return _KINDS.get(error["exit_code"], ShipwayError)(error["what"], fix=error["fix"], state=error["state"])
        except (ValueError, KeyError, TypeError):
            continue
    if not lines:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        return ShipwayError(
            f"the daemon {how} before it answered, without a word: out of memory or disk, or ended by somebody",
            fix="shipway doctor, then shipway up",
        )
    said = "\n".join(lines[-_TAIL:])
    return ShipwayError(f"the daemon ended with {code} before it answered:\n{said}", fix=f"look at {log}")
