"""Ports for what tests start, when several processes run tests on one machine at once."""

from __future__ import annotations

import random
import socket
from collections import deque

_PORTS = range(30_000, 32_700)
"""Apart from the ports that Shipway gives to tasks and routers, and below those that systems hand out by themselves."""
_CLAIMS: deque[socket.socket] = deque(maxlen=200)


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on, and that no other process is given by this function meanwhile.

    The UDP port of the same number stands for the claim: one process can have it, and it is free again when that ends.
    The oldest claims are given up, so that a long run of tests keeps few files open.
    """
    for port in random.sample(_PORTS, len(_PORTS)):
        claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            claim.bind(("127.0.0.1", port))
            with socket.socket() as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            _CLAIMS.append(claim)
            return port
    raise AssertionError(f"no port between {_PORTS.start} and {_PORTS.stop - 1} is free")
