"""CloudWatch Logs: the newest lines of log groups, and what came since the last look."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from shipway.aws.calls import AwsError, Calls
from shipway.core.logs.asked import Asked
from shipway.core.logs.log_line import understood

EVERY = 2.0
"""Seconds between two looks of who follows: AWS allows 25 of these calls a second in an account."""
_PAGES = 20  # of 10,000 lines or a megabyte: as far back as is read for lines that are narrowed
_MOST = 10_000
_EARLIEST = 1_704_067_200  # 2024: AWS reads backwards from then on only
_LATE = 10.0  # seconds that a line may need to arrive


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a log stream, at a Unix time."""

    at: float
    group: str
    stream: str
    text: str
    id: str = ""


@dataclass(slots=True)
class _Tail:
    """What a follower was told last, and when it was looked at."""

    lines: list[Line] = field(default_factory=list)
    looked: float = 0.0


class LogLines:
    """Log groups of one region. A group that is not there has no lines."""

    def __init__(self, calls: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._calls = calls
        self._clock = clock
        self._tails: dict[object, _Tail] = {}

    def newest(
        self,
        groups: Sequence[str],
        asked: Asked,
        *,
        prefix: str = "",
        streams: Sequence[str] = (),
        checks: Collection[str] = (),
    ) -> list[Line]:
        """The last lines that are wanted of all groups together, oldest first.

        `prefix` and `streams` narrow the streams; `checks` are the paths of health checks. Who asks the same again in
        this process is told what came meanwhile, no sooner than `EVERY` seconds after the last time.
        """
        key = (tuple(groups), asked, prefix, tuple(streams))
        tail = self._tails.get(key)
        if tail is None:
            tail = self._tails[key] = _Tail()
            since = asked.since
        else:
            self._calls.sleep(max(0.0, tail.looked + EVERY - self._clock()))
            since = max(asked.since, tail.lines[-1].at - _LATE) if tail.lines else asked.since
        found = {(line.group, line.id): line for line in tail.lines}
        for group in groups:
            found |= {(line.group, line.id): line for line in self._read(group, asked, since, prefix, streams, checks)}
        lines = sorted(found.values(), key=lambda line: line.at)
        tail.lines = lines[-asked.lines :] if asked.lines else []
        tail.looked = self._clock()
        return tail.lines

    def _read(
        self, group: str, asked: Asked, since: float, prefix: str, streams: Sequence[str], checks: Collection[str]
    ) -> Iterator[Line]:
        """The newest lines of a group first, no more than are asked for."""
        left = asked.lines
        if left == 0:
            return
        size = _MOST if asked.narrowed else left
        for event in self._events(group, max(since, _EARLIEST), prefix, streams, size):
            text = event["message"].rstrip("\n")
            if asked.takes(text, understood(text), checks):
                left -= 1
                yield Line(event["timestamp"] / 1000, group, event["logStreamName"], text, event.get("eventId", ""))
            if left == 0:
                return

    def _events(
        self, group: str, since: float, prefix: str, streams: Sequence[str], size: int
    ) -> Iterator[dict[str, Any]]:
        request: dict[str, Any] = {
            "logGroupName": group, "startTime": int(since * 1000), "startFromHead": False, "limit": max(1, min(size, _MOST)),
        }  # fmt: skip
        if streams:
            request["logStreamNames"] = list(streams)[:100]
        elif prefix:
            request["logStreamNamePrefix"] = prefix
        for _ in range(_PAGES):
            try:
                page = self._calls.call("logs", "filter_log_events", **request)
            except AwsError as error:
                if error.code == "ResourceNotFoundException":
                    return
                raise
            yield from sorted(page.get("events", ()), key=lambda event: -event["timestamp"])
            if not page.get("nextToken"):
                return
            request["nextToken"] = page["nextToken"]
