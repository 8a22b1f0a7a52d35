"""A small real HTTP server on a Unix socket that answers what a test put into it and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class DaemonDouble:
    """Answers `(method, path)`; of several answers each is given once, and the last one from then on."""

    def __init__(self, path: Path) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self._answers: dict[tuple[str, str], deque[tuple[int, bytes]]] = {}
        self._held: dict[tuple[str, str], threading.Event] = {}
        self._path = path
        self._server: socketserver.ThreadingUnixStreamServer | None = None

    def answer(self, method: str, path: str, *bodies: object, status: int = 200) -> None:
        """Answer with these bodies, in this order; bytes are sent as they are."""
        encoded = [body if isinstance(body, bytes) else json.dumps(body).encode() for body in bodies]
        self._answers.setdefault((method, path), deque()).extend((status, body) for body in encoded)

    def hold(self, method: str, path: str, until: threading.Event) -> None:
        """Answer there only once the event is set."""
        self._held[method, path] = until

    def start(self) -> None:
        """Listen. A file that a stopped one left is replaced."""
        self._path.unlink(missing_ok=True)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        double = self

        class Handler(BaseHTTPRequestHandler):
            def _serve(self) -> None:
                double._serve(self)

            do_GET = do_POST = _serve  # noqa: N815 - http.server's names

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def address_string(self) -> str:
                return "peer"

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A caller that went away in the middle is what some tests are about."""

        self._server = Server(str(self._path), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Stop listening and take the socket away."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        self._path.unlink(missing_ok=True)

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        url = urlsplit(request.path)
        raw = request.rfile.read(int(request.headers.get("content-length", 0)))
        sent = json.loads(raw) if raw else dict(parse_qsl(url.query))
        self.asked.append((request.command, url.path, sent))
        if held := self._held.get((request.command, url.path)):
            held.wait(60)
        answers = self._answers.get((request.command, url.path))
        unknown = {"error": {"what": f"no route {url.path}", "fix": "", "state": "", "exit_code": 2}}
        status, body = (404, json.dumps(unknown).encode()) if not answers else answers[0]
        if answers and len(answers) > 1:
            answers.popleft()
        if status == HANG_UP:
            request.connection.shutdown(socket.SHUT_RDWR)
            return
        request.send_response(status)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


HANG_UP = 0
"""As a status: the connection ends without an answer."""
