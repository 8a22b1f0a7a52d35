"""A container engine of this machine, and what of it the rehearsal uses: a Docker API, a network, a shim on PATH."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.contracts import images
from tests.waiting import wait_for

_LONG = 600.0
_FORWARDER = """
import socket, sys, threading

def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

host, port = sys.argv[1], int(sys.argv[2])
listener = socket.create_server(("", port))
while True:
    near, _ = listener.accept()
    far = socket.create_connection((host, port))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=pump, args=pair, daemon=True).start()
"""


class NoEngine(Exception):
    """No container engine can be had; the message says what was looked for and what helps."""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answers. `base` is the image that others are built on, `folder` holds the run's own settings.

    `gateway` names the network and the container that lead tasks to the emulator on `port`.
    """

    program: str
    base: str
    folder: Path
    port: int
    gateway: str

    @property
    def variables(self) -> dict[str, str]:
        """What the engine's command is told, so that this machine's own settings stay as they are."""
        return {
            "CONTAINERS_REGISTRIES_CONF": str(self.folder / "registries.conf"),
            "REGISTRY_AUTH_FILE": str(self.folder / "logins.json"),
            "DOCKER_CONFIG": str(self.folder / "docker"),
        }

    @property
    def socket(self) -> str:
        """Address of its Docker API."""
        if self.program == "docker":
            return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
        return f"unix://{self.folder}/engine.sock"

    def run(self, *words: str, check: bool = True) -> str:
        """What the command prints. Raises CalledProcessError unless `check` is False."""
        done = subprocess.run(
            [self.program, *words], capture_output=True, text=True, timeout=_LONG, check=False,
            env=os.environ | self.variables,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, [self.program, *words], done.stdout, done.stderr)
        return done.stdout.strip()

    def pull(self, image: str) -> None:
        """Take the image from its registry, under the name that it has there."""
        self.run("pull", "--quiet", image)

    def entrypoint(self, image: str) -> list[str]:
        """The image's ENTRYPOINT."""
        found: list[str] | None = json.loads(self.run("image", "inspect", image))[0]["Config"].get("Entrypoint")
        return found or []


@contextmanager
def engine(folder: Path, port: int) -> Iterator[Engine]:
    """The engine, ready for images of a registry on localhost:`port`, which speaks HTTP. Raises NoEngine."""
    program = images.engine()
    if program is None:
        raise NoEngine(
            "no container engine answers: neither `docker info` nor `podman info` succeeds.\n"
            "Install one (on Debian: apt-get install podman buildah runc netavark), or start it."
        )
    base = os.environ.get(images.BASE_IMAGE) or images.default_base("backend-api")
    found = Engine(program, base, folder, port, f"shipway-rehearsal-{os.getpid()}")
    (folder / "registries.conf").write_text(
        f'unqualified-search-registries = ["docker.io"]\n[[registry]]\nlocation = "localhost:{port}"\ninsecure = true\n'
    )
    (folder / "logins.json").write_text("{}")
    if subprocess.run([program, "image", "inspect", base], capture_output=True, check=False).returncode != 0:
        raise NoEngine(
            f"{program} has no image {base}, on which the others are built.\n"
            f"Pull it ({program} pull {base}), or name one that is there in {images.BASE_IMAGE}."
        )
    _shim(found)
    if program == "docker":
        yield found
        return
    with (folder / "engine.log").open("wb") as log:
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", found.socket], stdout=log, stderr=log,
            env=os.environ | found.variables,
        )  # fmt: skip
        try:
            wait_for(lambda: _answers(folder / "engine.sock"), "podman answers as a Docker API")
            yield found
        finally:
            service.terminate()
            service.wait(30)


@contextmanager
def gateway(engine: Engine) -> Iterator[None]:
    """A network of its own with a container in it that passes the port on to this machine.

    The emulator runs on the machine and takes this container for itself: tasks get its network, and its address as
    that of AWS. Tasks and images that are left over are removed with it.
    """
    name = engine.gateway
    # Nothing here asks for names, and podman's server of them would outlive the network.
    engine.run("network", "create", *(["--disable-dns"] if engine.program == "podman" else []), name)
    try:
        subnet = json.loads(engine.run("network", "inspect", name))[0]
        address = (subnet.get("subnets") or subnet["IPAM"]["Config"])[0]
        host = address.get("gateway") or address["Gateway"]
        words = ["python", "-c", _FORWARDER, host, str(engine.port)]
        engine.run("run", "--detach", "--name", name, "--network", name, engine.base, *words)
        yield
    finally:
        left = engine.run("ps", "--all", "--quiet", "--filter", f"network={name}", check=False).split()
        if left:
            engine.run("kill", *left, check=False)
            engine.run("rm", "--force", *left, check=False)
        engine.run("network", "rm", name, check=False)
        if built := engine.run("images", "--quiet", "--filter", f"reference=localhost:{engine.port}/*/*").split():
            engine.run("image", "rm", "--force", *dict.fromkeys(built), check=False)


def _shim(engine: Engine) -> None:
    """`docker` on the PATH of builds: the engine, with the words that this machine's builds need."""
    program = shutil.which(engine.program)
    options = shlex.join(shlex.split(os.environ.get(images.BUILD_OPTIONS, "")))
    shim = engine.folder / "bin" / "docker"
    shim.parent.mkdir(exist_ok=True)
    shim.write_text(
        f'#!/bin/sh\nif [ "$1" = build ]; then shift; exec {program} build {options} "$@"; fi\nexec {program} "$@"\n'
    )
    shim.chmod(0o755)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            asked.connect(str(path))
        except OSError:
            return False
        return True
