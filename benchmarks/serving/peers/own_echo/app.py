"""The model service's own HTTP server with nothing behind it: the body is read, a constant answered."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from ml_model_service.http.messages import Answer, Request
from ml_model_service.http.server import Server

ANSWER = Answer(200, b'{"model_version":"v1.0","predictions":[0.38197814579118056]}')


def refuse(_: Request, status: int, code: str, message: str) -> Answer:
    """What is no HTTP."""
    return Answer(status, f"{code}: {message}".encode(), b"text/plain", close=True)


async def main(port: int) -> None:
    """Serve until killed."""
    server = Server(lambda _: ANSWER, refuse, max_body=6 * 1024 * 1024, body_timeout=30)
    await server.serve("127.0.0.1", port, asyncio.Event(), 0)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(int(sys.argv[1])))
