"""The daemon of an app on this machine: started and awaited from outside, alone and listening from within."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from shipway.core.daemon.environment import kept
from shipway.core.daemon.outside import Daemon
from shipway.core.errors import Refused, ShipwayError, UsageError
from shipway.local.files.private_state import close_to_others
from shipway.local.files.runtime_folder import make_private
from shipway.local.places import Places

START_TIMEOUT = 60.0
STOP_TIMEOUT = 120.0
PATIENCE = 2.5
"""Seconds that a daemon may take to say that it is alive."""
_PAUSE = 0.05
_TAIL = 20
_ROOM = 256 * 1024
"""Bytes that a start has to find room for: its databases and its log."""
_KINDS: dict[int, type[ShipwayError]] = {2: UsageError, 3: Refused}


class LocalDaemon(Daemon):
    """`python -m shipway.server` with these arguments, in a session of its own."""

    def __init__(self, places: Places, arguments: Sequence[str]) -> None:
        self._places = places
        self._arguments = arguments

    @property
    def socket(self) -> str:
        return str(self._places.socket)

    @property
    def state(self) -> str:
        return str(self._places.state)

    def process(self) -> int | None:
        try:
            with self._places.daemon_lock.open() as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    said = file.read(20).strip()
                    return int(said) if said.isdecimal() else 0
        except (FileNotFoundError, NotADirectoryError, PermissionError):
            pass
        return None

    def start(self) -> subprocess.Popen[bytes]:
        self._make_folder()
        log = self._places.daemon_log
        with log.open("ab") as file:
            began_at = file.tell()
            process = subprocess.Popen(
                # -P: a folder `shipway` in the app's repository must not be taken for the product.
                [sys.executable, "-P", "-m", "shipway.server", *self._arguments],
                cwd=self._places.root,
                env=kept(os.environ),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            self._await(process, began_at)
        except KeyboardInterrupt:
            process.terminate()
            raise
        return process

    def wait_until_gone(self) -> None:
        deadline = time.monotonic() + STOP_TIMEOUT
        while self.process() is not None or self.answers():
            if time.monotonic() > deadline:
                raise ShipwayError(
                    f"the daemon still runs after {STOP_TIMEOUT:.0f} s", fix="shipway repair, then shipway down again"
                )
            time.sleep(_PAUSE)

    def is_left_serving(self) -> bool:
        """The app's router still listens in the runtime folder."""
        return any(_connects(path) for path in self._places.runtime.glob("*.sock"))

    def answers(self, patience: float = PATIENCE) -> bool:
        """Whether it says within so many seconds that it is alive."""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(patience)
            try:
                probe.connect(self.socket)
                probe.sendall(b"GET /v1/alive HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                return bool(probe.recv(1))
            except OSError:
                return False

    def forget(self) -> None:
        shutil.rmtree(self._places.runtime, ignore_errors=True)

    # -- from within ---------------------------------------------------------------------------------------------

    @contextmanager
    def alone(self) -> Iterator[None]:
        state = self._places.state
        state.mkdir(mode=0o700, exist_ok=True)
        close_to_others(state)
        (state / ".gitignore").write_text("*\n")
        with self._places.daemon_lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ShipwayError(
                    f"Shipway is already running here (daemon {self.process() or 'unknown'})",
                    fix="shipway status; shipway down stops it",
                    state="nothing changed",
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def listen(self) -> int:
        """A file that a dead daemon left is in nobody's way: who listens holds the lock."""
        path = self._places.socket
        make_private(path.parent)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(self.socket)
        path.chmod(0o600)
        listener.listen(128)
        return listener.detach()

    # -- its start -----------------------------------------------------------------------------------------------

    def _await(self, process: subprocess.Popen[bytes], began_at: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self.answers():
            if process.poll() is not None:
                raise _why_not(self._places.daemon_log, began_at, process.returncode)
            if time.monotonic() > deadline:
                raise ShipwayError(
                    f"the daemon did not answer within {START_TIMEOUT:.0f} s",
                    state=f"it still tries to start (pid {process.pid})",
                    fix=f"look at {self._places.daemon_log}",
                )
            time.sleep(_PAUSE)

    def _make_folder(self) -> None:
        """Make the state's folder and see that it takes data: on a full disk the daemon could not even say why it ended."""
        state = self._places.state
        trial = state / ".room"
        try:
            state.mkdir(mode=0o700, exist_ok=True)
            self._places.daemon_log.touch(mode=0o600)
            try:
                with trial.open("wb") as file:
                    file.write(bytes(_ROOM))
                    file.flush()
                    os.fsync(file.fileno())
            finally:
                trial.unlink(missing_ok=True)
        except OSError as error:
            raise _unwritable(state, error) from error


def _connects(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PATIENCE)
        return probe.connect_ex(str(path)) == 0


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
