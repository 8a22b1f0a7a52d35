"""Runs an emulator of AWS beside the program that asks it."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools import terraform

_SECONDS = 60.0


@contextmanager
def running(command: Sequence[str | Path], settings: Mapping[str, str], log: Path) -> Iterator[str]:
    """The emulator's address while it runs. In `settings`, its environment variables, {port} stands for a free port.

    Raises Failed where it ends at once, or never answers.
    """
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    with log.open("w") as output:
        environment = os.environ | {name: value.format(port=port) for name, value in settings.items()}
        server = subprocess.Popen(command, env=environment, stdout=output, stderr=output, cwd=log.parent)
        try:
            _wait_for(port, server, log)
            yield address
        finally:
            server.terminate()
            try:
                server.wait(timeout=30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        if server.poll() is not None:
            raise terraform.Failed(f"the emulator ended at once: see {log}")
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=2):
                return
        except OSError:
            time.sleep(0.25)
    raise terraform.Failed(f"the emulator did not answer within {_SECONDS:.0f} s: see {log}")
