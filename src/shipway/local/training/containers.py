"""Steps of trainings in containers: the program's image, built once for each artifact, and the engine that runs it.

A container is named by its step's folder, so that whoever comes after a control plane that was killed can end it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shipway.core.errors import ShipwayError
from shipway.core.logs.headline import with_log
from shipway.core.ports.telling import Tell
from shipway.core.releases.release import Artifact
from shipway.local.builds.address import address_of
from shipway.local.files.file_lock import locked

INSIDE = "/opt/ml"
"""Where SageMaker lays a job's folders out."""
_SCRATCH = "/tmp"  # noqa: S108 - the container's own
_ANSWER, _BUILD = 30.0, 30 * 60.0
_MOST_PROCESSES = 1024
_LOG_LINES = 20
_NOT_DOCKER = re.compile("^(ERROR|Cannot connect)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Engine:
    """Docker or Podman. `user` is what containers run as, so that whoever runs Shipway may remove what they leave."""

    program: str
    user: str | None = None

    def words_to_run(
        self, image: str, words: Sequence[str], *, name: str, base: Path, scratch: Path, variables: Mapping[str, str]
    ) -> list[str]:
        """The command that runs `<image> WORDS` on the folder `base` as /opt/ml, without network or rights."""
        return [
            *(self.program, "run", "--rm", "--name", name, "--pull", "never", "--network", "none"),
            *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
            # The folders belong to this user alone: no other container could be let in by a label.
            *("--security-opt", "label=disable", "--pids-limit", str(_MOST_PROCESSES), "--log-driver", "none"),
            *(("--user", self.user) if self.user else ()),
            *("--volume", f"{base}:{INSIDE}", "--volume", f"{scratch}:{_SCRATCH}"),
            *(word for variable, value in variables.items() for word in ("--env", f"{variable}={value}")),
            *(image, *words),
        ]

    def ask(self, *words: str, timeout: float = _ANSWER) -> tuple[int, str]:
        """The exit code of a command that should take no time, and what it printed; -1 where it gave none."""
        try:
            done = subprocess.run(
                [self.program, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                timeout=timeout, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            return -1, str(error)
        return done.returncode, done.stdout.decode("utf-8", "replace")

    def end(self, name: str) -> None:
        """Kill and remove the container, if there is one. Raises ShipwayError where the engine can't."""
        _, said = self.ask("rm", "--force", "--volumes", name)
        code, found = self.ask("ps", "--all", "--quiet", "--filter", f"name=^{name}$")
        if code != 0 or found.strip():
            raise ShipwayError(
                f"the step's container {name} cannot be ended: {said.strip()[-500:]}",
                fix=f"{self.program} rm --force {name}",
            )


def find_engine() -> Engine:
    """The engine that answers here, Docker first. Raises ShipwayError where none does."""
    for program in ("docker", "podman"):
        engine = Engine(program)
        code, said = engine.ask("info")
        if code != 0 or _NOT_DOCKER.search(said):
            continue
        # To Podman and to a rootless Docker, root in the container is whoever runs them.
        mapped = program == "podman" or "rootless" in said or os.getuid() == 0
        return engine if mapped else Engine(program, f"{os.getuid()}:{os.getgid()}")
    raise ShipwayError(
        "model.training.run_in is `container`, and no container engine answers",
        fix="start Docker or Podman (`docker info`, `podman info`), or set model.training.run_in: process",
    )


class Containers:
    """Images of trainings. `folder` holds the locks of their builds; `options` are more words for the engine's `build`."""

    def __init__(self, folder: Path, options: Sequence[str] = ()) -> None:
        self._folder, self._options = folder, tuple(options)

    @cached_property
    def engine(self) -> Engine:
        """The engine, looked for at first use. Raises ShipwayError where none answers; then it is looked for again."""
        return find_engine()

    def image(self, artifact: Artifact, tell: Tell) -> str:
        """The artifact's image, built by its Dockerfile when it is not there yet. Raises ShipwayError when that fails."""
        name = f"shipway-training:{artifact.digest}"
        lock = self._folder / f".image-{artifact.digest}.lock"
        with locked(lock, _BUILD, "building the training's image"):
            if self.engine.ask("image", "inspect", name)[0] != 0:
                tell(f"building the image shipway-training:{artifact.short}… with {self.engine.program}")
                self._build(Path(address_of(artifact).tree), name)
        return name

    def _build(self, tree: Path, name: str) -> None:
        if not (tree / "Dockerfile").is_file():
            raise ShipwayError(
                "the training's folder has no Dockerfile, which model.training.run_in: container needs",
                fix="commit one whose entry point takes the step's name, or set model.training.run_in: process",
            )
        with tempfile.TemporaryDirectory(prefix="shipway-image-") as folder:
            context = Path(folder, "context")
            _copy_for_image(tree, context)
            code, said = self.engine.ask("build", *self._options, "--tag", name, str(context), timeout=_BUILD)
        if code != 0:
            last = said.strip().splitlines()[-_LOG_LINES:]
            raise ShipwayError(
                with_log("the training's image cannot be built", last),
                fix="correct its Dockerfile, or the connection to where its base image and packages come from",
            )


def container_name(place: Path) -> str:
    """The name of the container of the step in this folder: another app's step may have the same digest."""
    return f"shipway-step-{hashlib.sha256(os.fsencode(place.absolute())).hexdigest()[:32]}"


def _copy_for_image(tree: Path, context: Path) -> None:
    """The sealed tree as the commit has it: any user of the image may read it, and nothing is compiled for this machine."""
    shutil.copytree(tree, context, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"), copy_function=_copy)
    for path in (context, *context.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target)
    Path(target).chmod(0o755 if os.access(source, os.X_OK) else 0o644)
