"""A desk in this process, asked as the daemon would be: the same table of verbs, the same JSON."""

from __future__ import annotations

import json
from typing import Any

from shipway.cli.client.protocol import CALL_TIMEOUT, Client
from shipway.core.errors import explained
from shipway.server.verbs.call import Call, Verbs
from shipway.server.verbs.table import find


class InProcessClient(Client):
    """Calls the table's verbs as `who`. What is asked and answered goes through JSON, as it does over a socket.

    Nothing can go silent here, so that no time limit is needed.
    """

    def __init__(self, table: Verbs, who: str) -> None:
        self._table = table
        self._who = who

    def get(self, *segments: str, timeout: float = CALL_TIMEOUT, **query: str | int | float | None) -> dict[str, Any]:  # noqa: ARG002
        return self._call("GET", segments, {name: str(value) for name, value in query.items() if value is not None}, {})

    def post(self, *segments: str, timeout: float = CALL_TIMEOUT, **body: Any) -> dict[str, Any]:  # noqa: ARG002
        return self._call("POST", segments, {}, json.loads(json.dumps(body)))

    def _call(
        self, method: str, segments: tuple[str, ...], query: dict[str, str], body: dict[str, Any]
    ) -> dict[str, Any]:
        verb, path = find(self._table, method, segments)
        try:
            answer: dict[str, Any] = json.loads(json.dumps(verb(Call(self._who, path, query, body))))
        except OSError as error:
            raise explained(error) from error
        return answer
