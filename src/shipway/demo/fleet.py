"""Simulated devices that open the app again and again, and what each of them was given."""

from __future__ import annotations

import heapq
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from shipway.core.errors import ShipwayError
from shipway.demo.device import Ask, Device
from shipway.demo.exchange import Answer
from shipway.demo.story import FleetPolicy

_WORKERS = 4
_BACK_SOON = 1.0
"""Seconds after which somebody comes back to an app that has loaded a bundle: it is shown then."""
_GONE = 410


@dataclass(slots=True)
class Reach:
    """What became of a bundle, on the clock of `time.monotonic`. `ran` are the devices that ran it, in that order."""

    ran: list[str]
    last_run: float = 0.0
    last_offered: float = 0.0
    first_failed: float | None = None


class Fleet:
    """Devices whose app is opened `rate` times a second in all, each in its turn. `step` is what their requests count to."""

    def __init__(
        self, send: Ask, policy: FleetPolicy, public_key: str | None, native: tuple[str, str], step: str
    ) -> None:
        self._send = send
        self._policy = policy
        self.devices = [Device(f"phone-{n}", self._ask, public_key, native) for n in range(policy.devices)]
        self.step = step
        self.sent: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.opened = 0
        self._reached: dict[str, Reach] = {}
        self._opened_at: dict[str, float] = {}
        self._random = random.Random(0)
        self._ended = False
        self._news = threading.Condition()
        now = time.monotonic()
        self._due = [(now + n / policy.rate, n) for n in range(policy.devices)]
        self._threads = [threading.Thread(target=self._work, name=f"devices-{n}", daemon=True) for n in range(_WORKERS)]
        for thread in self._threads:
            thread.start()

    def reach(self, version: str) -> Reach:
        """What became of a bundle so far."""
        return self._reached.get(version) or Reach([])

    def running(self, version: str) -> int:
        """How many devices run the bundle."""
        return sum(device.running == version for device in self.devices)

    def is_settled(self, since: float) -> bool:
        """Whether every device has opened the app since that moment."""
        return all(self._opened_at.get(device.id, 0.0) > since for device in self.devices)

    def wait_for(self, what: str, wanted: Callable[[], bool], timeout: float) -> None:
        """Wait until it is as wanted. Raises ShipwayError after `timeout` seconds."""
        with self._news:
            if not self._news.wait_for(wanted, timeout):
                raise ShipwayError(f"{what}: not seen within {timeout:g} s")

    def end(self) -> None:
        """Open no app any more; what has begun is waited for."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        for thread in self._threads:
            thread.join(30)

    def _work(self) -> None:
        while (number := self._next()) is not None:
            device = self.devices[number]
            began, met, broken = time.monotonic(), len(device.met), len(device.broken)
            # A failure is counted where it was asked.
            with suppress(OSError):
                device.open(time.time())
            turn = self._policy.devices / self._policy.rate * self._random.uniform(0.8, 1.2)
            due = time.monotonic() + (_BACK_SOON if device.next is not None else turn)
            with self._news:
                self._note(device, began, met, broken)
                heapq.heappush(self._due, (due, number))
                self._news.notify_all()

    def _next(self) -> int | None:
        """The number of the device whose turn it is, once it is; None at the end."""
        with self._news:
            while not self._ended:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[1]
                self._news.wait(wait)
        return None

    def _note(self, device: Device, began: float, met: int, broken: int) -> None:
        """What came of opening the app of a device that had run and broken so many bundles before."""
        now = time.monotonic()
        self.opened += 1
        self._opened_at[device.id] = began
        if device.offered is not None:
            self._reached.setdefault(device.offered, Reach([])).last_offered = now
        if len(device.met) > met:
            reach = self._reached.setdefault(device.met[-1], Reach([]))
            reach.ran.append(device.id)
            reach.last_run = now
        if len(device.broken) > broken:
            reach = self._reached.setdefault(device.met[-1], Reach([]))
            reach.first_failed = reach.first_failed or now

    def _ask(self, method: str, path: str, body: bytes | None) -> Answer:
        step = self.step
        try:
            answer = self._send(method, path, body)
        except OSError as error:
            self._failure(step, f"{method} {path}: {error}")
            raise
        # A bundle that was taken back while a device was about to load it is gone, as it should be.
        if answer.status != 200 and not (method == "GET" and answer.status == _GONE):
            self._failure(step, f"{method} {path} answered {answer.status}")
        with self._news:
            self.sent[step] += 1
        return answer

    def _failure(self, step: str, what: str) -> None:
        with self._news:
            self.failed[step] += 1
            self.examples.setdefault(step, what)
