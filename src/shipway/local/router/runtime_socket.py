"""HAProxy's command line on its master socket: one way to reach the serving worker and those that still drain."""

from __future__ import annotations

import csv
import re
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shipway.core.errors import ShipwayError

TIMEOUT = 10.0
RESTART = "shipway down --keep-tasks, then shipway up --detach"
"""How a person restarts the daemon while the app goes on serving."""
_LONGEST_LINE = 8_000
_LARGEST_ANSWER = 32 * 1024 * 1024
_DONE = re.compile(r"^(no need to change|IP changed from|port changed from)\b")


class RouterDown(ShipwayError):
    """No HAProxy answers on the socket."""


@dataclass(frozen=True, slots=True)
class Processes:
    """Process ids of the master, the worker that takes connections, and workers that finish theirs after a reload."""

    master: int
    worker: int
    former: tuple[int, ...]


class RuntimeSocket:
    """Commands to a running HAProxy. Every call is one short connection, bounded in time and size."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def processes(self) -> Processes:
        """The processes that run. Raises RouterDown when none does, or no worker is up yet."""
        masters: list[int] = []
        workers: list[int] = []
        former: list[int] = []
        kept = masters
        for line in self._exchange("show proc").splitlines():
            fields = line.split()
            if line.startswith("# "):
                kept = former if line == "# old workers" else workers if line == "# workers" else []
            elif fields and fields[0].isdigit():
                kept.append(int(fields[0]))
        if not masters or not workers:
            raise RouterDown("the router has no worker")
        return Processes(masters[0], workers[-1], tuple(former))

    def ask(self, worker: int, *commands: str) -> str:
        """The worker's answers, joined."""
        return "".join(self._exchange(line) for line in _lines(worker, commands))

    def info(self, worker: int) -> dict[str, str]:
        """`show info` of the worker."""
        return parse_info(self.ask(worker, "show info"))

    def tell(self, processes: Processes, commands: Sequence[str]) -> None:
        """Give the commands to every worker. Raises ShipwayError when the serving one refuses.

        Workers left over from a reload still answer the connections they hold, so they follow too. They do not
        route to what they do not know (an environment added since), and one may just have ended: their answers do
        not matter.
        """
        answer = self.ask(processes.worker, *commands)
        for worker in processes.former:
            self.ask(worker, *commands)
        refused = [line for line in answer.splitlines() if line and not _DONE.match(line)]
        if refused:
            raise ShipwayError(
                f"HAProxy refused a change: {refused[0]}",
                fix=f"{RESTART}: it brings the router back to its stored state",
            )

    def reload(self) -> None:
        """Start a worker on the present file; the serving one finishes. Raises ShipwayError with the reason."""
        answer = self._exchange("reload")
        if not answer.startswith("Success=1"):
            raise ShipwayError(
                f"HAProxy did not reload: {answer.strip()[-800:] or 'no reason given'}",
                state="the router goes on with what it had",
                fix=f"correct the cause, then {RESTART}",
            )

    def _exchange(self, line: str) -> str:
        deadline = time.monotonic() + TIMEOUT
        answer = bytearray()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            try:
                connection.connect(str(self._path))
                connection.sendall(line.encode("ascii") + b"\n")
                connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    answer += part
                    if len(answer) > _LARGEST_ANSWER or time.monotonic() > deadline:
                        raise ShipwayError("HAProxy's answer is longer than it can be", fix=RESTART)
            except TimeoutError as error:
                raise ShipwayError(
                    f"HAProxy did not answer on {self._path} within {TIMEOUT:.0f} s",
                    fix="see whether the machine is overloaded; if not, restart everything: shipway down, then shipway up --detach",
                ) from error
            except OSError as error:
                raise RouterDown(f"no HAProxy answers on {self._path}: {error}", fix="shipway up --detach") from error
        return answer.decode("utf-8", "replace")


def parse_info(text: str) -> dict[str, str]:
    """The `Name: value` lines of `show info`."""
    return {name: value for name, found, value in (line.partition(": ") for line in text.splitlines()) if found}


def parse_stat(text: str) -> Iterator[dict[str, str]]:
    """The rows of `show stat`, by column name; text before the table is skipped."""
    table = text.find("# pxname")
    if table >= 0:
        yield from csv.DictReader(text[table + 2 :].splitlines())


def _lines(worker: int, commands: Sequence[str]) -> Iterator[str]:
    """The commands for one worker, as lines that fit HAProxy's buffer."""
    line = ""
    for command in commands:
        addressed = f"@!{worker} {command}"
        if line and len(line) + len(addressed) > _LONGEST_LINE:
            yield line
            line = ""
        line = f"{line}; {addressed}" if line else addressed
    if line:
        yield line
