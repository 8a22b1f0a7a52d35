"""The app's own requests to single tasks, in place of clients that are not there."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from shipway.core.description import Probe, Service
from shipway.core.observation import ProbeAnswer

TIMEOUT = 5.0
_pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="probe")


def ask_all(tasks: Sequence[tuple[int, str, Service]]) -> list[ProbeAnswer]:
    """Every probe of every task once; a task is its port, its service's name and description."""
    asked = [
        _pool.submit(_ask, port, name, service.check_host, probe)
        for port, name, service in tasks
        for probe in service.probes or (Probe(path=service.ready),)
    ]
    return [answer.result() for answer in asked]


def _ask(port: int, service: str, host: str, probe: Probe) -> ProbeAnswer:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    body = None if probe.body is None else json.dumps(probe.body)
    try:
        headers = {"host": host} | ({"content-type": "application/json"} if body else {})
        connection.request(probe.method, probe.path, body, headers)
        answer = connection.getresponse()
        answer.read(1 << 20)
        failure = "" if answer.status == probe.status else f"{service} {probe.method} {probe.path} {answer.status}"
    except (OSError, http.client.HTTPException) as error:
        failure = f"{service} {probe.method} {probe.path} {type(error).__name__}"
    finally:
        connection.close()
    return ProbeAnswer(time.monotonic() - began, failure)
