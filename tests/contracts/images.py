"""The parts' images, built and run by a container engine where one answers.

`SHIPWAY_TEST_BASE_IMAGE` names the image that they are built on, by default the one that their Dockerfiles name;
`SHIPWAY_TEST_BUILD_OPTIONS` are more words for the engine's `build`, such as `--network=host`.
"""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

from tests.contracts.programs import ROOT, Service, kept
from tests.free_ports import free_port

BASE_IMAGE, BUILD_OPTIONS = "SHIPWAY_TEST_BASE_IMAGE", "SHIPWAY_TEST_BUILD_OPTIONS"
_ANSWER, _BUILD, _RUN = 20.0, 600.0, 180.0
_PORT = "8080"


@dataclass(frozen=True, slots=True)
class Image:
    """A part's image, and the engine that runs it."""

    engine: str
    name: str

    def run(self, *words: str, options: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """`<image> WORDS` to its end."""
        with self._named() as start:
            command = [*start, *options, self.name, *words]
            return subprocess.run(command, capture_output=True, text=True, timeout=_RUN, check=False)

    @contextmanager
    def running(self, log: Path, *words: str, options: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
        """`<image> WORDS` while the block runs; signals to the process reach the container, and so back its exit code."""
        with self._named() as start, log.open("wb") as file:
            command = [*start, *options, self.name, *words]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
            try:
                yield process
            finally:
                # what stands for the container here; the container itself is removed with its name
                process.kill()
                process.wait()

    @contextmanager
    def serving(
        self, log: Path, *words: str, variables: Mapping[str, str], mounts: Mapping[Path, str],
        ready: str | None = "/ping", options: Sequence[str] = (),
    ) -> Iterator[Service]:  # fmt: skip
        """`<image> WORDS` as a platform starts it, folders mounted (host → container), once `ready` answers 200."""
        port = free_port()
        inside = variables.get("SAGEMAKER_BIND_TO_PORT") or variables.get("PORT") or _PORT
        given = ["--publish", f"127.0.0.1:{port}:{inside}", *environment(variables), *volumes(mounts), *options]
        with self.running(log, *words, options=given) as process:
            yield from kept(Service(process, port, log), ready)

    @contextmanager
    def _named(self) -> Iterator[list[str]]:
        """The first words of a run whose container is gone afterwards, whatever happened."""
        name = f"shipway-test-{uuid.uuid4().hex[:12]}"
        try:
            yield [self.engine, "run", "--rm", "--name", name]
        finally:
            _ask(self.engine, "rm", "--force", name)


def environment(variables: Mapping[str, str]) -> list[str]:
    """Options that set the variables."""
    return [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]


def volumes(mounts: Mapping[Path, str]) -> list[str]:
    """Options that mount the folders (host → container)."""
    return [word for host, inside in mounts.items() for word in ("--volume", f"{host}:{inside}")]


@contextmanager
def built(part: str, folder: Path, more: Path | None = None) -> Iterator[Image]:
    """The part's image, built in `folder`, with the model in `more` baked in.

    Skips the test where no engine answers or the base image is not there; one that was asked for by name must be.
    """
    asked = os.environ.get(BASE_IMAGE)
    found = engine()
    if found is None:
        _without(asked, "no container engine answers: neither `docker info` nor `podman info` succeeds")
    base = asked or default_base(part)
    # never pulled here: a test that downloads would wait for a network that may not be there
    if _ask(found, "image", "inspect", base) != 0:
        _without(asked, f"{found} has no image {base}: pull it, or name one that is there in {BASE_IMAGE}")
    context = folder / part
    copy_source(part, context)
    if more is not None:
        shutil.copytree(more, context / "models", dirs_exist_ok=True)
    name = f"shipway-test-{part}-{uuid.uuid4().hex[:12]}"
    options = ["--build-arg", f"BASE_IMAGE={base}", *shlex.split(os.environ.get(BUILD_OPTIONS, ""))]
    done = subprocess.run(
        [found, "build", *options, "--tag", name, str(context)],
        capture_output=True, text=True, timeout=_BUILD, check=False,
    )  # fmt: skip
    assert 0 == done.returncode, f"{found} cannot build {part}: {(done.stdout + done.stderr)[-2000:]}"
    try:
        yield Image(found, name)
    finally:
        _ask(found, "image", "rm", "--force", name)


def copy_source(part: str, to: Path) -> None:
    """The part's files as an image gets them, of what lies here now instead of a commit."""
    app = yaml.safe_load((ROOT / "shipway.yaml").read_text())
    described = (*app["services"].values(), app["model"]["training"])
    included = next((found.get("include", []) for found in described if found["path"] == part), [])
    with tempfile.TemporaryDirectory() as temporary:
        index = os.environ | {"GIT_INDEX_FILE": f"{temporary}/index"}
        _git("read-tree", "HEAD", env=index)
        _git("add", "--all", part, *included, env=index)
        tree = _git("write-tree", env=index)
    command = [
        sys.executable,
        "infra/modules/pipeline/image_source.py",
        "--commit",
        tree,
        "copy",
        str(to),
        part,
        *included,
    ]
    subprocess.run(command, cwd=ROOT, timeout=_RUN, check=True)


def _git(*words: str, env: Mapping[str, str]) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=_RUN, check=True)
    return done.stdout.strip()


@functools.cache
def engine() -> str | None:
    """A container engine that answers, if there is one."""
    for name in ("docker", "podman"):
        try:
            done = subprocess.run([name, "info"], capture_output=True, text=True, timeout=_ANSWER, check=False)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if done.returncode == 0 and not re.search("^(ERROR|Cannot connect)", done.stdout + done.stderr, re.MULTILINE):
            return name
    return None


def default_base(part: str) -> str:
    """The image that the part's Dockerfile names."""
    (line, *_) = [line for line in (ROOT / part / "Dockerfile").read_text().splitlines() if "BASE_IMAGE=" in line]
    return line.partition("=")[2]


def _without(asked: str | None, reason: str) -> NoReturn:
    if asked:
        pytest.fail(f"{BASE_IMAGE} asks for {asked}, but {reason}")
    pytest.skip(reason)


def _ask(engine: str, *words: str) -> int:
    """The engine's exit code for a command that should take no time."""
    try:
        return subprocess.run([engine, *words], capture_output=True, timeout=_ANSWER, check=False).returncode
    except subprocess.TimeoutExpired:
        return -1
