"""Ports for tasks."""

from __future__ import annotations

import random
import threading
import time

from shipway.core.errors import ShipwayError
from shipway.local.router.ports import is_free

_PORTS = range(10_000, 20_000)
_PORT_REST = 60.0
_lock = threading.Lock()
_given: dict[int, float] = {}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; the same is not given again for a minute.

    Taken from below the range out of which the kernel serves outgoing connections (those would take a port between
    this answer and the task's own bind), and apart from the ports on which the router listens.
    """
    with _lock:
        now = time.monotonic()
        for port in random.sample(_PORTS, 200):
            if now - _given.get(port, -_PORT_REST) >= _PORT_REST and is_free(port):
                _given[port] = now
                return port
    raise ShipwayError(
        f"no free port found between {_PORTS.start} and {_PORTS.stop - 1}",
        fix="`ss -ltn` shows what listens there; end what you don't need",
    )
