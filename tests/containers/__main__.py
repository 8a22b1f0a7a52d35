"""`make infra-containers`: the images built by their buildspecs, run by an emulator's ECS, asked over its load balancer.

What is looked at is what clients are served, never what the emulator says of a rollout. It takes ten minutes, most of
them for installing packages, and leaves nothing behind. What it shows of AWS and what not: docs/aws/verified.md.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.containers.emulator import emulator
from tests.containers.engine import NoEngine, engine, gateway
from tests.containers.rehearsal import Rehearsal
from tests.free_ports import free_port


def main() -> int:
    """Exit code 0; 1 where something was not as it should be, 2 where there is no container engine."""
    # Whoever ends it ends it tidily: containers and their network belong to the engine, and would stay.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="shipway-containers-") as temporary, ExitStack() as running:
        folder = Path(temporary)
        port = free_port()
        try:
            containers = running.enter_context(engine(folder, port))
            running.enter_context(gateway(containers))
        except NoEngine as none:
            print(f"infra-containers: {none}", file=sys.stderr)
            return 2
        except subprocess.SubprocessError as error:
            print(f"infra-containers: the engine can't run a container: {_said(error)}", file=sys.stderr)
            return 2
        settings = {"DOCKER_HOST": containers.socket, "HOSTNAME": containers.gateway} | containers.variables
        aws = running.enter_context(emulator(port, folder, settings))
        rehearsal = Rehearsal(folder, containers, aws)
        for name, step in rehearsal.steps():
            try:
                with _timed(name):
                    step()
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                print(f"✘ {name}: {_said(error)}", file=sys.stderr)
                print(rehearsal.seen(), file=sys.stderr)
                return 1
    return 0


@contextmanager
def _timed(name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    print(f"✔ {name}  ({time.monotonic() - started:.0f} s)", flush=True)


def _said(error: Exception) -> str:
    # What a program printed before its time was over is bytes, whatever it was asked for.
    printed = (getattr(error, name, None) or "" for name in ("stdout", "stderr"))
    texts = (text.decode(errors="replace") if isinstance(text, bytes) else text for text in printed)
    return "\n".join(filter(None, (str(error)[-3000:], *(text[-3000:] for text in texts))))


if __name__ == "__main__":
    sys.exit(main())
