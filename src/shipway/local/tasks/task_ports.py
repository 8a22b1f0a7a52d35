"""Ports for tasks."""

from __future__ import annotations

import threading
import time

from shipway.local.router.ports import draw_free

_PORTS = range(10_000, 20_000)
_PORT_REST = 60.0
_lock = threading.Lock()
_given: dict[int, float] = {}


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on; the same is not given again for a minute.

    Taken from below the range that the kernel uses for outgoing connections (those would take a port between this
    answer and the task's own bind), and apart from the ports on which the router listens.
    """
    with _lock:
        now = time.monotonic()
        port = draw_free((port for port, at in _given.items() if now - at < _PORT_REST), _PORTS)
        _given[port] = now
        return port
