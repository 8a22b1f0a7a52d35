"""An app that guesses the weight of parcels: an HTTP server that counts what it is asked and told, and can be made to fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SmallApp:
    """`asked` and `told` are the bodies, in the order of their arrival; `fails` the bodies that are answered with 500."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[Any] = []
        self.told: list[tuple[str, str, Any]] = []
        self.connections = 0
        self.fails: list[Any] = []
        self.known: dict[str, Any] = {}
        self.seen: list[Any] = []


@contextmanager
def serving() -> Iterator[SmallApp]:
    """The app, until the end of the block."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            app.connections += 1

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                status, answer = self._answer(body)
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, body: Any) -> tuple[int, Any]:
            if body in app.fails:
                return 500, {"error": "made to"}
            if self.path == "/guess":
                app.asked.append(body)
                app.seen.append(app.known.get("scale"))
                return 200, {"key": f"k-{body['parcel']}", "heavy": body["parcel"] % 10 / 10}
            app.told.append((self.path, self.headers["x-device-id"], body))
            return 200, {}

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    app = SmallApp(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield app
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
