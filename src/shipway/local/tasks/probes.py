"""The app's own requests to single tasks, in place of missing clients."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress

from shipway.core.description.app import Probe, Service
from shipway.core.observations.observation import ProbeAnswer

# Many, so that tasks that hang leave threads for the others; only those that are needed are started.
_pool = ThreadPoolExecutor(max_workers=256, thread_name_prefix="probe")


class _Asked:
    """One probe of one task."""

    def __init__(self, port: int, service: str, host: str, probe: Probe, patience: float) -> None:
        self.began = time.monotonic()
        self._service = service
        self._host = host
        self._probe = probe
        # Longer than `ask_all` waits: it is for connections that are never established.
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2 * patience)

    def ask(self) -> ProbeAnswer:
        """Send it and read the answer."""
        probe, connection = self._probe, self._connection
        body = None if probe.body is None else json.dumps(probe.body)
        try:
            # A name, so that a service's log tells them from clients.
            headers = {"host": self._host, "user-agent": "shipway-probe"} | (
                {"content-type": "application/json"} if body else {}
            )
            connection.request(probe.method, probe.path, body, headers)
            answer = connection.getresponse()
            answer.read(1 << 20)
            return self.answered("" if answer.status == probe.status else str(answer.status))
        except (OSError, http.client.HTTPException) as error:
            return self.answered(type(error).__name__)
        finally:
            connection.close()

    def give_up(self) -> None:
        """End the connection, and with it the thread that waits there."""
        with suppress(OSError, AttributeError):
            self._connection.sock.shutdown(socket.SHUT_RDWR)

    def answered(self, failure: str) -> ProbeAnswer:
        """The answer; `failure` says what was wrong with it."""
        named = f"{self._service} {self._probe.method} {self._probe.path} {failure}" if failure else ""
        return ProbeAnswer(time.monotonic() - self.began, named)


def ask_all(tasks: Sequence[tuple[int, str, Service]], patience: float) -> list[ProbeAnswer]:
    """Every probe of every task once; a task is its port, its service's name and description.

    A probe without a complete answer after `patience` seconds has failed, so the call takes no longer than that.
    """
    asked = [
        _Asked(port, name, service.check_host, probe, patience)
        for port, name, service in tasks
        for probe in service.probes or (Probe(path=service.ready),)
    ]
    answers = {one: _pool.submit(one.ask) for one in asked}
    wait(answers.values(), patience)
    late = [one for one, answer in answers.items() if not answer.done()]
    for one in late:
        one.give_up()
    return [
        one.answered(f"no answer within {patience:g} s") if one in late else answer.result()
        for one, answer in answers.items()
    ]
