"""Clients that call again and again while something happens."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections import Counter
from typing import Self

PATIENCE = 30.0
"""How long a client waits for one answer: longer than a busy machine takes."""


class Callers:
    """Threads that call until they are told to stop."""

    def __init__(self, count: int) -> None:
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(number,)) for number in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)

    def _call(self, number: int) -> None:
        raise NotImplementedError


class Clients(Callers):
    """Devices that ask one path, one after the other. Keeps who was answered by which release, and what was wrong."""

    def __init__(self, port: int, path: str = "/") -> None:
        super().__init__(3)
        self.statuses: list[int] = []
        """In the order of the answers; 0 where there was none."""
        self.failures: list[str] = []
        self.releases: dict[str, list[str]] = {}
        self._url = f"http://127.0.0.1:{port}{path}"

    @property
    def sent(self) -> int:
        """How many requests have come to an end."""
        return len(self.statuses)

    @property
    def counts(self) -> Counter[int]:
        """How often each status came."""
        return Counter(self.statuses)

    def says(self, text: str, release: str) -> bool:
        """Whether an answer is what the release says."""
        return text.endswith(f"from {release}")

    def _call(self, number: int) -> None:
        count = 0
        while not self._stop.wait(0.01):
            count += 1
            self.statuses.append(self._ask(f"device-{number}-{count % 40}"))

    def _ask(self, device: str) -> int:
        try:
            request = urllib.request.Request(self._url, headers={"x-device-id": device})
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                release = answer.headers["x-shipway-release"]
                text = answer.read().decode()
                if not self.says(text, release):
                    self.failures.append(f"{text!r} as {release}")
                self.releases.setdefault(device, []).append(release)
                return int(answer.status)
        except urllib.error.HTTPError as error:
            self.failures.append(f"{error.code} {error.headers['x-shipway-release']}")
            error.close()
            return error.code
        except OSError as error:
            self.failures.append(repr(error))
            return 0
