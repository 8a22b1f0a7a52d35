"""The router as the local target uses it: state is stored first, then HAProxy is told.

It is one file, though long: every call here holds the one lock over the stored state, and is read beside the others.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.observations.observation import SIDES, Side, Traffic
from shipway.local.files.atomic_file import write_atomically
from shipway.local.router import config, state
from shipway.local.router.access_log import AccessLog
from shipway.local.router.certificates import AUTHORITY, CERTIFICATE, ensure_certificates
from shipway.local.router.error_answers import early_files
from shipway.local.router.holder import WORKER_SOCKET
from shipway.local.router.open_requests import OpenRequest, listed, without_head
from shipway.local.router.ports import draw_free, listening, require_free
from shipway.local.router.process import CONFIGURATION, HAProxyProcess, can_count
from shipway.local.router.runtime_socket import RESTART, Processes, RouterDown, RuntimeSocket, parse_info, parse_stat
from shipway.local.router.state import Slot, Split, State
from shipway.local.router.topology import EnvironmentTopology, Pool, Topology

_RELEASE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
# HAProxy binds a Unix socket under a longer temporary name first; the system's limit is 107 characters.
_SOCKET = re.compile(r"[^'\",\s]{1,90}")
_RELOAD_TIMEOUT = 15.0
_CERTIFICATES = "certificates"


class Count(NamedTuple):
    """Requests, and those of them that failed."""

    requests: int
    errors: int


@dataclass(frozen=True, slots=True)
class Counters:
    """What the router has counted of each side's services; counts only grow while `epoch` stays the same."""

    epoch: str
    by_service: Mapping[tuple[Side, str], Count]
    releases: Mapping[Side, str | None]


class Router:
    """One HAProxy in front of all environments. Calls from several threads are served one after the other."""

    def __init__(self, folder: Path, runtime: Path) -> None:
        """`folder` keeps configuration and state, `runtime` (a short path) the sockets."""
        self._folder = folder.absolute()
        self._runtime_folder = runtime.absolute()
        # `.shipway/router` lies two below the app's folder.
        self._root = self._folder.parent.parent
        self._lock = threading.RLock()
        self._state_file = self._folder / "state.json"
        self._state = state.load(self._state_file)
        self._topology: Topology | None = None
        self._surrounded: config.Surroundings | None = None
        self._written: dict[str, str] = {}
        self._behind = False
        self._held_back = False
        self._looked_at = -math.inf
        self._open: list[OpenRequest] = []
        socket = self._runtime_folder / "haproxy.sock"
        if not _SOCKET.fullmatch(str(socket)):
            raise UsageError(
                f"HAProxy cannot use the socket {socket}: at most 90 characters, and none of quote, comma and space",
                fix="choose another folder for sockets",
            )
        self._runtime = RuntimeSocket(socket)
        self._process = HAProxyProcess(self._folder, self._runtime_folder)
        self._log = AccessLog(self._runtime_folder / "log.sock")

    @property
    def authority(self) -> Path:
        """The certificate that clients of the HTTPS ports trust."""
        return self._folder / _CERTIFICATES / AUTHORITY

    def ensure_running(self, topology: Topology) -> None:
        """Start HAProxy or adopt the running one, and bring it to the topology and the stored state.

        Raises ShipwayError naming the port and its holder when a port is taken; nothing has changed then.
        """
        with self._lock:
            if self._process.is_held():
                # A HAProxy that has just died is about to come back, on the same sockets.
                with contextlib.suppress(ShipwayError):
                    self._process.keep()
            self._held_back = False
            planned = self._planned(topology)
            running = self.is_running()
            for folder in (self._folder, self._runtime_folder):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._store(planned)
            self._topology = topology
            self._log.watch(environment.name for environment in topology.environments)
            if running:
                self._adopt(topology)
            else:
                self._start(topology)

    def plan(self, topology: Topology) -> None:
        """Take in the topology without serving it yet: changes from now on are stored, for `ensure_running`.

        Raises ShipwayError as that does.
        """
        with self._lock:
            planned = self._planned(topology)
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._store(planned)
            self._topology = topology
            self._held_back = True

    def has_state(self) -> bool:
        """Whether a state is stored."""
        return self._state_file.exists()

    def recall(self, known: State) -> None:
        """Take a state that was reconstructed, in place of one that is lost."""
        with self._lock:
            self._store(known)

    def is_running(self) -> bool:
        """Whether HAProxy answers with a worker up."""
        try:
            self._runtime.processes()
        except RouterDown:
            return False
        return True

    def is_held(self) -> bool:
        """Whether HAProxy answers and would be restarted if it died."""
        return self._process.is_held() and self.is_running()

    def stop(self) -> None:
        """Stop HAProxy; requests in flight are cut. The stored state stays."""
        with self._lock:
            self._topology = None
            self._process.stop()
            self._log.close()

    def close(self) -> None:
        """Disconnect from HAProxy, which goes on; the next Router adopts it."""
        with self._lock:
            self._topology = None
            self._log.close()

    def set_tasks(self, environment: str, side: Side, service: str, ports: Mapping[str, int]) -> None:
        """Exactly these tasks (id → port) take the side's new requests; those that left the mapping drain."""
        with self._lock:
            pool, internal = self._pool(environment, side, service)
            before = self._state.slots.get(pool, {})
            after = state.assign(before, ports, self._state.capacities[environment])
            if after == before and not self._behind:
                return
            self._change(replace(self._state, slots={**self._state.slots, pool: after}))
            # New tasks first: the side is never without a task in between.
            changed = sorted((n for n in after if after[n] != before.get(n)), key=lambda n: (after[n].draining, n))
            commands = [c for n in changed for c in config.slot_commands(pool, internal, n, after[n])]
            self._tell([*commands, *config.pool_commands(pool, internal, after)])

    def in_flight(self, environment: str, side: Side, service: str, task: str) -> int:
        """Requests still open on the task, over all HAProxy workers; 0 when the task is gone."""
        with self._lock:
            pool, internal = self._pool(environment, side, service)
            number = self._slot_of(pool, task)
            if number is None:
                return 0
            names = set(config.server_names(pool, internal, number))
            proxies = (pool.public, pool.internal) if internal else (pool.public,)
            processes = self._processes()
            return sum(
                int(row["scur"])
                for worker in (processes.worker, *processes.former)
                for proxy in proxies
                for row in parse_stat(self._runtime.ask(worker, f"show stat {proxy} 4 -1"))
                if f"{row['pxname']}/{row['svname']}" in names
            )

    def forget_task(self, environment: str, side: Side, service: str, task: str) -> None:
        """Free the task's slot; a task without one is forgotten already."""
        with self._lock:
            pool, internal = self._pool(environment, side, service)
            number = self._slot_of(pool, task)
            if number is None:
                return
            left: dict[int, Slot] = {n: slot for n, slot in self._state.slots[pool].items() if n != number}
            self._change(replace(self._state, slots={**self._state.slots, pool: left}))
            commands = config.slot_commands(pool, internal, number, None)
            self._tell([*commands, *config.pool_commands(pool, internal, left)])

    def shift(self, environment: str, candidate: Side, weight: int) -> None:
        """Send `weight` ten-thousandths of the devices to `candidate`, the rest to the other side, at once."""
        with self._lock:
            self._environment(environment)
            if not 0 <= weight <= 10_000:
                raise UsageError(f"{weight} is not a weight: 0 to 10000 ten-thousandths of the devices")
            split = Split(candidate, weight)
            self._change(replace(self._state, splits={**self._state.splits, environment: split}))
            self._tell([f"set map {config.SPLITS} {environment} {config.split_value(split)}"])

    def split(self, environment: str) -> tuple[Side, int]:
        """The candidate and its weight as stored; all of blue before the first shift."""
        with self._lock:
            found = self._state.splits.get(environment, Split())
            return found.candidate, found.weight

    def name_release(self, environment: str, side: Side, release: str | None) -> None:
        """Answers of the side carry `x-shipway-release: <release>`, or no such header."""
        with self._lock:
            self._environment(environment)
            if release is not None and not _RELEASE.fullmatch(release):
                raise UsageError(f"{release!r} is not a release name: letters, digits, `.`, `_` and `-`, at most 64")
            releases = {key: name for key, name in self._state.releases.items() if key != (environment, side)}
            if release is not None:
                releases[environment, side] = release
            self._change(replace(self._state, releases=releases))
            self._tell([f"set map {config.RELEASES} {environment}/{side} {release or config.NO_RELEASE}"])

    def traffic(self, environment: str) -> dict[Side, Traffic]:
        """What clients saw of both sides since the present HAProxy worker started."""
        with self._lock:
            self._environment(environment)
            worker = self._processes().worker
            answer = self._runtime.ask(worker, "show info", "show stat -1 2 -1")
            waiting = self._waiting(worker)
        by_service = _by_service(answer, environment)
        return {
            side: Traffic(
                requests=sum(count.requests for (of, _), count in by_service.items() if of == side),
                errors=sum(count.errors for (of, _), count in by_service.items() if of == side),
                latencies=self._log.latencies(environment, side),
                epoch=_epoch(answer),
                worst=self._log.worst(environment, side),
                waiting=tuple(r.seconds for r in waiting if (r.environment, r.side) == (environment, side)),
            )
            for side in SIDES
        }

    def _waiting(self, worker: int) -> list[OpenRequest]:
        """Requests without an answer yet. Looked at once a second, as HAProxy gives their ages in seconds."""
        now = time.monotonic()
        if now - self._looked_at >= 1.0:
            aged = listed(self._runtime.ask(worker, "show sess"))
            told = self._runtime.ask(worker, *(f"show sess {request.id}" for request in aged))
            self._looked_at, self._open = now, without_head(aged, told)
        return self._open

    def counters(self, environment: str) -> Counters:
        """Requests and errors of each service since the present HAProxy worker started, and their releases."""
        with self._lock:
            self._environment(environment)
            answer = self._runtime.ask(self._processes().worker, "show info", "show stat -1 2 -1")
            releases = {side: self._state.releases.get((environment, side)) for side in SIDES}
        return Counters(_epoch(answer), _by_service(answer, environment), releases)

    def latencies(self, environment: str, side: Side, since: float) -> tuple[float, ...]:
        """The sampled latencies since then, on the monotonic clock."""
        return self._log.latencies(environment, side, since)

    def worst(self, environment: str, side: Side) -> str:
        """The most frequent failure since the last fresh window."""
        return self._log.worst(environment, side)

    def forget_latencies(self, environment: str) -> None:
        """Start a fresh window of latencies and failures."""
        self._log.forget(environment)

    def public_address(self, environment: str) -> str:
        """Where clients reach the environment."""
        with self._lock:
            return f"http://127.0.0.1:{self._environment(environment).port}"

    def internal_port(self, environment: str, side: Side, service: str) -> int:
        """The loopback port behind which the side's own services find `service`; it never changes."""
        with self._lock:
            port = self._state.internal_ports.get(Pool(environment, side, service))
        if port is None:
            raise UsageError(f"no other service of {environment} uses {service}, so it has no internal port")
        return port

    def _planned(self, topology: Topology) -> State:
        planned = state.fitted(self._state, topology, draw_free)
        own = listening(self._process.found())
        require_free(topology.ports, own, self._root)
        require_free(planned.internal_ports.values(), own, self._root)
        return planned

    def _surroundings(self, topology: Topology) -> config.Surroundings:
        https = any(environment.https_port is not None for environment in topology.environments)
        fingerprint = ""
        if https:
            fingerprint = ensure_certificates(self._folder / _CERTIFICATES, dt.datetime.now(dt.UTC))
        return config.Surroundings(
            log_socket=str(self._runtime_folder / "log.sock"),
            worker_socket=str(self._runtime_folder / WORKER_SOCKET),
            count_socket=str(self._runtime_folder / "count.sock") if can_count() else None,
            certificate=f"{_CERTIFICATES}/{CERTIFICATE}" if https else None,
            fingerprint=fingerprint or "none",
            threads=min(4, os.cpu_count() or 1),
        )

    def _start(self, topology: Topology) -> None:
        self._install(topology, self._surroundings(topology))
        self._process.stop()  # leftovers that do not answer would hold the ports
        try:
            self._process.keep()
        except ShipwayError:
            self._process.stop()
            raise

    def _adopt(self, topology: Topology) -> None:
        surroundings = self._surroundings(topology)
        wanted = config.shape(topology, self._state, surroundings)
        if self._runs(wanted):
            self._surrounded = surroundings
            self._write(self._files(topology, surroundings))
            self._tell(list(config.all_commands(topology, self._state)))
        else:
            self._install(topology, surroundings)
            self._runtime.reload()
            deadline = time.monotonic() + _RELOAD_TIMEOUT
            while not self._runs(wanted):
                if time.monotonic() > deadline:
                    raise ShipwayError("the reloaded HAProxy does not run the new file", fix=RESTART)
                time.sleep(0.01)
        self._process.keep()  # now, so that the holder knows of sockets that came or went

    def _runs(self, shape: str) -> bool:
        return self._runtime.info(self._runtime.processes().worker).get("description") == shape

    def _install(self, topology: Topology, surroundings: config.Surroundings) -> None:
        self._surrounded = surroundings
        files = self._files(topology, surroundings)
        text = files.pop(CONFIGURATION)
        self._write(files)  # the file is checked together with its maps
        self._process.install(text)
        self._written[CONFIGURATION] = text

    def _files(self, topology: Topology, surroundings: config.Surroundings) -> dict[str, str]:
        """What HAProxy starts from, by name."""
        return {
            config.LIMIT_BODY: Path(__file__).with_name(config.LIMIT_BODY).read_text(),
            **dict(early_files()),
            config.SPLITS: config.splits_map(topology, self._state),
            config.RELEASES: config.releases_map(topology, self._state),
            CONFIGURATION: config.render(topology, self._state, surroundings),
        }

    def _write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            if self._written.get(name) != text:
                # Every start of the daemon writes them again.
                write_atomically(self._folder / name, text.encode(), lasting=False)
                self._written[name] = text

    def _store(self, new: State) -> None:
        state.save(self._state_file, new)
        self._state = new

    def _change(self, new: State) -> None:
        """Store what HAProxy will be told, also for a HAProxy that the holder may start at any time."""
        self._store(new)
        if self._topology is not None and self._surrounded is not None:
            self._write(self._files(self._topology, self._surrounded))

    def _tell(self, commands: Sequence[str]) -> None:
        """Tell HAProxy what is stored already; all of it when the last attempt failed."""
        if self._held_back:
            return
        if self._behind and self._topology is not None:
            commands = list(config.all_commands(self._topology, self._state))
        self._behind = True
        self._runtime.tell(self._processes(), commands)
        self._behind = False

    def _processes(self) -> Processes:
        """HAProxy's processes; for one that died, its successor's, which starts straight from the stored state."""
        try:
            return self._runtime.processes()
        except RouterDown:
            if self._topology is None:
                raise
            try:
                self._process.keep()
            except ShipwayError:
                self._start(self._topology)
            return self._runtime.processes()

    def _environment(self, name: str) -> EnvironmentTopology:
        found = self._topology.environment(name) if self._topology else None
        if found is None:
            known = ", ".join(e.name for e in self._topology.environments) if self._topology else "none yet"
            raise UsageError(f"the router has no environment {name!r}; it has: {known}", fix="shipway up")
        return found

    def _pool(self, environment: str, side: Side, service: str) -> tuple[Pool, bool]:
        found = self._environment(environment).service(side, service)
        if found is None:
            known = ", ".join(s.name for s in self._environment(environment).services if side in s.sides)
            raise UsageError(f"{environment} has no service {service!r}; it has: {known}")
        return Pool(environment, side, service), found.internal

    def _slot_of(self, pool: Pool, task: str) -> int | None:
        return next((n for n, slot in self._state.slots.get(pool, {}).items() if slot.task == task), None)


def _epoch(answer: str) -> str:
    info = parse_info(answer)
    return f"{info['Pid']}-{info['Start_time_sec']}"


def _by_service(answer: str, environment: str) -> dict[tuple[Side, str], Count]:
    counts: dict[tuple[Side, str], Count] = {}
    for row in parse_stat(answer):
        for side in SIDES:
            service = row["pxname"].removeprefix(f"public.{environment}.{side}.")
            if service != row["pxname"]:
                # An answer that was cut off was counted by its good status, so it is added.
                counts[side, service] = Count(int(row["req_tot"]), int(row["hrsp_5xx"]) + int(row["srv_abrt"]))
    return counts
