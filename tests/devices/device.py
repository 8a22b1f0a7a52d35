"""A device that behaves badly with bundles on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from shipway.demo import device
from shipway.demo.device import Files, Refused
from shipway.demo.exchange import Answer


class Behaviour(Enum):
    """What a device does with one bundle."""

    GOOD = auto()
    NO_BOOT = auto()
    """The page never comes up; the updater waits in vain, goes back and reports it."""
    REVERTS_MUTELY = auto()
    """The same, but the report is lost."""
    SILENT = auto()
    """The page never speaks, and the updater takes the word of the page before for its own: it stays."""
    CRASHES = auto()
    """It boots, speaks, and crashes, at every start."""
    SLOW = auto()
    """It speaks only when it is opened for the third time."""
    WRONG_CHECKSUM = auto()
    """What arrives is not what was sent."""


@dataclass(slots=True)
class Device(device.Device):
    """`behaves` says what it does with which bundle; with all others it does well.

    `clock_off` are the seconds that its clock is wrong by; `repeats` says everything so many times.
    """

    behaves: Mapping[str, Behaviour] = field(default_factory=dict)
    clock_off: float = 0.0
    repeats: int = 1
    errs_at: Callable[[int], bool] = lambda _: False
    """Whether the page meets an error at this start of the app, by its number."""

    def flood(self, now: float, times: int) -> list[int]:
        """The statuses of so many check-ins in a row."""
        statuses = []
        for _ in range(times):
            self._check_in(now)
            assert self.last is not None
            statuses.append(self.last.status)
        return statuses

    def _use(self, now: float) -> None:
        behaviour = self._behaviour(self.running)
        if behaviour in (Behaviour.NO_BOOT, Behaviour.REVERTS_MUTELY):
            self._go_back(now, tell=behaviour is Behaviour.NO_BOOT)
            return
        if behaviour is Behaviour.SILENT or (behaviour is Behaviour.SLOW and self.starts % 3):
            return
        self._speak()
        if behaviour is Behaviour.CRASHES:
            self._report("app_crash", self.running, now)
        if self.errs_at(self.starts):
            self._report("webview_javascript_error", self.running, now)

    def _unpack(self, answer: Mapping[str, str], content: bytes) -> Files | None:
        if self._behaviour(answer["version"]) is not Behaviour.WRONG_CHECKSUM:
            return device.opened(answer, content, self.public_key)
        device.opened(answer, content[:-1] + bytes([content[-1] ^ 1]), self.public_key)
        # Without a key nothing was looked at.
        raise Refused

    def _report(self, action: str, version: str, now: float) -> None:
        device.Device._report(self, action, version, now + self.clock_off)

    def _post(self, path: str, body: object) -> Answer:
        for _ in range(self.repeats):
            answer = device.Device._post(self, path, body)
        return answer

    def _behaviour(self, version: str) -> Behaviour:
        return self.behaves.get(version, Behaviour.GOOD)
