"""A request, what may answer it, and what the server calls: all that the rest of the service knows of HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


class Request:
    """One request as it came. Header names are lower case; of a header given twice the last one counts.

    `clients` is the number of connections that are open, its own included.
    """

    __slots__ = ("arrived", "body", "clients", "headers", "method", "path", "query")

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: dict[bytes, bytes],
        body: bytes | bytearray,
        arrived: float,
        clients: int = 1,
    ) -> None:
        self.method = method
        self.path, _, self.query = target.partition(b"?")
        self.headers = headers
        self.body = body
        self.arrived = arrived
        self.clients = clients


class Answer:
    """What goes back. `close` ends the connection afterwards."""

    __slots__ = ("body", "close", "content_type", "headers", "model_version", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        content_type: bytes = b"application/json",
        headers: bytes = b"",
        close: bool = False,
        model_version: str | None = None,
    ) -> None:
        """`headers` are further header lines, each ended by CR LF; `model_version` is for the log."""
        self.status = status
        self.body = body
        self.content_type = content_type
        self.headers = headers
        self.close = close
        self.model_version = model_version


class Later:
    """An answer that comes later in the same turn of the event loop, without the price of a task."""

    __slots__ = ("deliver", "steps")

    def __init__(self) -> None:
        """`steps` are applied in turn to what is found, until it is an answer; the server says how to `deliver` it."""
        self.steps: tuple[Callable[[Answer | Exception], Answer], ...] = ()
        self.deliver: Callable[[Answer], None]

    def resolve(self, found: Answer | Exception) -> None:
        """Hand over what was found. Call it once, in the event loop, after the handler has returned."""
        for step in self.steps:
            found = step(found)
        assert isinstance(found, Answer)
        self.deliver(found)


Reply = Answer | Later | Awaitable[Answer]
"""An answer, or what it will come from."""
Handler = Callable[[Request], Reply]
"""Must not raise: a fault is an answer, too."""
Refuse = Callable[[Request, int, str, str], Answer]
"""Makes the answer to a request that is turned down, from what was read of it: status, code, message."""
