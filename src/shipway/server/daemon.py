"""The daemon's life: one for each app; it may die at any time, and the next one takes over."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from shipway import wiring
from shipway.core.errors import ShipwayError
from shipway.core.places import places_of
from shipway.local.files.private_state import close_to_others
from shipway.local.files.runtime_folder import make_private
from shipway.server.api import make_api
from shipway.server.peer import PeerProtocol

_LOOKS_EVERY = 10
_log = logging.getLogger(__name__)


def serve(root: Path) -> None:
    """Run the daemon for the app in `root` until it is told to stop. Raises ShipwayError when it can't start."""
    places = places_of(root, os.getuid())
    if not (root / "shipway.yaml").is_file():
        raise ShipwayError(f"{root} has no shipway.yaml", fix="start shipway in the folder that has it")
    places.state.mkdir(mode=0o700, exist_ok=True)
    close_to_others(places.state)
    (places.state / ".gitignore").write_text("*\n")
    with _only_one(places.daemon_lock):
        platform = wiring.build(root)
        platform.start()
        server = _Server(
            uvicorn.Config(
                make_api(platform, stop=lambda: os.kill(os.getpid(), signal.SIGTERM)),
                http=PeerProtocol,
                lifespan="off",
                log_level="warning",
                access_log=False,
                timeout_graceful_shutdown=2,
            ),
            places.socket,
        )
        server.run(sockets=[_listen(places.socket)])
        platform.stopping.set()
        # Threads of runs under way are parked: they go on in the next daemon, so nothing waits for them here.
        os._exit(0)


class _Server(uvicorn.Server):
    """Listens anew where its socket was removed, as cleaners of `/tmp` do; requests under way go on."""

    def __init__(self, config: uvicorn.Config, path: Path) -> None:
        super().__init__(config)
        self._path = path

    async def on_tick(self, counter: int) -> bool:
        """Called by uvicorn ten times a second."""
        if counter % _LOOKS_EVERY == 0 and not self._path.exists():
            try:
                fresh = _listen(self._path)
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


@contextlib.contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            pid = file.read(20).strip() or "unknown"
            raise ShipwayError(
                f"Shipway is already running here (daemon {pid})",
                fix="shipway status; shipway down stops it",
                state="nothing changed",
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _listen(path: Path) -> socket.socket:
    """Listen on the daemon's socket. A file that a dead daemon left is in nobody's way: we hold the lock."""
    make_private(path.parent)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(128)
    return listener
