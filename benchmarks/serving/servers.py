"""Server processes of a run: started, waited for, accounted for, and gone at the end, also those that ran off."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from shipway.core.errors import ShipwayError

_MARK = "SHIPWAY_BENCHMARK"
_START = 90.0
_STOP = 15.0
_LAST = 1500


@dataclass(frozen=True, slots=True)
class Launch:
    """How a server is started. `env` is everything it sees."""

    argv: Sequence[str]
    cwd: Path
    env: Mapping[str, str]


class Server:
    """A started server, with every process that came out of it."""

    def __init__(self, name: str, port: int, launch: Launch, log: Path) -> None:
        self.name, self.port = name, port
        self._log = log
        # Servers make daemons of their own (Ray does): what inherits this variable is theirs, whoever its parent is.
        self._mark = f"{name}-{uuid.uuid4().hex}"
        self._known: set[psutil.Process] = set()
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                launch.argv, cwd=launch.cwd, env={**launch.env, _MARK: self._mark}, stdin=subprocess.DEVNULL,
                stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def wait_until_answering(self, path: str, body: bytes | None = None) -> None:
        """Return once a request is answered with 200. Raises ShipwayError with the log's end."""
        deadline = time.monotonic() + _START
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                status, _ = self.ask(path, body)
            except (OSError, http.client.HTTPException):
                status = 0
            if status == 200:
                return
            time.sleep(0.05)
        raise ShipwayError(f"{self.name} did not answer {path} with 200 within {_START:.0f} s", state=self.last_words())

    def ask(self, path: str, body: bytes | None) -> tuple[int, bytes]:
        """Status and body of one request's answer: POST with a body, else GET. Raises OSError, HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            method = "GET" if body is None else "POST"
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def processes(self) -> list[psutil.Process]:
        """Every process of this server that runs now."""
        # By descent as well as by the mark, and remembered: a process that renames itself (Ray's workers) writes over
        # its environment, and one whose parent ended has no descent any more.
        for process in psutil.process_iter():
            try:
                if process.pid == self._process.pid or process.environ().get(_MARK) == self._mark:
                    self._known |= {process, *process.children(recursive=True)}
            except psutil.Error:
                continue
        return [process for process in self._known if _runs(process)]

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-_LAST:]

    def stop(self) -> None:
        """Ask it to stop; after a while, or if it leaves others behind, kill what is left."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _STOP
        while time.monotonic() < deadline:
            self._process.poll()
            if not self.processes():
                return
            time.sleep(0.05)
        left = self.processes()
        for process in left:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(left, timeout=5)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def cpu_seconds(processes: Sequence[psutil.Process]) -> float:
    """Seconds of CPU that these processes have taken so far; those that ended count for nothing."""
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        total += float(times.user + times.system)
    return total


def settle(processes: Sequence[psutil.Process], seconds: float = 20.0) -> None:
    """Return once they hardly work any more: what a load left unfinished must not slow down the next server."""
    pause, deadline = 0.1, time.monotonic() + seconds
    before = cpu_seconds(processes)
    while time.monotonic() < deadline:
        time.sleep(pause)
        now = cpu_seconds(processes)
        if now - before < 0.3 * pause:
            return
        before = now


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Taking down is not interrupted: what is left behind would go on running unseen."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def clean_environment(home: Path, python: Path, **further: str) -> dict[str, str]:
    """A small environment for a server: one thread for each library's pool, nothing written beside its code."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home),
        "LANG": os.environ.get("LANG", "C.UTF-8"), "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
    } | one | further  # fmt: skip
