"""The throwaway folder that a story plays in: a git repository of its own, free ports, trained models, nothing left."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import psutil
import uv
import yaml

from shipway.core.errors import ShipwayError
from shipway.core.places import DESCRIPTION, places_of
from shipway.demo.story import Story, Training

COMMAND_TIMEOUT = 300.0
_LAST_LINES = 15


@dataclass(frozen=True, slots=True)
class Finished:
    """A command of the story that ended. `answer` is the JSON object it printed, empty when it printed none."""

    command: str
    exit_code: int
    answer: Mapping[str, Any]
    error: str


class Stage:
    """One throwaway folder. `app` is the repository in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = folder / "app"
        self.models = folder / "models"
        self.description: dict[str, Any] = {}

    @classmethod
    def make(cls) -> Stage:
        """A new empty folder."""
        return cls(Path(tempfile.mkdtemp(prefix="shipway-demo-")).resolve())

    # -- setting up ----------------------------------------------------------------------------------------------

    def copy_app(self, checkout: Path, story: Story) -> None:
        """Copy what the story names, as it lies in the checkout (uncommitted changes too), and commit it on `main`."""
        for path in _files(checkout, story):
            target = self.app / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / path, target)
        self._rewrite_description(story)
        self._git("init", "--quiet", "--initial-branch", str(self.environment(story.environment)["branch"]))
        self.commit("The app as it is")

    def train(self, training: Training) -> None:
        """Make every model version of the story, all at once. Raises ShipwayError when a command fails."""
        environment = self.folder / "training-environment"
        lock = str(self.app / training.lock)
        _must([uv.find_uv_bin(), "venv", "--quiet", "--python", sys.executable, str(environment)])
        python = str(environment / "bin" / "python")
        _must([uv.find_uv_bin(), "pip", "sync", "--quiet", "--require-hashes", "--python", python, lock])
        folder = self.app / training.folder

        def one(version: str, command: str) -> None:
            words = [w.format(python=python, output=self.models / version) for w in shlex.split(command)]
            # Two trainings share the machine: each keeps to one thread.
            extra = {"PYTHONPATH": str(folder / training.source), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
            _must(words, cwd=folder, extra=extra)

        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(one, training.versions, training.versions.values()))

    def environment(self, name: str) -> dict[str, Any]:
        """An environment's part of the rewritten shipway.yaml."""
        part: dict[str, Any] = self.description["environments"][name]
        return part

    def url(self, environment: str) -> str:
        """Where an environment answers."""
        return f"http://127.0.0.1:{self.environment(environment)['port']}"

    # -- the story's commits and commands ------------------------------------------------------------------------

    def commit(self, subject: str) -> None:
        """Commit all of the working copy."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", subject)

    def apply(self, patch: Path, subject: str) -> None:
        """Commit a patch. Raises ShipwayError when it does not fit the app any more."""
        self._git("apply", "--recount", str(patch))
        self.commit(subject)

    def revert(self) -> None:
        """Commit the opposite of the last commit."""
        self._git("revert", "--no-edit", "HEAD")

    def command(self, *words: str) -> list[str]:
        """The arguments of a `shipway` command, as this very product."""
        return [sys.executable, "-m", "shipway", *words]

    def run(self, *words: str) -> Finished:
        """Run a `shipway` command to its end. The JSON object that it prints is its answer."""
        done = _run(self.command(*words), cwd=self.app)
        last = done.stdout.strip()
        try:
            answer = json.loads(last) if last.startswith("{") else {}
        except ValueError:
            answer = {}
        return Finished(shlex.join(["shipway", *words]), done.returncode, answer, done.stderr.strip())

    def must(self, *words: str) -> Mapping[str, Any]:
        """The answer of a command that has to succeed. Raises ShipwayError with what it said."""
        done = self.run(*words)
        if done.exit_code != 0:
            raise ShipwayError(f"{done.command} ended with {done.exit_code}:\n{_tail(done.error)}", state=self._log_tail())
        return done.answer

    # -- taking it down ------------------------------------------------------------------------------------------

    def clear(self) -> list[str]:
        """Stop everything and remove the folder. Answers what `shipway down` had left running."""
        if self.app.is_dir():
            self.run("down", "--yes")
        left = self._processes()
        names = [f"{process.pid} {' '.join(process.info['cmdline'] or [])[:120]}" for process in left]
        for process in left:
            _kill(process)
        psutil.wait_procs(left, timeout=5)
        shutil.rmtree(places_of(self.app, os.getuid()).runtime, ignore_errors=True)
        _make_writable(self.folder)
        shutil.rmtree(self.folder)
        return names

    def _processes(self) -> list[psutil.Process]:
        """Every process that works in this folder: by its folder or by a path in its command."""
        found = []
        for process in psutil.process_iter(["pid", "cmdline", "cwd", "status"]):
            about = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
            if process.pid != os.getpid() and any(str(self.folder) in word for word in about):
                found.append(process)
        return found

    # -- the small print -----------------------------------------------------------------------------------------

    def _rewrite_description(self, story: Story) -> None:
        """Free ports, so that the story never meets a Shipway that runs here, and the story's own settings."""
        path = self.app / DESCRIPTION
        self.description = _laid_over(yaml.safe_load(path.read_text()), story.settings)
        ports = _free_ports(2 * len(self.description["environments"]))
        for environment in self.description["environments"].values():
            for key in ("port", "https_port"):
                if key in environment:
                    environment[key] = ports.pop()
        path.write_text(yaml.safe_dump(self.description, sort_keys=False, allow_unicode=True))

    def _git(self, *words: str) -> None:
        # The user's own settings (signing, hooks, templates) have no say in a throwaway repository.
        identity = {
            f"GIT_{who}_{what}": value
            for who in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", "Shipway demo"), ("EMAIL", "demo@localhost"))
        }
        _must(
            ["git", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false", *words],
            cwd=self.app,
            extra={"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", **identity},
        )

    def _log_tail(self) -> str:
        log = places_of(self.app, os.getuid()).daemon_log
        return f"the daemon's last words:\n{_tail(log.read_text(errors='replace'))}" if log.is_file() else ""


def _files(checkout: Path, story: Story) -> list[str]:
    """Tracked files and those not tracked yet, but none that are ignored or deleted."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *story.copy_]
    listed = _must(words, cwd=checkout).stdout.split("\0")
    kept = [
        path
        for path in sorted({path for path in listed if path})
        if (checkout / path).is_file() and not any(fnmatch(path, pattern) for pattern in story.leave_out)
    ]
    if not kept:
        raise ShipwayError(f"nothing of {', '.join(story.copy_)} lies in {checkout}", fix="run it in the app's checkout")
    return kept


def _laid_over(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, Mapping):
        return over
    return base | {key: _laid_over(base.get(key), value) for key, value in over.items()}


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those that outgoing connections take."""
    free: list[int] = []
    for port in random.SystemRandom().sample(range(20_000, 32_000), 2_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                free.append(port)
        if len(free) == count:
            return free
    raise ShipwayError(f"no {count} free ports between 20000 and 32000 on this machine")


def _must(words: Sequence[str], cwd: Path | None = None, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    try:
        done = _run(words, cwd, extra)
    except FileNotFoundError as error:
        raise ShipwayError(f"{words[0]} is not installed", fix=f"install {words[0]}") from error
    if done.returncode != 0:
        said = _tail(done.stderr or done.stdout)
        raise ShipwayError(f"{shlex.join(words)} ended with {done.returncode}:\n{said}")
    return done


def _run(words: Sequence[str], cwd: Path | None, extra: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    # A session of its own: Ctrl-C is for the player, which then takes everything down in order.
    return subprocess.run(
        words, cwd=cwd, env={**os.environ, **(extra or {})}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", timeout=COMMAND_TIMEOUT, start_new_session=True, check=False,
    )  # fmt: skip


def _tail(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-_LAST_LINES:])


def _kill(process: psutil.Process) -> None:
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def _make_writable(folder: Path) -> None:
    """Built trees are read-only; their folders must be writable to be removed."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(stat.S_IRWXU)
