"""The daemon's life: one for each app; it may die at any time, and the next one takes over."""

from __future__ import annotations

import logging
import os
import signal
import socket
from pathlib import Path

import uvicorn

from shipway import wiring
from shipway.core.daemon.outside import Daemon
from shipway.core.description import DESCRIPTION
from shipway.core.errors import ShipwayError
from shipway.server.http import make_api
from shipway.server.peer import PeerProtocol

_LOOKS_EVERY = 10
_log = logging.getLogger(__name__)


def serve(root: Path, target: str | None) -> None:
    """Run the daemon for the app in `root` until it is told to stop. Raises ShipwayError when it can't start."""
    if not (root / DESCRIPTION).is_file():
        raise ShipwayError(f"{root} has no {DESCRIPTION}", fix="start shipway in the folder that has it")
    chosen = wiring.target(root, target)
    daemon = chosen.daemon()
    if daemon is None:
        raise ShipwayError("this target has no daemon", fix="call the command that was meant: it needs none")
    with daemon.alone():
        control = chosen.control_plane()
        control.start()
        server = _Server(
            uvicorn.Config(
                make_api(control, end=lambda: os.kill(os.getpid(), signal.SIGTERM)),
                http=PeerProtocol,
                lifespan="off",
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=2,
            ),
            daemon,
        )
        server.run(sockets=[socket.socket(fileno=daemon.listen())])
        control.stop(keep_tasks=True)
        # Threads of runs under way are parked: they go on in the next daemon, so nothing waits for them here.
        os._exit(0)


class _Server(uvicorn.Server):
    """Listens anew where its socket was removed, as cleaners of `/tmp` do; requests under way go on."""

    def __init__(self, config: uvicorn.Config, daemon: Daemon) -> None:
        super().__init__(config)
        self._daemon = daemon
        self._path = Path(daemon.socket)

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        if counter % _LOOKS_EVERY == 0 and not self._path.exists():
            try:
                fresh = socket.socket(fileno=self._daemon.listen())
            except (OSError, ShipwayError):
                _log.exception("%s is gone and can't be made again; tried again", self._path)
            else:
                _log.warning("%s was gone; listening there again", self._path)
                for server in self.servers:
                    server.close()
                await self.startup([fresh])
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Called by uvicorn, which ends the process itself where a signal was the reason."""
        await super().shutdown(sockets)
        self._path.unlink(missing_ok=True)
