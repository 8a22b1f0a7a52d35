"""A load client that counts every failure: `python -m shipway.demo.load --url http://127.0.0.1:8080 --path /health`.

Open loop: requests are due at a steady rate whatever the answers do, and latency counts from when a request was due,
so a stalled server cannot hide behind fewer requests. Half of the requests use kept connections, half a fresh one.
Without `--control` it ends by itself and says what it saw. With it, lines on stdin steer it (`mark STEP`, `stop`; the
end of stdin is `stop` too) and JSON lines on stdout tell what it sees: `mark`, `failure`, `progress`, `summary`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.demo.exchange import Connection, Failed
from shipway.demo.question import Question, Requests, read_question
from shipway.demo.tally import Outcome, Step, Tally

Emit = Callable[[dict[str, Any]], None]
PROGRESS_EVERY = 0.25
MAX_KEPT = 256


@dataclass(frozen=True, slots=True)
class Options:
    """How hard to ask. `seconds` is None for a load that ends when it is told to; `step` names its first step."""

    rate: float
    seconds: float | None
    devices: int
    timeout: float
    seed: int = 0
    step: str = "load"


class Load:
    """One load from its first request to its last. Requests in flight are at most `rate` × `timeout`."""

    def __init__(self, requests: Requests, options: Options, emit: Emit) -> None:
        self._requests = requests
        self._options = options
        self._emit = emit
        self._kept: list[Connection] = []
        self._window: dict[str, Counter[str]] = {"releases": Counter(), "versions": Counter()}
        self._closed_idle = 0
        self._stop = asyncio.Event()
        # Unix time that never jumps: read once, then carried on by the loop's own clock.
        self._offset = time.time() - asyncio.get_running_loop().time()
        self._tally = Tally(options.step, self._clock())
        self._sent = self._failed = 0

    def mark(self, name: str) -> None:
        """Requests sent from now on belong to the step `name`."""
        self._tally.mark(name, self._clock())
        self._emit({"event": "mark", "step": name, "at": self._clock()})

    def stop(self) -> None:
        """Send nothing any more; what is in flight is still waited for."""
        self._stop.set()

    async def run(self) -> dict[str, Any]:
        """Send until stopped; the summary."""
        chooser = random.Random(self._options.seed)
        begin = self._clock()
        reporter = asyncio.create_task(self._report())
        pending: set[asyncio.Task[None]] = set()
        number = 0
        while not await self._wait_until(begin + number / self._options.rate):
            device = f"device-{chooser.randrange(self._options.devices)}"
            due = begin + number / self._options.rate
            task = asyncio.create_task(self._one(number, device, due, self._tally.step))
            pending.add(task)
            task.add_done_callback(pending.discard)
            self._tally.step.sent += 1
            self._sent += 1
            number += 1
            if self._options.seconds is not None and number >= self._options.seconds * self._options.rate:
                break
        self._stop.set()
        await asyncio.gather(*pending)
        for connection in self._kept:
            connection.close()
        await reporter
        return self._tally.summary() | {"rate": self._options.rate, "closed_while_idle": self._closed_idle}

    def _clock(self) -> float:
        return self._offset + asyncio.get_running_loop().time()

    async def _wait_until(self, due: float) -> bool:
        """Whether the load was stopped before the time came."""
        delay = due - self._clock()
        if delay > 0:
            try:
                async with asyncio.timeout(delay):
                    await self._stop.wait()
            except TimeoutError:
                pass
        return self._stop.is_set()

    async def _one(self, number: int, device: str, due: float, step: Step) -> None:
        fresh = number % 2 == 1
        request = self._requests.write(number, device, keep=not fresh)
        sent = self._clock()
        noted: dict[str, Any] = {}
        try:
            async with asyncio.timeout_at(asyncio.get_running_loop().time() + due + self._options.timeout - sent):
                await self._exchange(request, fresh, noted)
        except TimeoutError:
            noted["failure"], noted["detail"] = "timeout", f"no answer within {self._options.timeout:g} s"
        except Failed as failed:
            noted["failure"], noted["detail"] = failed.kind, failed.detail
        outcome = Outcome(device, due, sent, self._clock(), fresh=fresh, **noted)
        for failure in self._tally.add(outcome, step):
            self._failed += 1
            self._emit({"event": "failure", "step": step.name, **failure.as_json()})
        self._window["releases"][outcome.release] += 1
        if outcome.version:
            self._window["versions"][outcome.version] += 1

    async def _exchange(self, request: bytes, fresh: bool, noted: dict[str, Any]) -> None:
        connection = None if fresh else self._take_kept()
        if connection is None:
            connection = await Connection.open(self._requests.host, self._requests.port)
        keep = False
        try:
            answer = await connection.ask(request)
            noted["status"] = answer.status
            noted["release"] = answer.headers.get("x-shipway-release", "")
            noted["side"] = answer.headers.get("x-shipway-side", "")
            keep = not fresh and connection.reusable() and len(self._kept) < MAX_KEPT
            question = self._requests.question
            body = question.check(answer)
            if question.version_key:
                noted["version"] = str(body.get(question.version_key, ""))
        finally:
            if keep:
                self._kept.append(connection)
            else:
                connection.close()

    def _take_kept(self) -> Connection | None:
        while self._kept:
            connection = self._kept.pop()
            if connection.reusable():
                return connection
            connection.close()
            self._closed_idle += 1
        return None

    async def _report(self) -> None:
        while not await self._wait_until(self._clock() + PROGRESS_EVERY):
            seen = {name: dict(counts) for name, counts in self._window.items()}
            for counts in self._window.values():
                counts.clear()
            totals = {"sent": self._sent, "failed": self._failed}
            self._emit({"event": "progress", "at": self._clock(), "step": self._tally.step.name, **totals, **seen})


def main(arguments: list[str] | None = None) -> int:
    """0 when nothing failed, 1 when something did, 2 on a mistake in the options."""
    options, requests, control = parse(arguments)
    emit = _write_line if control else lambda _: None
    summary = asyncio.run(_run(requests, options, emit, control))
    if control:
        _write_line({"event": "summary", **summary})
    else:
        sys.stdout.write(json.dumps(summary) + "\n" if "--json" in (arguments or sys.argv) else _describe(summary))
    return 1 if summary["failed"] else 0


def parse(arguments: list[str] | None) -> tuple[Options, Requests, bool]:
    """Options, requests and whether stdin steers. Exits with 2 on a mistake."""
    parser = argparse.ArgumentParser(prog="python -m shipway.demo.load", description=__doc__)
    parser.add_argument("--url", required=True, help="address, such as http://127.0.0.1:8080")
    parser.add_argument("--path", default="/health", help="for a plain GET")
    parser.add_argument("--question", type=Path, help="JSON file: path, method, bodies, status, expect, version_key")
    parser.add_argument("--rate", type=float, default=100.0, help="requests a second, up to 2000 (default: 100)")
    parser.add_argument("--seconds", type=float, help="how long (default: 10, or until told to stop)")
    parser.add_argument("--devices", type=int, default=400, help="different values of x-device-id (default: 400)")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds a request may take (default: 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the order of the devices")
    parser.add_argument("--step", default="load", help="name of the first step")
    parser.add_argument("--json", action="store_true", help="the summary as one JSON object")
    parser.add_argument("--control", action="store_true", help="steered by stdin, JSON lines on stdout")
    given = parser.parse_args(arguments)
    if not 0 < given.rate <= 2000:
        parser.error(f"--rate {given.rate:g}: allowed is above 0, up to 2000")
    if not 0 < given.timeout <= 60:
        parser.error(f"--timeout {given.timeout:g}: allowed is above 0, up to 60")
    if not 1 <= given.devices <= 100_000:
        parser.error(f"--devices {given.devices}: allowed is 1 to 100000")
    seconds = given.seconds if given.seconds is not None or given.control else 10.0
    try:
        question = read_question(json.loads(given.question.read_text())) if given.question else Question(given.path)
        requests = Requests.to(given.url, question)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    options = Options(given.rate, seconds, given.devices, given.timeout, given.seed, given.step)
    return options, requests, given.control


async def _run(requests: Requests, options: Options, emit: Emit, control: bool) -> dict[str, Any]:
    load = Load(requests, options, emit)
    listener = asyncio.create_task(_listen(load)) if control else None
    summary = await load.run()
    if listener is not None:
        listener.cancel()
    return summary


async def _listen(load: Load) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        verb, _, name = line.partition(" ")
        if verb == "mark" and name:
            load.mark(name)
        elif verb == "stop":
            break
    load.stop()


def _write_line(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _describe(summary: dict[str, Any]) -> str:
    lines = [f"{summary['sent']:,} requests, {summary['failed']:,} failed"]
    for step in summary["steps"]:
        times = ", ".join(f"{name} {value:g} ms" for name, value in step["latency_ms"].items())
        lines.append(f"latency: {times}")
        lines += [f"{kind}: {count:,}" for kind, count in step["kinds"].items()]
        lines += [f"{name or 'no release named'}: {seen['answers']:,}" for name, seen in step["releases"].items()]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
