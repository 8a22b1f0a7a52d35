"""The throwaway folder that a story plays in: a git repository of its own, free ports, trained models, nothing left."""

from __future__ import annotations

import os
import random
import shlex
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import uv
import yaml

from shipway import wiring
from shipway.core.contract.bundles import SIGNING_KEY
from shipway.core.daemon.outside import Daemon
from shipway.core.description import DESCRIPTION
from shipway.core.errors import ShipwayError
from shipway.demo.commands import ShipwayCommand, must
from shipway.demo.fitting import export, newest_fitting_commit, unfit_patch
from shipway.demo.leftovers import PREFIX, processes_in, sign
from shipway.demo.story import Story, Training

_IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Shipway demo"), ("EMAIL", "demo@localhost"))
}
# The user's own settings (signing, hooks, templates) have no say in a throwaway repository.
_GIT_ENVIRONMENT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, **_IDENTITY}


class Stage:
    """One throwaway folder. `app` is the repository in it, `models` holds the trained versions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.app = folder / "app"
        self.models = folder / "models"
        self.description: dict[str, Any] = {}
        self.public_keys: dict[str, str] = {}
        self._commands: list[ShipwayCommand] = []

    @classmethod
    def make(cls) -> Stage:
        """A new empty folder."""
        stage = cls(Path(tempfile.mkdtemp(prefix=PREFIX)).resolve())
        sign(stage.folder)
        return stage

    def copy_app(self, checkout: Path, story: Story) -> str | None:
        """Copy what the story names, as it lies in the checkout (uncommitted changes too), and commit it.

        Where the story's patches do not fit that, its files of the newest commit that they fit are taken, and the
        commit is answered. Raises ShipwayError when there is none.
        """
        for path in _files(checkout, story):
            target = self.app / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / path, target, follow_symlinks=False)
        older = self._go_back(checkout, story)
        self._rewrite_description(story)
        self._git("init", "--quiet", "--initial-branch", str(self.environment(story.environment)["branch"]))
        (self.app / ".git" / "info" / "exclude").write_text(".shipway/\n")
        self.commit("The app as it is")
        self._share_environments(checkout)
        return older

    def train(self, checkout: Path, training: Training) -> None:
        """Make every model version of the story. Raises ShipwayError when a command fails."""
        folder = self.app / training.folder
        python = _training_python(_state(checkout) / "demo-training", self.app / training.lock)

        def one(version: str, command: str) -> None:
            words = [word.format(python=python, output=self.models / version) for word in shlex.split(command)]
            must(words, folder, {"PYTHONPATH": str(folder / training.source), "PYTHONDONTWRITEBYTECODE": "1"})

        with ThreadPoolExecutor(max_workers=2) as pool:
            try:
                list(pool.map(one, training.versions, training.versions.values()))
            except BaseException:
                # The pool waits for its threads, and they wait for the trainings.
                for process in processes_in(self.folder):
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                raise

    def start(self) -> None:
        """Start the control plane, and give every environment the key that signs bundles where a service names one.

        The public halves are in `public_keys`, by environment.
        """
        self.shipway("up", "--detach").answer()
        if any(SIGNING_KEY in service.get("secrets", ()) for service in self.description["services"].values()):
            making = {name: self.shipway("app", "key", "--env", name) for name in self.description["environments"]}
            self.public_keys = {name: str(command.answer()["public_key"]) for name, command in making.items()}

    def environment(self, name: str) -> dict[str, Any]:
        """An environment's part of the rewritten shipway.yaml."""
        part: dict[str, Any] = self.description["environments"][name]
        return part

    def url(self, environment: str) -> str:
        """Where an environment answers."""
        return f"http://127.0.0.1:{self.environment(environment)['port']}"

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

    def shipway(self, *words: str, tell: Callable[[str], None] = lambda _: None) -> ShipwayCommand:
        """Start a `shipway` command in the app; what it tells is passed on."""
        command = ShipwayCommand(self.app, words, tell)
        self._commands.append(command)
        return command

    def clear(self, patience: float = 10.0) -> list[str]:
        """Stop everything and remove the folder. Answers what still ran `patience` seconds after `shipway down`."""
        for command in self._commands:
            command.kill()
        daemon = daemon_of(self.app)
        if daemon.process() is not None or daemon.is_left_serving():
            self.shipway("down", "--yes").ended(timeout=60.0)
        # `down` answers when the daemon has stopped listening; its process ends a moment later.
        _, left = psutil.wait_procs(processes_in(self.folder), timeout=patience)
        names = [f"{process.pid} {' '.join(process.info['cmdline'] or [])[:120]}" for process in left]
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=5)
        daemon.forget()
        _make_writable(self.folder)
        shutil.rmtree(self.folder)
        return names

    def _go_back(self, checkout: Path, story: Story) -> str | None:
        unfit = unfit_patch(self.app, checkout / "demo", story)
        if unfit is None:
            return None
        commit = newest_fitting_commit(checkout, story)
        if commit is None:
            raise ShipwayError(
                f"demo/{unfit} does not fit the app, neither as it lies here nor as any of its last commits has it",
                fix=f"correct demo/{unfit}, or play the story in an unchanged clone",
                state="nothing was started",
            )
        shutil.rmtree(self.app)
        export(checkout, commit, story, self.app)
        return commit

    def _rewrite_description(self, story: Story) -> None:
        """Free ports, so that the story never meets a Shipway that runs here, and the story's own settings.

        An app for devices whose folder is not copied is left out: its build may need what only a network brings.
        """
        path = self.app / DESCRIPTION
        self.description = _laid_over(yaml.safe_load(path.read_text()), story.settings)
        apps = self.description.pop("apps", {})
        if copied := {name: app for name, app in apps.items() if (self.app / app["path"]).is_dir()}:
            self.description["apps"] = copied
        environments = self.description["environments"].values()
        ports = _free_ports(2 * len(environments))
        for environment in environments:
            for key in ("port", "https_port"):
                if key in environment:
                    environment[key] = ports.pop()
        path.write_text(yaml.safe_dump(self.description, sort_keys=False, allow_unicode=True))

    def _share_environments(self, checkout: Path) -> None:
        """Environments are named by their content, so the checkout's serve here too: only the first time installs."""
        shared = _state(checkout) / "environments"
        shared.mkdir(parents=True, exist_ok=True)
        mine = _state(self.app)
        mine.mkdir()
        (mine / "environments").symlink_to(shared)

    def _git(self, *words: str) -> None:
        must(["git", "-c", f"core.hooksPath={os.devnull}", *words], self.app, _GIT_ENVIRONMENT)


def daemon_of(app: Path) -> Daemon:
    """The daemon of an app. Raises ShipwayError where its target has none: the story kills one."""
    daemon = wiring.target(app).daemon()
    if daemon is None:
        raise ShipwayError(
            "the story is about a control plane, and this target has none", fix="leave out SHIPWAY_TARGET"
        )
    return daemon


def _state(app: Path) -> Path:
    return Path(daemon_of(app).state)


def _training_python(environment: Path, lock: Path) -> str:
    """The interpreter of the trainings' environment, which is kept between performances and brought up to date."""
    python = environment / "bin" / "python"
    if not python.exists():
        must([uv.find_uv_bin(), "venv", "--quiet", "--clear", "--python", sys.executable, str(environment)])
    sync = ["pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode", "--python", str(python), str(lock)]
    must([uv.find_uv_bin(), *sync])
    return str(python)


def _files(checkout: Path, story: Story) -> list[str]:
    """Files that are tracked or could be, but none that are ignored or deleted."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *story.copy_]
    listed = {path for path in must(words, checkout).stdout.split("\0") if path}
    there = (path for path in sorted(listed) if (checkout / path).is_file() or (checkout / path).is_symlink())
    kept = [path for path in there if story.takes(path)]
    if not kept:
        fix = "run it in the app's checkout"
        raise ShipwayError(f"nothing of {', '.join(story.copy_)} lies in {checkout}", fix=fix)
    return kept


def _laid_over(base: Any, over: Any) -> Any:
    if not isinstance(base, dict) or not isinstance(over, Mapping):
        return over
    return base | {key: _laid_over(base.get(key), value) for key, value in over.items()}


def _free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those that outgoing connections take."""
    free: list[int] = []
    for port in random.sample(range(20_000, 32_000), 2_000):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                free.append(port)
        if len(free) == count:
            return free
    raise ShipwayError(f"fewer than {count} free ports between 20000 and 32000 on this machine")


def _make_writable(folder: Path) -> None:
    """Built trees are read-only; their folders must be writable to be removed."""
    for path, _, _ in os.walk(folder):
        Path(path).chmod(stat.S_IRWXU)
