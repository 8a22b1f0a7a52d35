"""HTTP and JSON over the daemon's Unix socket: one connection a call, every wait and every size bounded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from shipway.cli.client.protocol import CALL_TIMEOUT, Client, Lost, NotRunning, Unreachable
from shipway.core.errors import Refused, RolledBack, ShipwayError, UsageError

PATIENCE = 2.5
"""Seconds of silence after which it is asked whether the daemon still moves; twice that bounds the wait for it."""
MAX_ANSWER = 64 << 20
_KINDS: dict[int, type[ShipwayError]] = {2: UsageError, 3: Refused, 4: RolledBack}


def _none() -> None:
    """No daemon is known."""


class SocketClient(Client):
    """Calls the daemon whose socket lies at `path`. An answer is the JSON object that the daemon sent.

    By the process id that `process` answers, 0 for an unknown one, a daemon without a socket is told from no daemon.
    """

    def __init__(self, path: str, process: Callable[[], int | None] = _none, patience: float = PATIENCE) -> None:
        self._path = path
        self._process_id = process
        self._patience = patience

    def get(self, *segments: str, timeout: float = CALL_TIMEOUT, **query: str | int | float | None) -> dict[str, Any]:
        words = urlencode({key: value for key, value in query.items() if value is not None})
        return self._call("GET", _target(segments) + (f"?{words}" if words else ""), None, timeout)

    def post(self, *segments: str, timeout: float = CALL_TIMEOUT, **body: Any) -> dict[str, Any]:
        return self._call("POST", _target(segments), json.dumps(body).encode(), timeout)

    def _call(self, method: str, target: str, body: bytes | None, timeout: float) -> dict[str, Any]:
        from shipway.cli.client.unix_http import Broken, Unresponsive, exchange  # `--help` does without http.client

        try:
            status, data = exchange(
                self._path, method, target, body, timeout=timeout, most=MAX_ANSWER + 1, patience=self._patience
            )
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise self._absent() from error
        except Unresponsive as error:
            raise Unreachable(
                f"the daemon{self._process()} answers nothing: it was stopped, or has far too much to do",
                fix="shipway repair, which starts it anew",
                state="whether this was carried out is not known; what serves goes on",
            ) from error
        except PermissionError as error:
            raise Refused(f"you may not talk to the daemon here: {self._path} belongs to someone else") from error
        except TimeoutError as error:
            fix = "look at `shipway logs --daemon`"
            raise Lost(f"the daemon did not answer within {timeout:g} s", fix=fix) from error
        except (OSError, Broken) as error:
            raise Lost(f"the daemon went away before it answered: {error}", fix="shipway status") from error
        return _answer(status, data)

    def _absent(self) -> ShipwayError:
        process = self._process()
        if not process:
            return NotRunning()
        return Unreachable(
            f"the daemon{process} is about to start or to end, or has lost its socket {self._path}",
            fix="try again in some seconds; if it stays like this: shipway repair",
            state="what serves goes on",
        )

    def _process(self) -> str:
        """` (process 4711)` while there is one."""
        pid = self._process_id()
        return "" if pid is None else f" (process {pid or 'unknown'})"


def _target(segments: tuple[str, ...]) -> str:
    return "/v1/" + "/".join(quote(segment, safe="") for segment in segments)


def _answer(status: int, data: bytes) -> dict[str, Any]:
    """The JSON object of an answer. Raises the error that it tells of."""
    if len(data) > MAX_ANSWER:
        raise ShipwayError(f"the daemon's answer is longer than {MAX_ANSWER:,} bytes", fix="ask for fewer lines")
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        fix = "look at `shipway logs --daemon`"
        raise ShipwayError(f"the daemon answered {status} with something that is no JSON object", fix=fix)
    if status < 400:
        return answer
    error = answer.get("error")
    if not isinstance(error, dict) or not isinstance(error.get("what"), str):
        raise ShipwayError(f"the daemon answered {status}", fix="look at `shipway logs --daemon`")
    kind = _KINDS.get(error.get("exit_code", 1), ShipwayError)
    raise kind(error["what"], fix=error.get("fix") or "", state=error.get("state") or "")
