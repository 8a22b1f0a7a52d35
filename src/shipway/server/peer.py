"""Who is calling: the kernel's word about the other end of a Unix socket."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

_CREDENTIALS = struct.Struct("3i")


class PeerProtocol(H11Protocol):
    """Puts the caller's user id, as text, and process where the client's address and port would stand in the ASGI scope."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Called by the event loop."""
        super().connection_made(transport)
        connection = cast(socket.socket, transport.get_extra_info("socket"))
        self.client = _caller_of(connection)


def _caller_of(connection: socket.socket) -> tuple[str, int]:
    """User and process id; 0 for a process that the system does not tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        # Elsewhere than on Linux the folder's mode lets in the owner alone.
        return str(os.getuid()), 0
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    process, user, _ = _CREDENTIALS.unpack(packed)
    return str(user), process
