"""The daemon's API over a desk in memory, without a socket: real rules, records and routes."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from shipway.server.http import make_api
from tests.doubles.platform import platform_over
from tests.pipeline.house import House

Json = dict[str, Any]


class Api:
    """Calls it as the daemon's server would."""

    def __init__(self, folder: Path) -> None:
        self.house = House(folder)
        self.platform = platform_over(self.house)
        self.places = self.platform.places
        self.stopped = threading.Event()
        self._api = make_api(self.platform, self.stopped.set)
        self._runner = asyncio.Runner()

    @property
    def routes(self) -> list[tuple[str, str]]:
        """Method and path of every verb."""
        return [(method, route.path) for route in self._api.routes for method in route.methods - {"HEAD"}]  # type: ignore[attr-defined]

    def call(
        self, method: str, path: str, body: object = None, query: Mapping[str, object] | None = None
    ) -> tuple[int, Json]:
        """Status and answer."""
        return self._runner.run(self._call(method, path, body, query or {}))

    def close(self) -> None:
        self.platform.stopping.set()
        self._runner.close()
        self.house.close()

    async def _call(self, method: str, path: str, body: object, query: Mapping[str, object]) -> tuple[int, Json]:
        raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        sent: list[Any] = []

        async def receive() -> Json:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": [], "root_path": "",
            "query_string": urlencode(query).encode(), "client": ("0", 0), "scheme": "http", "server": None,
        }  # fmt: skip
        await self._api(scope, receive, send)
        return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


def age(path: Path) -> None:
    """Nobody has touched it since 1970."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, (0, 0))
